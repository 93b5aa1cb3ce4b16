"""`kpbench doctor`: what this machine has for kpbench, how fast it trains, and what to mend."""

import os
import platform
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Literal

import numpy as np
from packaging.requirements import Requirement

from kpbench.engine.cluster import Cluster
from kpbench.engine.evaluate import epoch_seconds
from kpbench.engine.limits import FREE
from kpbench.engine.resources import Resources, cpu_quota, own_cpus
from kpbench.errors import UsageError
from kpbench.faces.datasets import DATASETS, SYNTHETIC_FACES
from kpbench.faces.faces import KEYPOINTS, SIZE, Faces, SealedFaces, Splits
from kpbench.faces.library import library
from kpbench.faces.library.cache import cache_folder
from kpbench.networks.fused import card_fault
from kpbench.plots.standalone import browser
from kpbench.space.design import base_cell
from kpbench.statistics.words import plural
from kpbench.studies.search_request import SearchRequest, prepare_search
from kpbench.training.device import bf16_by, card_memory, find_device, unseen_card
from kpbench.training.fit import RECIPE
from kpbench.version import __version__

State = Literal["ok", "note", "problem"]

FEW_BYTES = 2_000_000_000
"""Free bytes below which a folder that kpbench writes is worth a note."""

SHARED = 1_000_000_000
"""Bytes of shared memory that hold the faces of any data set of the size of Kaggle's for all workers."""

TEST_EXTRAS = ("test", "dev", "run")
SPACES = ("cnn_small", "keypoint")
"""Spaces whose default search is timed: that of `kpbench search`, and that of high scores."""


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and where it is not well what mends it."""

    name: str
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Asked:
    """What a person asked: where studies are to lie, and whether Ray is to be started."""

    out: Path
    ray: bool = True


def examine(asked: Asked) -> Iterator[Finding]:
    """Looks at everything, in order; takes some 20 seconds, most of them for Ray and for training."""
    for check in CHECKS.values():
        yield from check(asked)


def _versions(asked: Asked) -> Iterator[Finding]:
    found = {name: _version(name) for name in ("torch", "ray", "optuna", "numpy")}
    packages = ", ".join(f"{name} {number or 'missing'}" for name, number in found.items())
    text = f"kpbench {__version__} (recipe {RECIPE}), Python {platform.python_version()}, {packages}"
    unmet = _unmet()
    if unmet is None:
        yield Finding("versions", "note", f"{text}; kpbench is not installed, only found", "pip install -e .")
    elif unmet:
        yield Finding("versions", "problem", f"{text}; not as needed: {', '.join(unmet)}", "pip install -U kpbench")
    else:
        yield Finding("versions", "ok", text)


def _extras(asked: Asked) -> Iterator[Finding]:
    try:
        names = [name for name in metadata("kpbench").get_all("Provides-Extra") or () if name not in TEST_EXTRAS]
    except PackageNotFoundError:
        return
    there = [name for name in names if not _unmet(name)]
    missing = [name for name in names if name not in there]
    text = f"installed: {', '.join(there) or 'none'}" + (f"; not: {', '.join(missing)}" if missing else "")
    yield Finding("extras", "ok", text, f"pip install 'kpbench[{missing[0]}]'" if missing else "")
    if "figures" in there and not browser():
        what = "kaleido finds no Chrome or Chromium, so pictures of figures cannot be drawn"
        yield Finding("figures", "note", what, "install one (Debian: apt install chromium), or name it in BROWSER_PATH")


def _unmet(extra: str = "") -> list[str] | None:
    """What kpbench, or an extra of it, asks for and is not here in that version; None where it is not installed."""
    try:
        asked = [Requirement(text) for text in requires("kpbench") or ()]
    except PackageNotFoundError:
        return None
    found = []
    for one in asked:
        of_extra = one.marker is not None and "extra" in str(one.marker)
        if of_extra != bool(extra) or (one.marker is not None and not one.marker.evaluate({"extra": extra})):
            continue
        have = _version(one.name)
        if have is None or not one.specifier.contains(have, prereleases=True):
            found.append(f"{one.name}{one.specifier} (here {have or 'none'})")
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _device(asked: Asked) -> Iterator[Finding]:
    device = find_device()
    text = f"{device.title} ({device.kind})"
    if device.kind == "cuda":
        free, total = card_memory()
        text += f", {total / 1e9:.0f} GB, {free / 1e9:.0f} GB free"
    if why := unseen_card():
        yield Finding("device", "note", f"{text}; a card is here, but {why}", "install a torch with CUDA: pytorch.org")
    else:
        yield Finding("device", "ok", text)
    by = bf16_by(device)
    if device.precision == "bf16":
        yield Finding("precision", "ok", f"training steps in bf16 ({by}), scores in fp32")
    else:
        remedy = "nothing: this device does not multiply in bf16"
        yield Finding("precision", "note", "training steps in fp32, which takes longer than bf16 would", remedy)


def _passes(asked: Asked) -> Iterator[Finding]:
    if find_device().kind == "cuda" and (why := card_fault()):
        text = f"norm, pooling and activation run layer by layer on the card, for Triton compiles nothing: {why}"
        yield Finding("passes", "note", text, "install a C compiler and Python's headers (gcc, python3-dev)")


def _cores(asked: Asked) -> Iterator[Finding]:
    mine, there, quota = own_cpus(), os.cpu_count() or 1, cpu_quota()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    workers, threads = Resources().here, Resources().cpus
    text = (
        f"{mine} of {there} cores for this process; {plural(workers, 'worker')} of {plural(threads, 'thread')} "
        "by default (--workers, --cpus-per-trial)"
    )
    if quota is not None and quota < mine:
        remedy = f"--workers {max(1, int(quota))}, or raise the container's limit"
        yield Finding("cores", "problem", f"{text}, but a limit of {quota:g} cores (cgroup)", remedy)
    elif load > mine:
        yield Finding("cores", "note", f"{text}; load {load:.1f}", "wait for other work: it takes the same cores")
    else:
        yield Finding("cores", "ok", text)


def _folders(asked: Asked) -> Iterator[Finding]:
    for name, folder, remedy in (
        ("studies", asked.out, "--out another folder"),
        ("cache", cache_folder(), "set KPBENCH_CACHE to another folder"),
        ("library", library.library_folder(), "set KPBENCH_DATA to another folder"),
        ("scratch", Path(tempfile.gettempdir()), "set TMPDIR to another folder"),
    ):
        existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
        later = "" if existing == folder.absolute() else ", made when it is needed"
        try:
            with tempfile.TemporaryFile(dir=existing):
                free = shutil.disk_usage(existing).free
        except OSError as error:
            yield Finding(name, "problem", f"{folder} cannot be written: {error.strerror}", remedy)
            continue
        text = f"{folder}: {free / 1e9:.1f} GB free{later}"
        state: State = "problem" if free < FREE else "note" if free < FEW_BYTES else "ok"
        yield Finding(name, state, text, "" if state == "ok" else f"make room, or {remedy}")


def _shared_memory(asked: Asked) -> Iterator[Finding]:
    place = Path("/dev/shm")
    if not place.is_dir():
        return
    free = shutil.disk_usage(place).free
    text = f"{place}: {free / 1e9:.1f} GB free, where Ray keeps the faces for all workers"
    small = free < SHARED
    remedy = "with Docker --shm-size=2g; or --workers 0, which needs none" if small else ""
    yield Finding("shared memory", "note" if small else "ok", text, remedy)


def _data_sets(asked: Asked) -> Iterator[Finding]:
    yield Finding("data", "ok", f"{', '.join(DATASETS)} built in")
    try:
        names = library.names()
    except UsageError as error:
        yield Finding("data", "problem", str(error), "check KPBENCH_DATA")
        return
    for name in names:
        again = f"kpbench data add {name} PATH --replace"
        try:
            about = library.read_about(name)
        except UsageError:
            yield Finding("data", "problem", f"{name}, added: its about.json is damaged", again)
            continue
        if zipfile.is_zipfile(library.library_folder() / name / about.faces):
            sizes = ", ".join(f"{counts.faces:,} {part}" for part, counts in about.counts.items())
            yield Finding("data", "ok", f"{name}, added: {sizes} faces")
        else:
            yield Finding("data", "problem", f"{name}, added: its faces are gone or damaged", again)


def _training(asked: Asked) -> Iterator[Finding]:
    """A step of each space's first cell, timed on noise: a network takes as long with any picture."""
    workers = Resources().here
    for name in SPACES:
        prepared = prepare_search(SearchRequest(space=name, out=asked.out))
        task, splits = prepared.task, _noise()
        cell = task.complete(next(iter(task.space.guesses()), base_cell(task.space)))
        try:
            seconds = epoch_seconds(cell, task.stage(splits))
        except UsageError as error:
            yield Finding("training", "problem", f"{name}: {error}", "kpbench bench says more")
            continue
        n = len(splits.train)
        totals = prepared.totals(task.space.size)
        runs = totals["trials"] + totals["final cells"] * totals["final seeds"]
        minutes = seconds * task.epochs * runs / workers / 60
        command = "kpbench search" + ("" if name == SPACES[0] else f" --space {name}")
        yield Finding(
            "training",
            "ok",
            f"{name}: {n / seconds:,.0f} images/s of one worker; `{command}` on the built-in faces, {runs} runs of "
            f"{task.epochs} epochs with {plural(workers, 'worker')}, trains for at most {_long(minutes)}",
        )


