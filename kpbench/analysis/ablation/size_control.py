"""Each level against the baseline of its own size: what is left of a contrast when both have as many parameters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kpbench.cell import RunResult
from kpbench.space.design import Design, Matched, Split
from kpbench.statistics.blocks import block_table
from kpbench.statistics.contrasts import Contrast, compare
from kpbench.statistics.decisions import Terms
from kpbench.statistics.plan import PlannedContrast

CELL = "cell"


@dataclass(frozen=True, eq=False)
class SizeControl:
    """A size-matched control and the contrast of its level with it, the other factors at the baseline."""

    matched: Matched
    contrast: Contrast


def size_controls(
    rows: Sequence[RunResult], design: Design, *, blocks: Sequence[int], failed_mse: float | None, terms: Terms
) -> tuple[SizeControl, ...]:
    """The contrasts with size-matched controls, paired by block: a family of their own.

    Args:
        rows: one for each planned run that has an outcome.
        blocks: those that count as planned now.
        failed_mse: what a failed run counts with.
    """
    if not design.matched:
        return ()
    rows = [row for row in rows if row.seed in blocks]
    lines: list[dict[str, Any]] = []
    family = []
    for place, one in enumerate(design.matched):
        level, control = f"level {place}", f"control {place}"
        family.append(PlannedContrast(factor=CELL, level=level, baseline=control))
        lines += _lines(rows, "ablation", {**design.baseline, one.factor: one.level}, level, design.judged_on)
        lines += _lines(rows, "matched", {**design.baseline, **one.change}, control, design.judged_on)
    names = [name for one in family for name in (one.baseline, one.level)]
    table = block_table(
        pd.DataFrame(lines, columns=[CELL, "block", "mse"]),
        factors=[CELL],
        failed_mse=failed_mse,
        blocks=blocks,
        cells=[{CELL: name} for name in names],
    )
    contrasts = compare(table, family, terms)
    return tuple(SizeControl(one, contrast) for one, contrast in zip(design.matched, contrasts, strict=True))


def _lines(
    rows: Sequence[RunResult], role: str, wanted: dict[str, Any], name: str, split: Split
) -> list[dict[str, Any]]:
    return [
        {CELL: name, "block": row.seed, "mse": math.nan if (mse := row.mse_on(split)) is None else mse}
        for row in rows
        if row.role == role and all(row.params.get(key) == value for key, value in wanted.items())
    ]
