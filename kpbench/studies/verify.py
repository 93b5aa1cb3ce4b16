"""`kpbench verify faces`: do the built-in faces rank architectures as real ones do? One ablation on both."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kpbench.analysis.verify import Asked
from kpbench.cell import RunResult
from kpbench.engine.cluster import Cluster
from kpbench.engine.events import Notify, Stage
from kpbench.errors import UsageError
from kpbench.faces.faces import Faces, Splits
from kpbench.space.design import Design
from kpbench.statistics.words import plural
from kpbench.store.files import ASKED, PLAN, ROWS, read_lines
from kpbench.store.plan import Plan, read_plan
from kpbench.store.study import Study, check_folder
from kpbench.studies import ablation
from kpbench.studies.ablation_request import Ablate, AblationRequest, prepare_ablation
from kpbench.studies.preflight import Say
from kpbench.task.benchmark import Coordinates

BUILT_IN = "synthetic"
"""The data set that is drawn, and the name of the study on it."""

FACTORS = ("norm", "dropout", "depth")
"""What is crossed unless other factors are asked for, which get a folder of their own."""

LEVELS = {"depth": ("2", "4")}
"""Levels of a factor that is not compared at all of its space's."""

SEEDS = 8
"""Of each cell in each study, where no number is asked for and no study is there."""

Pair = tuple[Ablate, Ablate]
"""The same ablation of the built-in and of the real faces."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Both studies before a face has been read.

    Attributes:
        seeds_as_found: whether a study that is there is taken with fewer seeds than the request has, too.
    """

    studies: Pair
    seeds_as_found: bool


@dataclass(frozen=True, eq=False)
class Planned:
    """Both studies once the faces have been read: where they go and their plans."""

    folder: Path
    asked: Asked
    studies: Pair
    plans: tuple[Plan, Plan]


def prepare_verify(
    request: AblationRequest, *, factors: tuple[str, ...] = FACTORS, seeds_as_found: bool = False
) -> Prepared:
    """Reads and checks everything that can be wrong before a face is read.

    Args:
        request: `data` the real faces, `levels` as words by factor; its factors, control and `also` are set here.
        factors: those to cross.
        seeds_as_found: as in `Prepared`; where no number of seeds was asked for.

    Raises:
        UsageError: the built-in faces against themselves, no factor, or as `prepare_ablation`.
    """
    if request.data == BUILT_IN:
        raise UsageError(f"'{BUILT_IN}' cannot be compared with itself; give the real faces: --data NAME or PATH")
    if not factors:
        raise UsageError("--factors names no factor; give some with commas: norm,dropout")
    given = request.levels or {}
    named = {word.rpartition(".")[2] for word in given}
    levels = {name: words for name, words in LEVELS.items() if name in factors and name not in named} | given
    real = replace(request, factors=factors, cross=factors, levels=levels, control=False)
    built_in = prepare_ablation(replace(real, data=BUILT_IN, also=request.data))
    return Prepared((built_in, replace(built_in, request=real)), seeds_as_found)


def verify(prepared: Prepared, notify: Notify, say: Say, cluster: Cluster | None = None) -> Path:
    """Carries out what is missing of both studies; returns their folder. A finished study is only read.

    Raises:
        UsageError: the faces cannot be read, or a study cannot be opened or is another one.
        KeyboardInterrupt: as it comes; the same request continues.
    """
    planned = plan_verify(prepared, say)
    folder = planned.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}; choose another --out") from error
    Study(folder).write(ASKED, planned.asked.model_dump_json(indent=2) + "\n")
    for at, (study, plan) in enumerate(zip(planned.studies, planned.plans, strict=True)):
        missing = _missing_runs(study, plan)
        notify(Stage(f"study {at + 1} of 2, on {plan.data_name}: {missing} of {study.design.runs} runs to do"))
        if missing:
            ablation.ablate(study, notify, say, cluster)
    return folder