def _noise() -> Splits:
    """Pictures of noise, as many as the built-in faces have in train; nothing is drawn for them."""
    rng = np.random.default_rng(0)
    n = round(0.7 * SYNTHETIC_FACES)

    def faces(count: int) -> Faces:
        points = rng.uniform(0, SIZE, (count, len(KEYPOINTS), 2)).astype(np.float32)
        return Faces(rng.integers(0, 256, (count, 1, SIZE, SIZE), np.uint8), points)

    return Splits("noise", faces(n), faces(8), SealedFaces(faces(1)), ())


def _long(minutes: float) -> str:
    if minutes < 1.5:
        return f"{max(1.0, 60 * minutes):.0f} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _ray(asked: Asked) -> Iterator[Finding]:
    if not asked.ray:
        return
    begun, one = time.perf_counter(), Cluster(Resources(workers=1))
    try:
        one.scratch()
        yield Finding("Ray", "ok", f"started in {time.perf_counter() - begun:.1f} s")
    except UsageError as error:
        yield Finding("Ray", "problem", str(error).partition("; --workers")[0], "--workers 0 trains in one process")
    finally:
        one.close()


CHECKS: Mapping[str, Callable[[Asked], Iterator[Finding]]] = {
    "versions": _versions,
    "extras": _extras,
    "device": _device,
    "passes": _passes,
    "cores": _cores,
    "folders": _folders,
    "shared memory": _shared_memory,
    "data": _data_sets,
    "training": _training,
    "Ray": _ray,
}
"""Name -> what is looked at, in the order of the lines."""
