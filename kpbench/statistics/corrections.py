"""Many contrasts at once: adjusted p values and the coverages of intervals that agree with them."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Correction = Literal["holm", "none"]


def adjusted_p(p: Sequence[float], *, correction: Correction = "holm") -> tuple[float, ...]:
    """The p values of one family adjusted so that the chance of any false finding stays at alpha (Holm 1979).

    Raises:
        ValueError: a p outside [0, 1] or NaN, or an unknown correction.
    """
    values = _checked(p, correction)
    m = values.size
    if correction == "none":
        return tuple(values.tolist())
    # By hand: statsmodels' multipletests runs the garbage collector on every call, a tenth of a second.
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate((m - np.arange(m)) * values[order]))
    return tuple(adjusted.tolist())


def exploratory_p(p: Sequence[float]) -> tuple[float, ...]:
    """The p values adjusted for the false discovery rate (Benjamini & Hochberg 1995): keypoints and slices.

    Raises:
        ValueError: a p outside [0, 1] or NaN.
    """
    values = _checked(p, "none")
    return tuple(stats.false_discovery_control(values, method="bh").tolist()) if values.size else ()


def step_alphas(p: Sequence[float], *, alpha: float = 0.05, correction: Correction = "holm") -> tuple[float, ...]:
    """The alpha at which the family's procedure tested each contrast; its interval is shown at 1 minus that.

    Holm visits the m contrasts from the smallest p: the i-th is tested at alpha / (m - i + 1), and where one is
    not rejected, it and all after it stand at that step's level. An interval at 1 minus its level therefore leaves
    out "no effect" exactly where Holm's adjusted p is below alpha, so no verdict contradicts the interval shown.
    The family's chance that any interval wrongly leaves out no effect is at most alpha. The intervals of rejected
    contrasts are narrower than Bonferroni's and do not cover jointly; those at 1 - alpha / m do.

    Raises:
        ValueError: as `adjusted_p`, or an alpha outside (0, 1).
    """
    values = _checked(p, correction)
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    m = values.size
    if correction == "none":
        return (alpha,) * m
    alphas = np.empty(m)
    step_alpha, stopped = alpha, False
    for step, index in enumerate(np.argsort(values, kind="stable")):
        if not stopped:
            step_alpha = alpha / (m - step)
            stopped = bool(values[index] > step_alpha)
        alphas[index] = step_alpha
    return tuple(alphas.tolist())


def interval_note(m: int, *, alpha: float = 0.05, correction: Correction = "holm") -> str:
    """One sentence for the report that says what the shown intervals are."""
    if correction == "none" or m == 1:
        return f"Each interval is at {100 * (1 - alpha):.3g} %, without correction for several contrasts."
    return (
        f"Each interval is at the level at which Holm's procedure tested its contrast, between "
        f"{100 * (1 - alpha):.3g} % and {100 * (1 - alpha / m):.3g} % for {m} contrasts, so that it leaves out 1 "
        f"exactly where the adjusted p is below {alpha:g}; the chance of any false finding among the {m} is at most "
        f"{alpha:g}."
    )


def _checked(p: Sequence[float], correction: str) -> NDArray[np.float64]:
    if correction not in ("holm", "none"):
        raise ValueError(f"unknown correction '{correction}'. Known: holm, none")
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not bool(np.all((values >= 0.0) & (values <= 1.0))):
        raise ValueError("every p must lie between 0 and 1")
    return values
