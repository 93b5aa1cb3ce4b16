"""The rows of a study as a pandas frame."""

from pathlib import Path
from typing import Any

import pandas as pd

from kpbench.analysis.shown import for_reading
from kpbench.cell import RunResult
from kpbench.space.reading import parameters_in
from kpbench.store.files import ROWS, read_lines
from kpbench.store.plan import read_plan
from kpbench.store.study import find_study

NESTED = ("metrics", "measures")
"""Fields that hold numbers by name: each gets a column of its own, the name behind the field's."""


def read_rows(study: str | Path, *, out: str | Path = "reports") -> pd.DataFrame:
    """The rows of a study as a frame, one line a run in the order in which the runs ended.

    Columns: the fields of `kpbench.cell.RunResult`, except that each parameter of the cell has a column under its
    dotted name (`family`, `network.norm`, `training.lr`; missing where it has no part in the cell), each metric one
    (`metrics.nme`; docs/metrics.md) and each further measure one (`measures.shift 4`, an MSE). MSE is in (k - 48) / 48
    units squared, `keypoint_px` in pixels, `seconds` in seconds. `face_mse` (a value a face that judges), `keypoint_px`
    (15 values) and `curve` (one mapping an epoch) hold lists.

    Args:
        study: a study's folder, or its name in `out`.

    Raises:
        UsageError: no such study, or a damaged one.
    """
    folder = find_study(str(study), Path(out))
    rows = for_reading(read_lines(folder / ROWS, RunResult), parameters_in(read_plan(folder).space_text))
    columns = [name for name in RunResult.model_fields if name not in ("params", *NESTED)]
    return pd.DataFrame([_line(row) for row in rows], columns=None if rows else columns)


def _line(row: RunResult) -> dict[str, Any]:
    line = row.model_dump(exclude={"params", *NESTED}) | row.params
    for field in NESTED:
        line |= {f"{field}.{name}": value for name, value in (getattr(row, field) or {}).items()}
    return line
