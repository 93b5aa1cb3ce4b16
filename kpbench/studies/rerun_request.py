"""What a person asked of `kpbench rerun`: the stored run, found and checked before anything is trained."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from kpbench.analysis.ablation.provenance import reused_studies
from kpbench.analysis.cells import find_cell
from kpbench.analysis.shown import Shown
from kpbench.cell import Role, RunResult, Scalar
from kpbench.engine.evaluate import own_versions
from kpbench.errors import UsageError
from kpbench.networks.own import OwnFile, is_own
from kpbench.statistics.words import plural
from kpbench.store.files import ROWS, SESSIONS, read_lines
from kpbench.store.finding import find_study
from kpbench.store.plan import Plan, read_plan
from kpbench.store.values import Session
from kpbench.task.benchmark import Benchmark, parse_benchmark, read_benchmark
from kpbench.task.scorer import VERSION as SCORER
from kpbench.training.device import Device, find_device

ROLES: tuple[Role, ...] = ("final", "ablation", "trial", "control", "matched", "tuning")
"""Which run of a cell is trained again, where several roles have one."""


@dataclass(frozen=True)
class Rerun:
    """A stored run that can be trained again: everything but the faces is read and checked.

    Attributes:
        rows: one run, or the seeds of a trial.
        differs: what is not as it was, by name: there, here.
        varies: the parameters of the cell that the study varies.
    """

    folder: Path
    plan: Plan
    benchmark: Benchmark
    device: Device
    rows: tuple[RunResult, ...]
    differs: dict[str, tuple[str, str]]
    varies: dict[str, Scalar]
    own: tuple[OwnFile, ...] = ()


def prepare_rerun(
    study: str, cell: str, *, seed: int | None, out: Path, device: str | None = None, trust_code: bool = False
) -> Rerun:
    """Finds the run, and what of this machine and its versions is not as it was.

    Args:
        cell: as `analysis.cells.find_cell` takes it.
        seed: of the run; None for the first of the cell, and all seeds of a trial.
        device: instead of the study's kind.
        trust_code: run the files of a person's own that the study keeps.

    Raises:
        UsageError: no such study, cell or seed; a run that failed; another task or device; code not trusted.
    """
    folder = find_study(study, out)
    plan = read_plan(folder)
    every = read_lines(folder / ROWS, RunResult)
    chosen = find_cell(folder.name, every, cell)
    rows = _runs(folder.name, [row for row in every if row.cell == chosen], seed)
    benchmark = _same_task(folder, plan)
    versions = _versions(folder, rows[0])
    if any(map(is_own, rows[0].params.values())) and not trust_code:
        raise UsageError(
            f"cell {chosen} runs code of {', '.join(plan.own or {})}, which lies in {folder}; "
            "--trust-code runs it, if you trust it"
        )
    own = tuple(OwnFile(name, text) for name, text in (plan.own_texts or {}).items()) if trust_code else ()
    here = find_device(device or plan.device)
    if here.kind == plan.device:
        here = replace(here, precision=plan.precision)
    packages = {name: version(name) for name in ("timm", "numba", "numpy")}
    mine = own_versions() | packages | {"device": here.title, "kind": f"{here.kind} {here.precision}"}
    theirs = {"recipe": "1"} | versions | {"device": rows[0].device, "kind": f"{plan.device} {plan.precision}"}
    differs = {name: (theirs[name], mine[name]) for name in mine if theirs.get(name, mine[name]) != mine[name]}
    varies = Shown.of(plan).of_cell(rows[0].params)
    return Rerun(folder, plan, benchmark, here, tuple(rows), differs, varies, own)


def _runs(study: str, rows: Sequence[RunResult], seed: int | None) -> list[RunResult]:
    """The run with a seed, or the first that did not fail and, of a trial, its other seeds."""
    if seed is not None and seed not in {row.seed for row in rows}:
        known = ", ".join(map(str, sorted({row.seed for row in rows})[:12]))
        raise UsageError(f"cell {rows[0].cell} of {study} has no run with seed {seed}; it has {known}")
    asked = [row for row in rows if seed in (None, row.seed)]
    usable = [row for row in asked if row.state != "failed" and row.curve]
    if not usable:
        what = f"seed {seed} of cell {rows[0].cell}" if seed is not None else f"each run of cell {rows[0].cell}"
        why = next((f"{row.reason}: {row.detail}" for row in asked if row.reason), "no epoch was finished")
        raise UsageError(f"{what} of {study} failed ({why}), so there is no score to compare with; name another run")
    role = next(role for role in ROLES if any(row.role == role for row in usable))
    of_role = [row for row in usable if row.role == role]
    if role == "trial" and seed is None:
        return _latest([row for row in of_role if row.trial == of_role[0].trial])
    return _latest([row for row in of_role if row.seed == of_role[0].seed])


def _latest(rows: Sequence[RunResult]) -> list[RunResult]:
    """The last row of each seed: a run that is confirmed on the sealed test is written again."""
    return list({row.seed: row for row in rows}.values())


def _same_task(folder: Path, plan: Plan) -> Benchmark:
    """The study's benchmark, whose coordinates, splits and scorer are those of this kpbench."""
    there, here = parse_benchmark(plan.benchmark_text, str(folder)), read_benchmark()
    parts = {name: (getattr(there, name), getattr(here, name)) for name in ("version", "coordinates", "splits")}
    parts["scorer version"] = (plan.scorer, SCORER)
    apart = [f"{name} {old} there, {new} here" for name, (old, new) in parts.items() if old != new]
    if apart:
        raise UsageError(f"the task has changed since {folder.name} was trained ({'; '.join(apart)}); its runs differ")
    return there


def _versions(folder: Path, row: RunResult) -> dict[str, str]:
    """The versions that trained a row: of the study it was taken from, else of the last session begun before it."""
    if row.taken_from is not None:
        found = [one.versions for one in reused_studies(folder) if one.plan == row.taken_from]
        versions = found[-1] if found else {}
    else:
        sessions = read_lines(folder / SESSIONS, Session)
        before = [one for one in sessions if one.when <= row.finished] or sessions[:1]
        versions = before[-1].versions if before else {}
    # A worker on another node says in its rows what is not the driver's (`engine.ray_tune`).
    other = re.findall(r", (kpbench|recipe|torch) (\S+?)(?=,|$)", row.device)
    return {**versions, **dict(other)}


def check_target(prepared: Rerun, to: Path | None) -> None:
    """Refuses a place where the new model cannot be kept, before anything is trained.

    Raises:
        UsageError: another suffix, no such folder, a place in the study, or not one model to keep.
    """
    if to is None:
        return
    if to.suffix != ".safetensors":
        raise UsageError(f"--to {to}: a model is kept as .safetensors; write {to.with_suffix('.safetensors')}")
    if to.resolve().is_relative_to(prepared.folder.resolve()):
        raise UsageError(f"--to {to} lies in the study, which stays as it is; choose another place")
    if not to.parent.is_dir():
        raise UsageError(f"--to {to}: there is no folder {to.parent}")
    if len(prepared.rows) > 1:
        seeds = ", ".join(str(row.seed) for row in prepared.rows)
        raise UsageError(f"--to keeps one model and the trial has seeds {seeds}; say which with --seed")
    if prepared.rows[0].state != "complete":
        done = plural(prepared.rows[0].epochs, "epoch")
        raise UsageError(f"--to: the run was stopped early, after {done}, and leaves no model; name a complete one")
