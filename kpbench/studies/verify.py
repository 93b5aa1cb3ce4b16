"""`kpbench verify faces`: do the built-in faces rank architectures as real ones do? One design on both."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kpbench.analysis.verify.agreement import ASKED, Asked
from kpbench.cell import RunResult
from kpbench.engine.events import Notify, Stage
from kpbench.errors import UsageError
from kpbench.faces.faces import Faces, Splits
from kpbench.store.files import PLAN, ROWS, read_lines
from kpbench.store.plan import Plan, read_plan
from kpbench.store.study import Study, check_folder
from kpbench.studies import ablation
from kpbench.studies.ablation import Ablate, AblationRequest, prepare_ablation
from kpbench.studies.preflight import Say
from kpbench.task.benchmark import Coordinates

BUILT_IN = "synthetic"
"""The data set that is drawn, and the name of the study on it."""

FACTORS = ("norm", "dropout", "depth")

LEVELS = {"depth": ("2", "4")}
"""Levels of a factor that is not compared at all of its space's."""


@dataclass(frozen=True)
class VerifyRequest:
    """What a person asked of `kpbench verify faces`; `levels` as words by factor, `data` the real faces."""

    data: str
    seeds: int = 4
    epochs: int | None = None
    levels: dict[str, tuple[str, ...]] | None = None
    space: str = "cnn_small"
    workers: int = 2
    device: str = "auto"
    out: Path = Path("reports")
    yes: bool = False
    command: str = ""


@dataclass(frozen=True, eq=False)
class Verify:
    """A request that can be carried out: one design, every cell checked, nothing read or written yet."""

    request: VerifyRequest
    built_in: Ablate
    real: Ablate


@dataclass(frozen=True, eq=False)
class Faced:
    """A prepared request that has seen its faces: where both studies go, and their plans.

    Attributes:
        mean_face_mse: of the mean face of the built-in training faces on the real validation faces.
    """

    folder: Path
    sides: tuple[Ablate, Ablate]
    plans: tuple[Plan, Plan]
    mean_face_mse: float


def prepare_verify(request: VerifyRequest) -> Verify:
    """Reads and checks everything that can be wrong before a face is read.

    Raises:
        UsageError: the built-in faces against themselves, or as `prepare_ablation`.
    """
    if request.data == BUILT_IN:
        raise UsageError(f"'{BUILT_IN}' cannot be compared with itself; give the real faces: --data NAME or PATH")
    given = request.levels or {}
    named = {word.rpartition(".")[2] for word in given}
    asked = AblationRequest(
        factors=FACTORS,
        cross=FACTORS,
        levels={name: levels for name, levels in LEVELS.items() if name not in named} | given,
        space=request.space,
        data=BUILT_IN,
        seeds=request.seeds,
        epochs=request.epochs,
        control=False,
        also=request.data,
        workers=request.workers,
        device=request.device,
        yes=request.yes,
        command=request.command,
    )
    built_in = prepare_ablation(asked)
    return Verify(request, built_in, replace(built_in, request=replace(asked, data=request.data, also=None)))


def verify(prepared: Verify, notify: Notify, say: Say) -> Path:
    """Carries out what is missing of both studies; returns their folder. A finished study is only read.

    Raises:
        UsageError: the faces cannot be read, or a study cannot be opened or is another one.
        KeyboardInterrupt: as it comes; the same request continues.
    """
    faced = see_faces(prepared, say)
    try:
        faced.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {faced.folder}: {error.strerror or error}; choose another --out") from error
    asked = Asked(
        built_in=BUILT_IN,
        real=faced.plans[1].data_name,
        runs=(faced.sides[0].design.runs, faced.sides[1].design.runs),
        mean_face_mse=faced.mean_face_mse,
    )
    Study(faced.folder).write(ASKED, asked.model_dump_json(indent=2) + "\n")
    for at, (side, plan) in enumerate(zip(faced.sides, faced.plans, strict=True), start=1):
        missing = missing_runs(side, plan)
        notify(Stage(f"study {at} of 2, on {plan.data_name}: {missing} of {side.design.runs} runs to do"))
        if missing:
            ablation.ablate(side, notify, say)
    return faced.folder


def see_faces(prepared: Verify, say: Say) -> Faced:
    """Reads both data sets and says where the studies go; writes nothing.

    Raises:
        UsageError: the faces cannot be read, are called as the built-in ones, or the folder holds something else.
    """
    task, request = prepared.built_in.task, prepared.request
    real = task.read_faces(request.data, say)  # first, as it may be wrong and the others may take a while to draw
    if real.name == BUILT_IN:
        raise UsageError(f"{request.data} is called '{BUILT_IN}' as the built-in faces are; rename the file or folder")
    drawn = task.read_faces(BUILT_IN, say)
    folder = request.out / f"verify-{real.name}"
    sides = (_as_found(prepared.built_in, folder, BUILT_IN), _as_found(prepared.real, folder, real.name))
    plans = (sides[0].plan(drawn, real), sides[1].plan(real))
    for side, plan in zip(sides, plans, strict=True):
        try:
            check_folder(side.folder(plan), plan)
        except UsageError as error:
            raise UsageError(str(error).replace("--name", "--out")) from error
    return Faced(folder, sides, plans, mean_face_mse(drawn, real.val, task.benchmark.coordinates))


def _as_found(side: Ablate, folder: Path, name: str) -> Ablate:
    """One side in its folder. A study that is there with more seeds, or with an A/A arm, is taken as it is."""
    request = replace(side.request, out=folder, name=name)
    if (folder / name / PLAN).is_file():
        plan = read_plan(folder / name)
        if plan.design is not None and plan.seeds >= request.seeds:
            more = replace(request, seeds=plan.seeds, control=bool(plan.design.control), yes=True)
            if (more.seeds, more.control) != (request.seeds, request.control):
                return prepare_ablation(more)
    return replace(side, request=request)


def missing_runs(side: Ablate, plan: Plan) -> int:
    """Planned runs of one side without an outcome, from its rows."""
    rows = read_lines(side.folder(plan) / ROWS, RunResult)
    return side.design.runs - len({(row.role, row.cell, row.seed) for row in rows if row.settled})


def mean_face_mse(splits: Splits, faces: Faces, coordinates: Coordinates) -> float:
    """The MSE of the training faces' mean keypoints on other faces, in the task's coordinates."""
    mean = splits.train.keypoints.astype(np.float64).mean(axis=0)
    return float(np.mean(((mean - faces.keypoints) / coordinates.scale) ** 2))


def dry_run(prepared: Verify, say: Say) -> dict[str, Any]:
    """What `verify` would do, with the time as `kpbench ablate --dry-run` measures it; nothing is written."""
    faced = see_faces(prepared, say)
    runs = [missing_runs(side, plan) for side, plan in zip(faced.sides, faced.plans, strict=True)]
    said: dict[str, Any] = {"folder": str(faced.folder)}
    minutes = 0.0
    for side, plan, missing in zip(faced.sides, faced.plans, runs, strict=True):
        whole = f"{missing} of {side.design.runs} runs to do"
        if missing:
            asked = ablation.dry_run(side, say)
            said.setdefault("cells", asked["cells"])
            minutes += asked["minutes"] * missing / side.design.runs
        said[plan.data_name] = f"{whole}; plan {plan.digest}"
    return said | {"minutes": round(minutes, 1)}
