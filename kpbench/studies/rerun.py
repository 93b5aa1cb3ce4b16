"""`kpbench rerun`: trains a stored run again by its study's own plan and compares every epoch."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from kpbench.analysis.ablation.provenance import reused_studies
from kpbench.analysis.cells import find_cell
from kpbench.analysis.comparison.arms import differing
from kpbench.cell import EpochRecord, Role, RunResult, Scalar
from kpbench.engine.evaluate import THREADS, Labelled, Staged, own_versions, prepare, threads, work
from kpbench.engine.events import Advanced, Ended, Notify, Stage, Started
from kpbench.engine.jobs import Failure, Job, model_name
from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.faces.faces import Splits
from kpbench.faces.split import resplit
from kpbench.networks.own import OwnFile, is_own
from kpbench.space.tuning import tunings
from kpbench.statistics.words import plural
from kpbench.store.files import ROWS, SESSIONS, read_lines
from kpbench.store.plan import VERSIONED, Plan, read_plan
from kpbench.store.study import Session, find_study
from kpbench.studies.preflight import Say
from kpbench.task.benchmark import Benchmark, parse_benchmark, read_benchmark
from kpbench.task.score import score_from_mse
from kpbench.task.scorer import VERSION as SCORER
from kpbench.task.scorer import official_mse
from kpbench.training.device import Device, find_device
from kpbench.training.fit import RECIPE
from kpbench.training.model_files import load_model
from kpbench.whole_file import write_whole

ROLES: tuple[Role, ...] = ("final", "ablation", "trial", "control", "matched", "tuning")
"""Which run of a cell is trained again, where several roles have one."""

IN_BATCHES = ("trial", "tuning")
"""Roles whose score is the last epoch's; that of all others is official, one image at a time."""


@dataclass(frozen=True)
class Rerun:
    """A stored run that can be trained again: everything but the faces is read and checked.

    Attributes:
        rows: one run, or the seeds of a trial.
        together: every seed that trains with them: on a card the seeds of a cell are one program.
        differs: what is not as it was, by name: there, here.
        varies: the parameters of the cell in which the study's cells differ.
    """

    folder: Path
    plan: Plan
    benchmark: Benchmark
    device: Device
    rows: tuple[RunResult, ...]
    together: tuple[int, ...]
    differs: dict[str, tuple[str, str]]
    varies: dict[str, Scalar]
    own: tuple[OwnFile, ...] = ()


@dataclass(frozen=True)
class Epoch:
    """An epoch that is not the stored one: its losses there and here."""

    epoch: int
    stored: EpochRecord
    again: EpochRecord


@dataclass(frozen=True)
class Compared:
    """A stored run against the same run trained again.

    Attributes:
        again: val MSE of the new run, scored as the stored one was; None where it failed.
        failure: why, in one line.
        first: the first epoch that differs; None where all are equal.
    """

    stored: RunResult
    again: float | None
    first: Epoch | None
    failure: str | None = None

    @property
    def equal(self) -> bool:
        """Whether the score and every epoch's losses are the stored ones, bit for bit."""
        return self.failure is None and self.first is None and self.again == self.stored.val_mse

    @property
    def score(self) -> float | None:
        """The new run's validation score."""
        return None if self.again is None else score_from_mse(self.again)


def prepare_rerun(
    study: str, cell: str, *, seed: int | None, out: Path, device: str | None = None, trust_code: bool = False
) -> Rerun:
    """Finds the run and checks that this kpbench trains it as the study's did.

    Args:
        cell: as `analysis.cells.find_cell` takes it.
        seed: of the run; None for the first of the cell, and all seeds of a trial.
        device: instead of the study's kind.
        trust_code: run the files of a person's own that the study keeps.

    Raises:
        UsageError: no such study, cell or seed; a run that failed; another task, recipe or device; code not trusted.
    """
    folder = find_study(study, out)
    plan = read_plan(folder)
    every = read_lines(folder / ROWS, RunResult)
    chosen = find_cell(folder.name, every, cell)
    rows = _runs(folder.name, [row for row in every if row.cell == chosen], seed)
    benchmark = _same_task(folder, plan)
    versions = _versions(folder, rows[0])
    recipe = versions.get("recipe", "1")
    if recipe != str(RECIPE):
        raise UsageError(
            f"{folder.name} was trained by recipe {recipe} of kpbench {versions.get('kpbench', '?')} and this one "
            f"trains by recipe {RECIPE}: its runs would be others; install that version to train them again"
        )
    if any(map(is_own, rows[0].params.values())) and not trust_code:
        raise UsageError(
            f"cell {chosen} runs code of {', '.join(plan.own or {})}, which lies in {folder}; "
            "--trust-code runs it, if you trust it"
        )
    own = tuple(OwnFile(name, text) for name, text in (plan.own_texts or {}).items()) if trust_code else ()
    here = find_device(device or plan.device)
    if here.kind == plan.device:
        here = replace(here, precision=plan.precision)
    sisters = [r for r in every if (r.role, r.cell, r.trial) == (rows[0].role, chosen, rows[0].trial)]
    split_alone = plan.design is not None and bool(plan.design.resplit)
    together = rows if here.cohort == 1 or split_alone else _latest([row for row in sisters if row.curve])
    seeds = tuple(row.seed for row in together)
    packages = {name: version(name) for name in ("timm", "numba", "numpy")}
    mine = own_versions() | packages | {"device": here.title, "kind": f"{here.kind} {here.precision}"}
    theirs = versions | {"device": rows[0].device, "kind": f"{plan.device} {plan.precision}"}
    differs = {name: (theirs[name], mine[name]) for name in mine if theirs.get(name, mine[name]) != mine[name]}
    params = rows[0].params
    varies = {name: params[name] for name in differing([row.params for row in every]) if name in params}
    return Rerun(folder, plan, benchmark, here, tuple(rows), seeds, differs, varies, own)


