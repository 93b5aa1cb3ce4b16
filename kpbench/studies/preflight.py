"""Everything that can be wrong before training, and what a run needs once it is right."""

import platform
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

from kpbench.cell import Params, Scalar
from kpbench.engine.evaluate import Staged
from kpbench.engine.live import Facts
from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.faces.faces import Splits
from kpbench.faces.partial import LABELS
from kpbench.networks.families import TooManyParametersError, check_rules, describe, step_megabytes
from kpbench.networks.own import OwnFile
from kpbench.space.space import Defaults, SearchSpace, complete
from kpbench.statistics.words import plural
from kpbench.store.files import CHECKPOINTS, MODELS
from kpbench.store.plan import Plan
from kpbench.store.study import now
from kpbench.store.values import Session
from kpbench.studies.spaces import open_space
from kpbench.task.benchmark import Benchmark, read_benchmark, with_rules
from kpbench.task.scorer import VERSION as SCORER
from kpbench.training.device import THREADS, Device, find_device
from kpbench.training.fit import RECIPE, training_of
from kpbench.training.limits import check_training
from kpbench.training.mean_start import check_mean_start
from kpbench.training.pretrain import check_pretrain
from kpbench.version import __version__

LONGEST_NAME = 200
"""Bytes; file systems allow 255 for a file's name, and some are written beside it for a moment."""

RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10))})
"""Devices of Windows, whatever follows a point: a study so named could not be copied there."""

RESERVED_MARKS = (":", "*", "?", '"', "<", ">", "|")
"""Not in a name: Windows refuses them, and `STUDY:CELL` names a cell."""

OF_A_STUDY = frozenset({MODELS, CHECKPOINTS, "tensorboard"})
"""Folders that a study has itself: in the folder of another study they would be taken for its own."""

CHECKED = 500
"""Spaces of no more cells are checked cell by cell before anything is trained, larger ones by probes and as they go."""

Say = Callable[[str, float], None]
"""(what is being done, share done): progress of reading or drawing faces."""


