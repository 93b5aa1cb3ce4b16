"""Numbers and names as every page, table and paragraph writes them."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kpbench.cell import Scalar, spoken
from kpbench.errors import plural as plural
from kpbench.statistics.scale import percent_change

if TYPE_CHECKING:  # a status is told in these words without scipy, which takes a second to import
    from kpbench.statistics.intervals import Interval

MINUS = "−"

MOST_PERCENT = 1000
"""A change of MSE beyond it is written `> 1,000 %`: what two seeds of a running study give has no meaning there."""


def number(value: float, *, beside: float = 1.0) -> str:
    """Three significant digits, or as many as keep the text on the value's side of `beside`."""
    for digits in range(3, 12):
        text = f"{value:.{digits}g}"
        if _same_side(float(text), value, beside):
            break
    return text


def p_text(p: float | None, *, alpha: float = 0.05) -> str:
    """A p value: `< 0.001`, or three decimals, more where it takes them to stay on its side of `alpha`."""
    if p is None:
        return "–"
    if p < 0.001:
        return "< 0.001"
    for digits in range(3, 12):
        text = f"{p:.{digits}f}"
        if _same_side(float(text), p, alpha):
            break
    return text


def percent(ratio: float) -> str:
    """A ratio as a signed change: `−12.3 %`; more digits where it is small, so that the sign is never lost."""
    change = percent_change(ratio)
    if change > MOST_PERCENT:
        return f"> +{MOST_PERCENT:,} %"
    text = f"{abs(change):,.1f}" if abs(change) >= 0.1 else f"{abs(change):.2g}"
    return f"{MINUS if change < 0 else '+'}{text} %" if change else "0 %"


def detectable_text(change: float | None, interval: "Interval | None") -> str:
    """A detectable change of MSE with its interval: `26 % (16 to 78 %)`; a dash for none."""
    if change is None or interval is None:
        return "–"
    if change > MOST_PERCENT:
        return f"{_size(change)} %"
    return f"{_size(change)} % ({ends_text((interval.low, interval.high), _size)} %)"


def _size(change: float) -> str:
    """A change in percent without a sign, in two digits or whole, never past `MOST_PERCENT`."""
    if change > MOST_PERCENT:
        return f"> {MOST_PERCENT:,}"
    return f"{change:.2g}" if change < 99.5 else f"{change:,.0f}"


def show_number(value: float, *, digits: int = 3) -> str:
    """A number with so many significant digits, in powers of ten below 0.001 and above 100,000: `2.4e-5`."""
    if value and math.isfinite(value) and not 1e-3 <= abs(value) < 1e5:
        digits_text, _, power = f"{value:.{digits - 1}e}".partition("e")
        trimmed = digits_text.rstrip("0").rstrip(".") if "." in digits_text else digits_text
        return f"{trimmed}e{int(power)}"
    return f"{value:.{digits}g}"


def cell_text(cell: Mapping[str, Scalar]) -> str:
    """What varies of a cell as a person types it, three digits a number: `depth=4 norm=batch lr=0.00445`."""
    names = short_names(cell)
    return " ".join(f"{names[name]}={value_text(value)}" for name, value in cell.items()) or "the only cell"


def value_text(value: Scalar) -> str:
    """A parameter's value as a person types it, a number with three digits, code of one's own without its digest."""
    return show_number(value) if isinstance(value, float) else spoken(value)


def contrast_text(one: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """A contrast of `--json` by its levels, with where other factors are held: `norm batch against none @ depth=4`.

    Args:
        names: of every factor of the design, as `short_names` gives them.
    """
    text = f"{names[one['factor']]} {value_text(one['level'])} against {value_text(one['baseline'])}"
    held = ",".join(f"{names[name]}={value_text(level)}" for name, level in one["at"].items())
    return f"{text} @ {held}" if held and one["effect"] == "simple" else text


def signed(value: float | None) -> str:
    """Two decimals with a minus sign that a page shows as one; a dash for none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    return f"{value:.2f}".replace("-", MINUS)


def interval_text(interval: "Interval | None") -> str:
    """The ends of an interval of a ratio, never rounded across 1: `0.81 to 0.93`; a dash for none."""
    return "–" if interval is None else ends_text((interval.low, interval.high))


def ends_text(ends: Iterable[float], show: Callable[[float], str] = number) -> str:
    """The ends of an interval or a range: `0.81 to 0.93`. No page or table writes them otherwise."""
    return " to ".join(map(show, ends))


def coverage(interval: "Interval") -> str:
    """An interval's coverage: `97.5 %`."""
    return f"{100 * interval.confidence:.3g} %"


def short_count(count: int) -> str:
    """A number for an axis or a column, in three significant digits: `950`, `93.2k`, `2.6M`."""
    for size, sign in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size * 0.9995:
            return f"{float(f'{count / size:.3g}'):g}{sign}"
    return str(count)


def seeds_text(n: int) -> str:
    """`1 seed`, `8 seeds`."""
    return f"{n:,} seed{'s' * (n != 1)}"


def short_name(name: str) -> str:
    """A parameter's name without its first part: `network.norm` -> `norm`, `training.lr` -> `lr`."""
    return name.partition(".")[2] or name


def short_names(names: Iterable[str]) -> dict[str, str]:
    """For each name the one to print: the short one unless two share it."""
    full = list(names)
    shorts = [short_name(name) for name in full]
    return {name: short if shorts.count(short) == 1 else name for name, short in zip(full, shorts, strict=True)}


def _same_side(text: float, value: float, limit: float) -> bool:
    return (text < limit, text > limit) == (value < limit, value > limit)