def rerun(prepared: Rerun, data: str | None, to: Path | None, notify: Notify, say: Say) -> tuple[Compared, ...]:
    """Trains the run again, without a look at the sealed test and without a word in the study's folder.

    Args:
        data: where the faces lie; None looks for the study's by name, then where its command had them.
        to: file for the model, `.safetensors`.

    Raises:
        UsageError: the faces are not here or have changed, or `to` cannot be written or has nothing to hold.
    """
    _check_target(prepared, to)
    splits = _faces(prepared, data, say)
    rows, plan = prepared.rows, prepared.plan
    first, split = rows[0], _split_seed(plan, rows[0])
    own = splits if split is None else resplit(splits, split)
    notify(Stage("training again", 1))
    with TemporaryDirectory(prefix="kpb-") as scratch:
        job = Job(
            number=first.trial or 0,
            role=first.role,
            params=first.params,
            seeds=prepared.together,
            epochs=plan.epochs,
            models=scratch,
            split=split,
        )
        curves, failures = _train(job, prepared, splits, max(row.epochs for row in rows), notify)
        found = []
        for row in rows:
            failure, curve = failures.get(row.seed), curves[row.seed]
            again = curve[-1].val_mse if curve else None
            model = Path(scratch) / f"{model_name(row.params, row.seed)}.safetensors"
            if failure is None and row.role not in IN_BATCHES:
                network, _ = load_model(model)
                with threads():
                    again = official_mse(network, Labelled(own.val, prepared.benchmark.coordinates))
            found.append(Compared(row, None if failure else again, _first(row.curve, curve), failure))
            if to is not None and failure is None:
                write_whole(to.with_suffix(".json"), model.with_suffix(".json").read_bytes())
                write_whole(to, model.read_bytes())
        good = [one.score for one in found if one.score is not None]
        notify(Ended(job, "complete" if len(good) == len(found) else "failed", good[0] if good else None))
    return tuple(found)


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


def _faces(prepared: Rerun, data: str | None, say: Say) -> Splits:
    """The faces that the study was trained on: as named, or by its own name, or where its commands had them."""
    plan, name = prepared.plan, prepared.folder.name
    commands = [one.command for one in read_lines(prepared.folder / SESSIONS, Session)]
    sources = [plan.data_name, VERSIONED.get(plan.data_name), *map(_data_option, reversed(commands))]
    other: list[Splits] = []
    for source in dict.fromkeys(filter(None, sources if data is None else [data])):
        try:
            shares = prepared.benchmark.splits.model_dump()
            splits = load(source, **shares, labels=plan.labels or "complete", progress=say)
        except UsageError:
            if data is not None:
                raise
            continue
        if splits.digest() == plan.data:
            return splits
        other.append(splits)
    if not other:
        raise UsageError(
            f"the faces of {name}, {plan.data_name} {plan.data}, are not found; --data says where they are"
        )
    found = ", ".join(f"{one.name} {one.digest()}" for one in other)
    raise UsageError(
        f"these are not the faces that {name} was trained on: it had {plan.data_name} {plan.data}, found is {found}; "
        "name its faces with --data"
    )


def _data_option(command: str) -> str | None:
    """What a command had as `--data`."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--data":
            return following
        if word.startswith("--data="):
            return word.partition("=")[2]
    return None


def _split_seed(plan: Plan, row: RunResult) -> int | None:
    """The seed with which train and val were drawn anew for a run; None where they were kept."""
    design = plan.design
    if design is None or not design.resplit:
        return None
    if row.role != "tuning" or design.tuning is None:
        return row.seed
    found = tunings(design.cells, design.control, design.tuning)
    return next(one.block for _, one in found if one.seed == row.seed)


def _train(
    job: Job, prepared: Rerun, splits: Splits, epochs: int, notify: Notify
) -> tuple[dict[int, list[EpochRecord]], dict[int, str]]:
    """The curve of each seed over the first epochs, and why a seed failed."""
    train, val, plan = splits.train, splits.val, prepared.plan
    staged = Staged(
        train.images,
        train.keypoints,
        val.images,
        val.keypoints,
        prepared.benchmark.coordinates,
        prepared.benchmark.digest,
        splits.digest(),
        prepared.device,
        people=train.joined(val).subjects if job.split is not None else None,
        own=prepared.own,
        threads=plan.threads or THREADS,
    )
    curves: dict[int, list[EpochRecord]] = {seed: [] for seed in job.seeds}
    failures: dict[int, str] = {}
    notify(Started(job))
    for progress in work(job, prepare(staged)):
        for seed, one in zip(job.seeds, progress.seeds, strict=True):
            if isinstance(one, Failure):
                failures[seed] = f"{one.reason}: {one.detail}"
            else:
                curves[seed].append(one)
        records = [one for one in progress.seeds if not isinstance(one, Failure)]
        if records:
            notify(Advanced(job, progress.epoch, records[0].val_score))
        if progress.epoch == epochs:
            break
    return curves, failures


def _first(stored: Sequence[EpochRecord], again: Sequence[EpochRecord]) -> Epoch | None:
    pairs = zip(stored, again, strict=False)
    apart = ((a, b) for a, b in pairs if (a.train_mse, a.val_mse) != (b.train_mse, b.val_mse))
    return next((Epoch(a.epoch, a, b) for a, b in apart), None)


def _check_target(prepared: Rerun, to: Path | None) -> None:
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
