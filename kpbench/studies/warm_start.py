"""`kpbench search --warm-start STUDY`: what another study found, shown to the sampler and never counted."""

from collections.abc import Sequence
from pathlib import Path

from kpbench.cell import Params, RunResult, Scalar, Value
from kpbench.errors import UsageError
from kpbench.space.space import Choice, Parameter
from kpbench.store.files import ROWS, WARM, read_lines
from kpbench.store.plan import Plan, read_plan
from kpbench.store.study import Study
from kpbench.studies.preflight import Task
from kpbench.task.score import mean_score

SAME = ("data", "benchmark", "scorer", "epochs", "labels")
"""The fields of a plan in which two studies must agree for their scores to be on one scale."""

UNSET = "not set"


class Known(Value):
    """A cell of another study by its varying parameters here, with its mean validation score there."""

    params: dict[str, Scalar]
    score: float


def known_cells(folder: Path, task: Task, plan: Plan) -> list[Known]:
    """The cells of the study in `folder` that lie in the space of `task`, in the order of their first rows.

    Args:
        plan: of the study that is to begin.

    Raises:
        UsageError: it was scored on other faces or under other rules, or none of its cells lies in the space.
    """
    other = read_plan(folder)
    for name in SAME:
        if (there := getattr(other, name)) != (here := getattr(plan, name)):
            raise UsageError(
                f"--warm-start {folder}: its scores are on another scale, {name} is {there} there and {here} here; "
                "name a study of the same faces, benchmark and epochs"
            )
    if other.design is not None and other.design.resplit:
        raise UsageError(f"--warm-start {folder}: its blocks are judged on faces of their own; name another study")
    found: dict[str, list[RunResult]] = {}
    for row in read_lines(folder / ROWS, RunResult):
        if row.state == "complete" and row.val_mse is not None:
            found.setdefault(row.cell, []).append(row)
    if not found:
        raise UsageError(f"--warm-start {folder}: it has no complete run yet; continue it first")
    cells, outside = [], []
    for rows in found.values():
        if why := _outside(task, rows[0].params):
            outside.append(why)
            continue
        cell, factors = task.space.settle(rows[0].params), task.space.factors
        params = {name: value for name, value in cell.items() if name in factors}
        cells.append(Known(params=params, score=mean_score([row.val_mse for row in rows if row.val_mse is not None])))
    if not cells:
        raise UsageError(
            f"--warm-start {folder}: none of its {len(found)} cells lies in space '{task.space.name}': {outside[0]}"
        )
    return cells


def kept_cells(study: Study, cells: Sequence[Known]) -> list[Known]:
    """The cells that a study was begun with: written down at its first start, for the other study may grow."""
    path = study.folder / WARM
    if not path.is_file():
        study.write(WARM, "".join(cell.model_dump_json() + "\n" for cell in cells))
    return read_lines(path, Known)


def _outside(task: Task, params: Params) -> str | None:
    """Why a complete cell lies outside a space: the first parameter that does not fit; None where it lies inside."""
    cell = task.space.settle({name: params.get(name, UNSET) for name in task.space.parameters})
    for name, value in cell.items():
        if not _allows(task.space.parameters[name], value):
            return f"{name} is {value} there, which is not among its values here"
    mine = task.complete(cell)
    for name in sorted({*mine, *params}):
        if mine.get(name) != params.get(name):
            return f"{name} is {params.get(name, UNSET)} there and {mine.get(name, UNSET)} here"
    return None


def _allows(parameter: Parameter, value: Scalar) -> bool:
    if isinstance(parameter, Choice):
        return value in parameter.values
    return not isinstance(value, str) and parameter.low <= value <= parameter.high
