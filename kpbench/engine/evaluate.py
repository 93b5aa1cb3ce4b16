"""The bridge between a job and training: one cell and its seeds in, progress out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kpbench.cell import EpochRecord, Params, network_id
from kpbench.engine.jobs import Failure, Job, Progress, model_name
from kpbench.errors import UsageError
from kpbench.faces.split import redrawn
from kpbench.networks.families import FAMILIES, build, family_defaults, is_foreign
from kpbench.networks.own import OwnFile, admit, place, raised_in_own
from kpbench.space.space import Defaults
from kpbench.task.benchmark import Coordinates
from kpbench.training.device import THREADS, Device, keep_freed_memory, threads
from kpbench.training.faces import DeviceFaces
from kpbench.training.fit import (
    RECIPE,
    DivergedError,
    Setting,
    fit,
    fit_together,
    training_defaults,
    training_of,
)
from kpbench.training.model_files import ModelCard, save_model
from kpbench.training.recorded import WARM_UP
from kpbench.training.seeds import global_seed
from kpbench.version import __version__

TIMED_FACES = 128
"""Training faces of an epoch that is measured to say how long training takes."""


@dataclass(frozen=True, eq=False)
class Staged:
    """What a worker needs of the data and the task: train and val as plain arrays, never the test split."""

    train_images: NDArray[np.uint8]
    train_keypoints: NDArray[np.float32]
    val_images: NDArray[np.uint8]
    val_keypoints: NDArray[np.float32]
    coordinates: Coordinates
    benchmark: str
    data: str
    device: Device
    people: NDArray[np.int64] | None = None
    """Who is on each face of train, then of val; None where no job draws them anew."""
    own: tuple[OwnFile, ...] = ()
    """Files of a person's own that the jobs' cells name; the workers get their text."""
    threads: int = THREADS
    heaviest: Params | None = None
    """The cell whose step takes most memory, of those that may come; None where nobody asks."""
    checkpoints: str | None = None
    """Folder for the state of long runs, where a machine sees it; None keeps none."""


@dataclass(frozen=True, eq=False)
class Ready:
    """Staged data on the device, copied once for each process, so that nothing can write to the shared arrays."""

    train: DeviceFaces
    val: DeviceFaces
    staged: Staged


def prepare(staged: Staged) -> Ready:
    """Copies the staged arrays to their device, and readies the process for training and for the study's own code."""
    keep_freed_memory()
    admit(staged.own)
    c, device = staged.coordinates, staged.device
    return Ready(
        device_faces(staged.train_images, staged.train_keypoints, c, device),
        device_faces(staged.val_images, staged.val_keypoints, c, device),
        staged,
    )


def device_faces(
    images: NDArray[np.uint8], keypoints: NDArray[np.float32], coordinates: Coordinates, device: Device
) -> DeviceFaces:
    """Faces copied to a device: images (N, 1, 96, 96), keypoints (N, 15, 2) in pixels."""
    tensors = (torch.tensor(images, device=device.torch), torch.tensor(keypoints, device=device.torch))
    return DeviceFaces(*tensors, coordinates.image_divisor, coordinates.centre, coordinates.scale)


def known_parameters(*more: str) -> Defaults:
    """Family -> every parameter by dotted name with its default: the signatures of the families and of `fit`.

    Of the built-in families and of `more`.

    Raises:
        UsageError: as `family_defaults`, for one of `more`.
    """
    return {family: {**family_defaults(family), **training_defaults()} for family in (*FAMILIES, *more)}


def own_versions() -> dict[str, str]:
    """The versions in this process that a run's numbers depend on."""
    return {"kpbench": __version__, "recipe": str(RECIPE), "torch": torch.__version__}


def work(job: Job, ready: Ready) -> Iterator[Progress]:
    """Trains a job's seeds, together where the device is faster so, and yields one progress an epoch.

    Each seed's model is saved after its last epoch. A seed that diverges, runs out of memory or fails becomes a
    `Failure`. A trial ends there: a cell whose replicate failed is told as failed, and its rows show which seed and
    why. Elsewhere the others go on. Nothing is raised.
    """
    with threads(ready.staged.threads):
        ready = ready if job.split is None else _resplit(ready, job.split)
        fits = 1 < len(job.seeds) <= ready.staged.device.cohort
        together = fits and not is_foreign(job.params)
        for epoch, seeds in enumerate((as_cohort if together else side_by_side)(job, ready), start=1):
            progress = Progress(epoch=epoch, seeds=seeds)
            yield progress
            if job.is_over(progress):
                return


def side_by_side(job: Job, ready: Ready, *, record: bool = True) -> Iterator[tuple[EpochRecord | Failure, ...]]:
    """The seeds of a job, each a program of its own, an epoch of each in turn; without end once they are trained.

    Args:
        record: as in `Setting`; a recorded step keeps its memory from epoch to epoch, and so each of them would.
    """
    fits: list[Iterator[EpochRecord] | Failure] = [_train(job, seed, ready, record=record) for seed in job.seeds]
    while True:
        found = tuple(one if isinstance(one, Failure) else _next(one) for one in fits)
        fits = [new if isinstance(new, Failure) else one for one, new in zip(fits, found, strict=True)]
        yield found


