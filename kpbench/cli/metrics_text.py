"""The metrics of a model's keypoints in lines of at most 60 columns."""

import textwrap
from collections.abc import Iterator

from kpbench.statistics.intervals import Interval
from kpbench.statistics.keypoint_errors import Metrics
from kpbench.statistics.scale import rmse_px
from kpbench.statistics.words import plural

WIDTH = 60
MOST_CONDITIONS = 8


def metric_lines(found: Metrics) -> list[str]:
    """The metrics for a person: the whole, each keypoint, left against right, conditions where they are recorded."""
    return [*_whole(found), "", *_keypoints(found), "", *_sides(found), *_conditions(found)]


def _whole(found: Metrics) -> Iterator[str]:
    people = "" if found.people is None else f" of {plural(found.people, 'person', many='people')}"
    yield f"metrics of {plural(found.faces, 'face')}{people}"
    yield f"score         {found.score:7.2f}  1 / (2 MSE), MSE {found.mse:.6f}"
    yield f"RMSE          {found.rmse_px:7.3f}  px, of a coordinate"
    yield f"radial error  {found.radial_mean_px:7.3f}  px, mean distance to the true point"
    yield f"  median      {found.radial_median_px:7.3f}  px"
    yield f"  90 % below  {found.radial_p90_px:7.3f}  px"
    yield f"  99 % below  {found.radial_p99_px:7.3f}  px"
    yield f"bias          {found.bias_x_px:+7.3f}  px to the right, {found.bias_y_px:+.3f} down"
    yield f"NME           {_share(found.nme)}  % of the distance of the eye centres"
    yield f"NME, outer    {_share(found.nme_outer)}  % of that of the outer eye corners"
    yield f"AUC@0.08      {_share(found.auc_08)}  % of the area under the CED"
    yield f"failure@0.08  {_share(found.failure_08)}  % of faces with a larger NME"
    yield f"PCK@0.05      {_share(found.pck_05)}  % of points within 0.05 eye distances"
    yield f"PCK@0.1       {_share(found.pck_10)}  % of points within 0.1 eye distances"
    if found.sized < found.faces:
        yield f"{found.faces - found.sized} of the faces have eyes too close to normalise by"


def _keypoints(found: Metrics) -> Iterator[str]:
    yield f"{'keypoint, px':24}{'RMSE':>6}  {'radial, 95 %':>13}  {'bias x':>6} {'bias y':>6}"
    for one in found.keypoints:
        spread = "" if one.interval is None else f" ±{(one.interval.high - one.interval.low) / 2:.2f}"
        radial = f"{one.radial_px:.2f}{spread}"
        yield f"{one.name:24}{one.rmse_px:6.2f}  {radial:>13}  {one.bias_x_px:+6.2f} {one.bias_y_px:+6.2f}"


def _sides(found: Metrics) -> Iterator[str]:
    yield f"{'radial error, px':18}{'left':>6}{'right':>7}{'left - right, 95 %':>29}"
    for one in found.sides:
        difference = f"{one.difference_px:+.2f}{_ends(one.interval)}"
        yield f"{one.name:18}{one.left_px:6.2f}{one.right_px:7.2f}{difference:>29}"


def _conditions(found: Metrics) -> Iterator[str]:
    if found.conditions:
        yield from ("", f"{'condition':20}{'p (adj.)':>8}  RMSE px by third or value")
    for one in found.conditions[:MOST_CONDITIONS]:
        parts = ", ".join(f"{_label(part.label)}\N{NO-BREAK SPACE}{rmse_px(part.mse):.2f}" for part in one.slices)
        head = f"{one.name[:19]:20}{one.p_adjusted:8.3f}  "
        yield from (
            line.replace("\N{NO-BREAK SPACE}", " ")
            for line in textwrap.wrap(parts, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
        )
    more = len(found.conditions) - MOST_CONDITIONS
    if more > 0:
        yield f"{more} more in --json"


def _label(text: str) -> str:
    """The value of a condition, a number in three digits."""
    try:
        return f"{float(text):.3g}"
    except ValueError:
        return text


def _share(value: float | None) -> str:
    return f"{'–' if value is None else f'{100 * value:.2f}':>7}"


def _ends(interval: Interval | None) -> str:
    return "" if interval is None else f" ({interval.low:+.2f} to {interval.high:+.2f})"
