"""Each level of an ablation: its score over seeds, what it costs, and what further measures say of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kpbench.analysis.ablation.details import Grid
from kpbench.analysis.metrics import MetricMean, metric_means
from kpbench.cell import RunResult, Scalar
from kpbench.space.design import Design
from kpbench.statistics.blocks import BlockTable
from kpbench.statistics.collapse import collapse_bound, iqm
from kpbench.statistics.estimate import paired
from kpbench.statistics.intervals import Interval, ScoreInterval, score_interval
from kpbench.task.score import score_from_mse

COST_FLAG = 0.10
"""A level that changes a cost by more than this share of the baseline's is flagged."""

Costs = Mapping[str, Mapping[str, float]]
"""Cell -> counted cost -> value, as a study's `costs.json` holds them."""


@dataclass(frozen=True)
class Cost:
    """What a level costs, averaged over its cells; `flagged` names those more than 10 % from the baseline's.

    Attributes:
        flops: of one face's forward pass.
        step_megabytes: counted memory of a training step: weights, gradients, the optimizer's moments and what the
            forward pass keeps of one batch, in float32.
        seconds: median seconds of an epoch.
        images: that training showed a network, the mean over runs; a run that diverged saw fewer.
    """

    parameters: float
    megabytes: float
    flops: float
    step_megabytes: float
    seconds: float
    images: float
    flagged: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """What one further measure says of a level; exploratory, no part of the plan's family.

    Attributes:
        name: as in the rows: `shift 4`, `val of NAME`.
        interval: geometric-mean score over the blocks in which every run of the level has it; at 1 - alpha.
        ratio: MSE over the baseline's, geometric mean over paired blocks; None for the baseline or without a pair.
        ci: of the ratio at 1 - alpha, not adjusted; None below two pairs.
    """

    name: str
    interval: ScoreInterval
    ratio: float | None
    ci: Interval | None


@dataclass(frozen=True)
class Level:
    """One level of one factor, averaged over what it is crossed with.

    Attributes:
        failed, collapsed: runs that diverged or ended worse than the constant predictor, and the latter alone.
        bound: up to which share of runs could fail (`collapse_bound`); None without a run.
        iqm: interquartile mean of the runs' scores; None without a run.
        interval: geometric-mean score over complete blocks; None without one.
        measures: those that a block of the level has.
        metrics: of the errors on the faces that judge, over the runs that have them.
    """

    factor: str
    level: Scalar
    baseline: bool
    runs: int
    failed: int
    collapsed: int
    bound: float | None
    iqm: float | None
    interval: ScoreInterval | None
    cost: Cost | None
    measures: tuple[Measured, ...] = ()
    metrics: Mapping[str, MetricMean] = field(default_factory=dict)


def level_summaries(
    rows: Sequence[RunResult], table: BlockTable, grid: Grid, design: Design, costs: Costs, *, train_faces: int
) -> tuple[Level, ...]:
    """Every level of every factor, the baseline of each factor first."""
    logs = measure_logs(grid, design)
    found = []
    for factor, levels in design.factors.items():
        base: Cost | None = None
        first = counting_cells(design, factor, levels[0])
        for level in levels:
            mine = counting_cells(design, factor, level)
            cells = [design.cells[at] for at in mine]
            runs = [
                row
                for row in rows
                if row.role == "ablation" and {name: row.params[name] for name in design.factors} in cells
            ]
            blocks = _whole(_mean(np.log(table.mse), mine))
            mse = _whole(table.mse[list(mine)].ravel())
            failed = int(table.failed[list(mine)].sum())
            cost = _cost(runs, costs, base, train_faces)
            base = base or cost
            found.append(
                Level(
                    factor=factor,
                    level=level,
                    baseline=level == levels[0],
                    runs=len(runs),
                    failed=failed,
                    collapsed=int(table.collapsed[list(mine)].sum()),
                    bound=collapse_bound(failed, mse.size) if mse.size else None,
                    iqm=iqm([score_from_mse(float(value)) for value in mse]) if mse.size else None,
                    interval=score_interval(np.exp(blocks).tolist()) if blocks.size else None,
                    cost=cost,
                    measures=_measures(logs, mine, first, design.alpha),
                    metrics=metric_means(runs),
                )
            )
    return tuple(found)