def as_cohort(job: Job, ready: Ready) -> Iterator[tuple[EpochRecord | Failure, ...]]:
    """The seeds of a job together; side by side from the first epoch where memory does not hold them all."""
    networks = [_built(job, seed, ready) for seed in job.seeds]
    setting = Setting(job.budget, job.seeds[0], ready.staged.device, network_id(job.params))
    fits = fit_together(networks, ready.train, ready.val, setting, job.seeds, **training_of(job.params))
    for epoch in range(1, job.epochs + 1):
        members = _next(fits)
        if isinstance(members, Failure):
            if members.reason == "oom" and epoch == 1:
                del fits, networks
                yield from side_by_side(job, ready, record=False)
                return
            yield (members,) * len(job.seeds)
            return
        if epoch == job.epochs:
            for seed, network, member in zip(job.seeds, networks, members, strict=True):
                if isinstance(member, EpochRecord):
                    _keep(job, seed, network, ready)
        yield tuple(m if isinstance(m, EpochRecord) else Failure(reason="nan", detail=str(m)) for m in members)
        if not any(isinstance(m, EpochRecord) for m in members):
            return


def _resplit(ready: Ready, seed: int) -> Ready:
    """Train and val drawn anew, as `faces.split.resplit` draws them."""
    people = ready.staged.people
    assert people is not None
    parts = ready.train, ready.val
    images, keypoints = (torch.cat([getattr(part, name) for part in parts]) for name in ("images", "keypoints"))
    val = torch.tensor(redrawn(people, len(ready.val.images), seed), device=images.device)
    train, val_faces = (replace(ready.train, images=images[one], keypoints=keypoints[one]) for one in (~val, val))
    return replace(ready, train=train, val=val_faces)


def epoch_seconds(cell: Params, staged: Staged) -> float:
    """Seconds of one epoch of a cell over the whole training split, from the second epoch over 128 faces.

    Raises:
        UsageError: it cannot be trained here.
    """
    n = min(TIMED_FACES, len(staged.train_images))
    found = _short(cell, staged, n)
    seconds = [record.seconds for record in found if isinstance(record, EpochRecord)]
    if not seconds:
        raise UsageError(f"an epoch cannot be timed here: {next(o.detail for o in found if isinstance(o, Failure))}")
    return min(seconds) * len(staged.train_images) / n


def step_memory(cell: Params, staged: Staged) -> tuple[int, int]:
    """Bytes that a cell's training step takes of this process's card at most, and bytes of the card."""
    torch.cuda.reset_peak_memory_stats()
    _short(cell, staged, min(TIMED_FACES, len(staged.train_images)))
    return torch.cuda.max_memory_reserved(), torch.cuda.get_device_properties(0).total_memory


def _short(cell: Params, staged: Staged, n: int) -> list[EpochRecord | Failure]:
    """A few epochs of a cell over the first n training faces; on a card enough for steps that are replayed."""
    small = replace(
        staged,
        train_images=staged.train_images[:n],
        train_keypoints=staged.train_keypoints[:n],
        val_images=staged.val_images[:8],
        val_keypoints=staged.val_keypoints[:8],
    )
    apart = "training.pretrain", "training.exposure"  # no part of an epoch
    own = {name: value for name, value in cell.items() if name not in apart}
    epochs = 2 * WARM_UP if staged.device.kind == "cuda" else 2
    job = Job(number=0, role="ablation", params=own, seeds=(0,), budget=epochs)
    return [seed for progress in work(job, prepare(small)) for seed in progress.seeds]


def _built(job: Job, seed: int, ready: Ready) -> nn.Module:
    with global_seed(seed, "weights"):
        return build(job.params).to(ready.staged.device.torch)


def _train(job: Job, seed: int, ready: Ready, *, record: bool) -> Iterator[EpochRecord]:
    network = _built(job, seed, ready)
    folder = ready.staged.checkpoints
    checkpoint = (
        None if folder is None or job.split is not None else Path(folder) / f"{model_name(job.params, seed)}.pt"
    )
    setting = Setting(job.budget, seed, ready.staged.device, network_id(job.params), checkpoint, record)
    for found in fit(network, ready.train, ready.val, setting, **training_of(job.params)):
        if found.epoch == job.epochs:
            _keep(job, seed, network, ready)
        yield found


def _keep(job: Job, seed: int, network: nn.Module, ready: Ready) -> None:
    """Saves a trained model where the job asks for it."""
    staged = ready.staged
    if job.models is None:
        return
    card = ModelCard(
        benchmark=staged.benchmark,
        params=job.params,
        seed=seed,
        epochs=job.epochs,
        data=staged.data,
        device=staged.device.title,
        kpbench=__version__,
        split=job.split,
    )
    save_model(network, card, Path(job.models) / model_name(job.params, seed))


T = TypeVar("T")


def _next(fit: Iterator[T]) -> T | Failure:
    try:
        return next(fit)
    except DivergedError as error:
        return Failure(reason="nan", detail=str(error))
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a cell that fails must not end the study; the row says why
        if isinstance(error, SystemExit) and not raised_in_own(error):
            raise  # a worker that is stopped
        return Failure(reason="oom" if is_oom(error) else "error", detail=one_line(error))


def is_oom(error: BaseException) -> bool:
    """Whether memory ran out; on a CPU torch says so in a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)


def one_line(error: BaseException) -> str:
    """An exception as one line for a row, with its place in a person's own file."""
    first, where = next(iter(str(error).splitlines()), ""), place(error)
    return f"{f'{where}: ' if where else ''}{type(error).__name__}: {first}"[:300]
