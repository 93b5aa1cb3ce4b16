"""`kpbench rerun`: trains a stored run again by its study's own plan and compares every epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kpbench.cell import EpochRecord, RunResult
from kpbench.engine.evaluate import Staged, prepare, work
from kpbench.engine.events import Advanced, Ended, Notify, Stage, Started
from kpbench.engine.jobs import Failure, Job, model_name
from kpbench.faces.faces import Splits
from kpbench.faces.split import resplit
from kpbench.space.tuning import tunings
from kpbench.store.plan import Plan
from kpbench.studies.preflight import Say
from kpbench.studies.rerun_request import Rerun, check_target
from kpbench.studies.study_faces import faces_of_study
from kpbench.task.score import score_from_mse
from kpbench.task.scorer import official_mse
from kpbench.training.device import THREADS, threads
from kpbench.training.model_files import load_model
from kpbench.training.predict import Labelled
from kpbench.whole_file import write_whole

IN_BATCHES = ("trial", "tuning")
"""Roles whose score is the last epoch's; that of all others is official, one image at a time."""


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


def rerun(prepared: Rerun, data: str | None, to: Path | None, notify: Notify, say: Say) -> tuple[Compared, ...]:
    """Trains the run again, without a look at the sealed test and without a word in the study's folder.

    Args:
        data: where the faces lie; None looks for the study's by name, then where its command had them.
        to: file for the model, `.safetensors`.

    Raises:
        UsageError: the faces are not here or have changed, or `to` cannot be written or has nothing to hold.
    """
    check_target(prepared, to)
    splits = faces_of_study(prepared.folder, prepared.plan, prepared.benchmark.splits, data, say)
    rows, plan = prepared.rows, prepared.plan
    first, split = rows[0], _split_seed(plan, rows[0])
    own = splits if split is None else resplit(splits, split)
    notify(Stage("training again", 1))
    with TemporaryDirectory(prefix="kpb-") as scratch:
        job = Job(
            number=first.trial or 0,
            role=first.role,
            params=first.params,
            seeds=tuple(row.seed for row in rows),
            budget=plan.epochs,
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
