"""The rows of a study as a pandas frame: one line a run, an epoch or a face."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from kpbench.analysis.ranking import last_of_each
from kpbench.analysis.shown import for_reading
from kpbench.cell import RunResult
from kpbench.faces.faces import KEYPOINTS
from kpbench.space.reading import parameters_in
from kpbench.store.files import ROWS, adapter, no_collection, read_lines
from kpbench.store.finding import find_study
from kpbench.store.plan import read_plan

Each = Literal["run", "epoch", "face"]
"""What a line of a flat frame stands for."""


TYPE_OF = {field.name: field.type for field in fields(RunResult)}


def _fields(kinds: str) -> list[str]:
    return [name for name, kind in TYPE_OF.items() if re.search(kinds, str(kind))]


MAPPINGS = [name for name in _fields(r"dict\[") if name != "params"]
PLAIN = [name for name in TYPE_OF if name not in _fields(r"(dict|list)\[")]

OF_RUN = ("role", "trial", "cell", "seed", "state")
"""What names the run in a frame with many lines a run, before the parameters that vary."""

TYPES = {int: "Int64", float: "float64", bool: "boolean", str: "string"}
"""Of a column, by that of its values; those that know a missing value."""


def read_rows(study: str | Path, *, out: str | Path = "reports") -> pd.DataFrame:
    """The rows of a study as a frame, one line a run in the order in which the runs first ended.

    A run that was tried again, or confirmed on the sealed test, has its last outcome.

    Columns: the fields of `kpbench.cell.RunResult`, except that each parameter of the cell has a column under its
    dotted name (`family`, `network.norm`, `training.lr`; missing where it has no part in the cell), and each value of
    a field that is a mapping one (`metrics.nme`, docs/metrics.md; `measures.shift 4`, an MSE; `costs.flops`). MSE is in
    (k - 48) / 48 units squared, `keypoint_px` in pixels, `seconds` in seconds. `face_mse` (a value a face that judges),
    `keypoint_px` (15 values) and `curve` (one mapping an epoch) hold lists; `flat_rows` has none.

    Args:
        study: a study's folder, or its name in `out`.

    Raises:
        UsageError: no such study, or a damaged one.
    """
    rows = _rows(find_study(str(study), Path(out)))
    columns = [name for name in TYPE_OF if name not in ("params", *MAPPINGS)]
    return pd.DataFrame([_line(row) for row in rows], columns=None if rows else columns)


@no_collection()
def flat_rows(study: str | Path, each: Each = "run", *, out: str | Path = "reports") -> pd.DataFrame:
    """The rows of a study without a list in them, for other programs: a frame with one type a column.

    Args:
        each: `run`: as `read_rows`, and a column for each keypoint (`keypoint_px.nose_tip`). `epoch`: the learning
            curves, one line an epoch of each run. `face`: `mse` of each face of `split` that judges the run, `face`
            its place there. The last two name the run and the parameters in which the study's cells differ.

    Raises:
        UsageError: as `read_rows`.
    """
    folder = find_study(str(study), Path(out))
    rows = _rows(folder)
    if each == "run":
        return _frame([_flat(row) for row in rows], PLAIN)
    lines = [_flat(row) for row in rows]
    names = dict.fromkeys(name for row in rows for name in row.params)
    shown = [*OF_RUN, *(name for name in names if len({line[name] for line in lines if name in line}) > 1)]
    runs = [{name: line[name] for name in shown if name in line} for line in lines]
    if each == "epoch":
        names_of = ("epoch", "train_mse", "val_mse", "val_score", "seconds")
        many = [[{name: getattr(record, name) for name in names_of} for record in row.curve] for row in rows]
        columns = [*shown, *names_of]
    else:
        plan = read_plan(folder)
        split = "test" if plan.design is None else plan.design.judged_on
        many = [[{"split": split, "face": at, "mse": mse} for at, mse in enumerate(row.face_mse or ())] for row in rows]
        columns = [*shown, "split", "face", "mse"]
    return _frame([run | one for run, found in zip(runs, many, strict=True) for one in found], columns)


def _rows(folder: Path) -> tuple[RunResult, ...]:
    rows = last_of_each(read_lines(folder / ROWS, RunResult))
    return for_reading(rows, parameters_in(read_plan(folder).space_text))


def _line(row: RunResult, of: Sequence[str] = tuple(TYPE_OF)) -> dict[str, Any]:
    """These fields of a row, its parameters under their names and every mapping spread."""
    line = adapter(RunResult).dump_python(row, include={*of, "params", *MAPPINGS})
    params: dict[str, Any] = line.pop("params")
    return {**dict(_spread(line)), **params}


def _flat(row: RunResult) -> dict[str, Any]:
    points = zip(KEYPOINTS, row.keypoint_px or (), strict=False)
    return _line(row, PLAIN) | {f"keypoint_px.{name}": px for name, px in points}


def _spread(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _spread(value, f"{prefix}{name}.")
        elif prefix or value is not None or name not in MAPPINGS:
            yield prefix + name, value


def _frame(lines: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Lines as a frame with one type a column; what has several (a number or a word) is text."""
    names = dict.fromkeys([*(columns if not lines else ()), *(name for line in lines for name in line)])
    return pd.DataFrame({name: _column(name, [line.get(name) for line in lines]) for name in names})


def _column(name: str, values: Sequence[Any]) -> Any:
    types = {type(value) for value in values if value is not None} or {_declared(name)}
    if types == {int, float}:
        types = {float}
    if len(types) > 1:
        values = [None if value is None else str(value) for value in values]
    return pd.array(values, dtype=TYPES[types.pop() if len(types) == 1 else str])  # type: ignore[call-overload]


def _declared(name: str) -> type:
    """The type of a field of which no row has a value."""
    return next((kind for kind in (int, float) if kind.__name__ in str(TYPE_OF.get(name))), str)