@dataclass(frozen=True, eq=False)
class Task:
    """The benchmark, a search space that keeps its rules, a device: everything but the faces.

    Attributes:
        images: that a run is to see, instead of `epochs`, which follow once the faces are known (`on`).
        own: a person's own files that the space names.
        packages: installed packages that a family of the space is of.
    """

    benchmark: Benchmark
    space: SearchSpace
    device: Device
    epochs: int
    defaults: Defaults
    images: int | None = None
    labels: str = "complete"
    threads: int = THREADS
    own: tuple[OwnFile, ...] = ()
    packages: tuple[str, ...] = ()
    sizes: dict[str, tuple[int, float]] = field(default_factory=dict)

    def complete(self, cell: Params) -> dict[str, Scalar]:
        """The cell with every default written out."""
        return complete(cell, self.defaults)

    def size(self, params: Params) -> tuple[int, float]:
        """Parameters and megabytes of a complete cell, computed once for each network.

        Raises:
            UsageError: the cell breaks the course's rules, cannot be built or has a training parameter out of range.
        """
        check_training(**training_of(params))
        check_pretrain(params)
        check_mean_start(params)
        key = describe(params)
        if key not in self.sizes:
            self.sizes[key] = check_rules(params, self.benchmark.rules)
        return self.sizes[key]

    def legal(self, cell: Params) -> bool:
        """Whether a cell keeps the rules."""
        try:
            self.size(self.complete(cell))
        except UsageError:
            return False
        return True

    def read_faces(self, source: str, say: Say) -> Splits:
        """The splits of a data set by name or path.

        Raises:
            UsageError: as `faces.datasets.load`.
        """
        splits = load(source, **self.benchmark.splits.model_dump(), labels=self.labels, progress=say)
        if len(splits.train) < 2:
            raise UsageError(f"{source} has {plural(len(splits.train), 'training face')}; training needs at least two")
        return splits

    def on(self, splits: Splits) -> "Task":
        """The task with the epochs, at least one, in which a run sees the images asked for on these faces."""
        if self.images is None:
            return self
        return replace(self, epochs=-(-self.images // len(splits.train)), images=None)

    def length(self, splits: Splits) -> str:
        """How long a whole run is, for a person: `12 epochs, 18,552 images`."""
        return f"{plural(self.epochs, 'epoch')}, {plural(self.epochs * len(splits.train), 'image')}"

    def facts(self, splits: Splits) -> Facts:
        """What every row of a study on these faces says."""
        return Facts(self.device.title, splits.digest(), self.size, len(splits.train))

    def stage(self, splits: Splits, *, people: bool = False, checkpoints: str | None = None) -> Staged:
        """What the workers get: train and val, never the test; who is on them where jobs draw them anew.

        Args:
            checkpoints: folder for the state of long runs.
        """
        train, val = splits.train, splits.val
        who = train.joined(val).subjects if people else None
        arrays = (train.images, train.keypoints, val.images, val.keypoints)
        known = (self.benchmark.coordinates, self.benchmark.digest, splits.digest(), self.device)
        return Staged(*arrays, *known, who, self.own, self.threads, self._heaviest(), checkpoints)

    def _heaviest(self) -> Params | None:
        """The cell whose step takes most memory, of those that were checked; None where training is on no card."""
        if self.device.kind != "cuda":
            return None
        return max(map(self.complete, self.checked()), key=step_megabytes)

    def checked(self) -> Iterator[Params]:
        """The cells that are looked at before anything is trained: every one of a small space, else its extremes."""
        space = self.space
        small = space.size is not None and space.size <= CHECKED
        return iter(space.cells() if small else (*space.probes(), *space.guesses()))

    def plan(self, splits: Splits, **asked: Any) -> Plan:
        """The identity of a study of this task on these faces; `asked` are the other fields of `Plan`."""
        return Plan(
            space_name=self.space.name,
            space=self.space.digest,
            benchmark_name=self.benchmark.name,
            benchmark=self.benchmark.digest,
            scorer=SCORER,
            data_name=splits.name,
            data=splits.digest(),
            epochs=self.epochs,
            device=self.device.kind,
            precision=self.device.precision,
            held_out=splits.held_out(),
            labels=None if self.labels == "complete" else self.labels,
            threads=None if self.threads == THREADS or self.device.kind != "cpu" else self.threads,
            data_sizes={"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)},
            data_notes=(*splits.notes, *splits.warnings),
            own={file.name: file.digest for file in self.own} or None,
            own_texts={file.name: file.text for file in self.own} or None,
            space_text=self.space.text,
            benchmark_text=self.benchmark.text,
            **asked,
        )

    def session(self, command: str, workers: int, totals: dict[str, int] | None = None) -> Session:
        """What started now, where, and with which versions."""
        packages = ("torch", "timm", "optuna", "ray", "numba", "numpy", "pandas", "plotly", *self.packages)
        versions = {"kpbench": __version__, "recipe": str(RECIPE), "python": platform.python_version()}
        return Session(
            when=now(),
            command=command or shlex.join(sys.argv),
            device=f"{self.device.title}, {plural(self.threads, 'thread')} a run",
            workers=workers,
            versions=versions | {package: version(package) for package in packages},
            totals=totals,
        )


def prepare_task(
    space: str,
    device: str | Device,
    epochs: int | None,
    *,
    images: int | None = None,
    labels: str = "complete",
    threads: int = THREADS,
    max_parameters: int | None = None,
    max_megabytes: float | None = None,
) -> Task:
    """Reads and checks benchmark, space and device.

    Args:
        max_parameters, max_megabytes: rules of this task in place of the course's.

    Raises:
        UsageError: an unknown name, a number out of range, a space with a cell that breaks the rules.
    """
    at_least({"--epochs": (1 if epochs is None else epochs, 1)})
    if labels not in LABELS:
        raise UsageError(f"unknown --labels '{labels}'. Known: {', '.join(LABELS)}")
    benchmark = with_rules(read_benchmark(), max_parameters=max_parameters, max_megabytes=max_megabytes)
    opened = open_space(space)
    found = opened.space
    task = Task(
        benchmark=benchmark,
        space=found,
        device=find_device(device) if isinstance(device, str) else device,
        epochs=epochs or found.budget.get("epochs", benchmark.budget.epochs),
        defaults=opened.defaults,
        images=images,
        labels=labels,
        threads=threads,
        own=opened.own,
        packages=opened.packages,
    )
    for cell in task.checked():
        try:
            task.size(task.complete(cell))
        except UsageError as error:
            instead = ""
            if max_parameters is not None and isinstance(error, TooManyParametersError):
                instead = (
                    "; --max-parameters is for every cell: kpbench search --max-params leaves larger ones out instead"
                )
            raise UsageError(f"search space '{found.name}': {error}{instead}") from error
    return task


def at_least(options: dict[str, tuple[int, int]]) -> None:
    """Refuses a number below its least, by the option's name."""
    for option, (value, least) in options.items():
        if value < least:
            raise UsageError(f"{option} must be at least {least}, got {value}")


def check_name(name: str | None) -> None:
    """Refuses a name of a study that is no plain folder name, or that a command or another system reads otherwise.

    Raises:
        UsageError: it is none.
    """
    if name is None:
        return
    if (length := len(name.encode("utf-8", "replace"))) > LONGEST_NAME:
        raise UsageError(f"--name must have {LONGEST_NAME} bytes or fewer, got {length}: {name[:20]!r} and so on")
    plain = name.isprintable() and name.strip() == name
    if not name or not plain or name in (".", "..") or any(mark in name for mark in "/\\"):
        raise UsageError(f"--name must be a plain folder name, got {name!r}; --out says where")
    if name.startswith("-"):
        raise UsageError(f"--name {name!r} would be read as an option by every command; begin it with a letter")
    if any(mark in name for mark in RESERVED_MARKS) or name.endswith("."):
        raise UsageError(f"--name {name!r} cannot be used: none of {' '.join(RESERVED_MARKS)} and no '.' at the end")
    if name.partition(".")[0].lower() in RESERVED or name in OF_A_STUDY:
        raise UsageError(f"--name {name!r} is reserved; choose another, such as {name.partition('.')[0]}-1")