def counting_cells(design: Design, factor: str, level: Scalar) -> tuple[int, ...]:
    """The positions of the cells that speak for a level: all that have it where factors are crossed, else one."""
    others = {name: value for name, value in design.baseline.items() if name != factor}
    return tuple(
        at
        for at, cell in enumerate(design.cells)
        if cell[factor] == level and (design.crossed or all(cell[name] == value for name, value in others.items()))
    )


def shift_of(name: str) -> int | None:
    """The pixels of a measure called `shift 4`; None for another."""
    word, _, pixels = name.partition(" ")
    return int(pixels) if word == "shift" and pixels.isdecimal() else None


def measure_order(name: str) -> tuple[float, str]:
    """What sorts measures: shifts by their pixels, then others by name."""
    shift = shift_of(name)
    return (math.inf if shift is None else shift, name)


def measure_logs(grid: Grid, design: Design) -> dict[str, NDArray[np.float64]]:
    """Log MSE of each further measure, (cells, blocks), NaN where a run has none; shifts first, by their pixels."""
    names = {name for row in grid.values() for name in row.measures or {}}
    found = {
        name: np.full((len(design.cells), len(design.blocks)), np.nan) for name in sorted(names, key=measure_order)
    }
    for place, row in grid.items():
        for name, mse in (row.measures or {}).items():
            if 0.0 < mse < math.inf:
                found[name][place] = math.log(mse)
    return found


def _measures(
    logs: Mapping[str, NDArray[np.float64]], mine: Sequence[int], baseline: Sequence[int], alpha: float
) -> tuple[Measured, ...]:
    found = []
    for name, values in logs.items():
        level = _mean(values, mine)
        whole = _whole(level)
        if not whole.size:
            continue
        pairs = _whole(level - _mean(values, baseline)) if tuple(mine) != tuple(baseline) else np.empty(0)
        found.append(
            Measured(
                name=name,
                interval=score_interval(np.exp(whole).tolist(), confidence=1.0 - alpha),
                ratio=math.exp(pairs.mean()) if pairs.size else None,
                ci=paired(pairs).ratio_interval(1.0 - alpha) if pairs.size > 1 else None,
            )
        )
    return tuple(found)


def _mean(logs: NDArray[np.float64], cells: Sequence[int]) -> NDArray[np.float64]:
    """The mean over cells in each block; NaN where one of them has no run."""
    mean: NDArray[np.float64] = logs[list(cells)].mean(axis=0)
    return mean


def _whole(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[~np.isnan(values)]


def _cost(runs: Sequence[RunResult], costs: Costs, base: Cost | None, train_faces: int) -> Cost | None:
    if not runs:
        return None
    seconds = [record.seconds for row in runs for record in row.curve]
    values = {
        "parameters": float(np.mean([row.parameters or 0 for row in runs])),
        "megabytes": float(np.mean([row.megabytes or 0.0 for row in runs])),
        "flops": float(np.mean([_counted(costs, row.cell, "flops") for row in runs])),
        "step_megabytes": float(np.mean([_counted(costs, row.cell, "step_megabytes") for row in runs])),
        "seconds": float(np.median(seconds)) if seconds else math.nan,
        "images": float(np.mean([row.images_seen(train_faces) for row in runs])),
    }
    flagged = tuple(name for name, value in values.items() if base and _is_far(value, getattr(base, name)))
    return Cost(**values, flagged=flagged)


def _counted(costs: Costs, cell: str, name: str) -> float:
    found = costs.get(cell, {})
    if not isinstance(found, Mapping):  # older studies hold the FLOPs alone
        found = {"flops": found}
    return float(found.get(name, math.nan))


def _is_far(value: float, reference: float) -> bool:
    return reference > 0 and abs(value / reference - 1.0) > COST_FLAG
