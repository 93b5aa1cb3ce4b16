"""Metrics and intervals of scores as cells of a table: headings, units, a mean with its range over runs."""

from collections.abc import Mapping, Sequence

from kpbench.analysis.metrics import MetricMean
from kpbench.plots.scores import show_score
from kpbench.report.tables import Cell, Kind
from kpbench.statistics.intervals import ScoreInterval
from kpbench.statistics.words import MINUS, ends_text

HEADINGS = {
    "rmse_px": "RMSE, px",
    "radial_mean_px": "Radial error, px",
    "radial_median_px": "Median, px",
    "radial_p90_px": "90 % below, px",
    "radial_p99_px": "99 % below, px",
    "nme": "NME, %",
    "nme_outer": "NME, outer corners, %",
    "auc_08": "AUC@0.08, %",
    "failure_08": "Failure@0.08, %",
    "pck_05": "PCK@0.05, %",
    "pck_10": "PCK@0.1, %",
    "bias_x_px": "Bias right, px",
    "bias_y_px": "Bias down, px",
}
"""Name of a metric -> its heading, in the order of a full table."""

COMPACT = ("rmse_px", "radial_median_px", "radial_p99_px", "nme", "failure_08", "pck_10")
"""What a compact table shows."""


def metric_columns(names: Sequence[str] = tuple(HEADINGS)) -> dict[str, Kind]:
    """The columns of these metrics."""
    return {HEADINGS[name]: "n" for name in names}


def metric_cells(means: Mapping[str, MetricMean], names: Sequence[str] = tuple(HEADINGS)) -> tuple[Cell, ...]:
    """The mean of each of these metrics, below it the lowest to the highest run; a dash where none has it."""
    return tuple(_cell(name, means.get(name)) for name in names)


def score_ends(found: ScoreInterval | None) -> str:
    """The ends of a score's interval, `150 to 160`; a dash where there is none."""
    if found is None or found.low is None or found.high is None:
        return "–"
    return ends_text((found.low, found.high), show_score)


def _cell(name: str, one: MetricMean | None) -> Cell:
    if one is None:
        return Cell("–")
    unit, plus = (1.0, "+" if name.startswith("bias") else "") if name.endswith("_px") else (100.0, "")
    mean, low, high = (f"{unit * value:{plus}.2f}".replace("-", MINUS) for value in (one.mean, one.low, one.high))
    return Cell(mean, detail=f"{low} to {high}" if one.n > 1 else "")