def plan_verify(prepared: Prepared, say: Say) -> Planned:
    """Reads both data sets and says where the studies go; writes nothing.

    Raises:
        UsageError: the faces cannot be read, are called as the built-in ones, or the folder holds something else.
    """
    task, request = prepared.studies[1].task, prepared.studies[1].request
    real = task.read_faces(request.data, say)  # first, as it may be wrong and the others may take a while to draw
    if real.name == BUILT_IN:
        raise UsageError(f"{request.data} is called '{BUILT_IN}' as the built-in faces are; rename the file or folder")
    drawn = task.read_faces(BUILT_IN, say)
    other = [] if request.factors == FACTORS else [word.rpartition(".")[2] for word in request.factors]
    folder = request.out / "-".join(["verify", real.name, *other])
    names = (BUILT_IN, real.name)
    both = tuple(study.on(real) for study in prepared.studies)
    designs = [read_plan(folder / name).design if (folder / name / PLAN).is_file() else None for name in names]
    built_in, on_real = (
        _as_found(replace(study, request=replace(study.request, out=folder, name=name)), own, other, prepared)
        for study, name, own, other in zip(both, names, designs, designs[::-1], strict=True)
    )
    studies = (built_in, on_real)
    plans = studies[0].plan(drawn, real), studies[1].plan(real)
    for study, plan in zip(studies, plans, strict=True):
        try:
            check_folder(study.folder(plan), plan)
        except UsageError as error:
            raise UsageError(str(error).replace("--name", "--out")) from error
    asked = Asked(
        built_in=BUILT_IN,
        real=real.name,
        runs=(studies[0].design.runs, studies[1].design.runs),
        mean_face_mse=mean_face_mse(drawn, real.val, task.benchmark.coordinates),
    )
    return Planned(folder, asked, studies, plans)


def _as_found(study: Ablate, own: Design | None, other: Design | None, prepared: Prepared) -> Ablate:
    """One study as its folder has it, with its seeds, A/A arm and split; else with those of the other one's folder.

    Studies made by earlier versions are judged on the sealed test and have other run seeds. A study with fewer seeds
    than were asked for is not taken: it is then refused as another plan.
    """
    found = own or other
    if found is None:
        return study
    n = study.request.seeds
    change: dict[str, object] = {"split": found.split}
    if prepared.seeds_as_found or len(found.blocks) >= n:
        blocks = found.blocks if found is own or prepared.seeds_as_found else found.blocks[:n]
        change |= {"blocks": blocks, "control": found.control if found is own else ()}
    return replace(study, design=study.design.model_copy(update=change))


def _missing_runs(study: Ablate, plan: Plan) -> int:
    rows = read_lines(study.folder(plan) / ROWS, RunResult)
    return study.design.runs - len({(row.role, row.cell, row.seed) for row in rows if row.settled})


def mean_face_mse(splits: Splits, faces: Faces, coordinates: Coordinates) -> float:
    """The MSE of the training faces' mean keypoints on other faces, in the task's coordinates."""
    mean = splits.train.keypoints.astype(np.float64).mean(axis=0)
    return float(np.mean(((mean - faces.keypoints) / coordinates.scale) ** 2))


def dry_run(prepared: Prepared, say: Say) -> dict[str, Any]:
    """What `verify` would do, with the time as `kpbench ablate --dry-run` measures it; nothing is written."""
    planned = plan_verify(prepared, say)
    real = planned.plans[1]
    seen = f"{plural(real.epochs, 'epoch')}, {plural(real.epochs * real.data_sizes['train'], 'image')}"
    said: dict[str, Any] = {"folder": str(planned.folder), "each": f"{seen} of {real.data_name}"}
    minutes = 0.0
    for study, plan in zip(planned.studies, planned.plans, strict=True):
        if missing := _missing_runs(study, plan):
            asked = ablation.dry_run(study, say)
            cells = [" ".join(f"{name}={level}" for name, level in cell.items()) for cell in asked["cells"]]
            said.setdefault("cells", cells)
            minutes += asked["minutes"] * missing / study.design.runs
        said[plan.data_name] = f"{missing} of {study.design.runs} runs to do; plan {plan.digest}"
    return said | {"minutes": round(minutes, 1)}
