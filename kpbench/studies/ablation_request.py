"""What a person asks of `kpbench ablate`, checked and turned into a design."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kpbench.analysis.ablation.family import planned_family
from kpbench.cell import Scalar
from kpbench.engine.limits import Limits
from kpbench.engine.trackers import check_tracker
from kpbench.errors import UsageError
from kpbench.faces.faces import Splits
from kpbench.space.design import (
    Design,
    base_cell,
    blocks_of,
    factorial,
    find_factor,
    levels_of,
    read_contrast,
    refuse_same_cells,
    whole_cell,
)
from kpbench.space.recipes import plan_tuning
from kpbench.statistics.looks import check_looks
from kpbench.store.finding import find_study
from kpbench.store.plan import Plan, bare
from kpbench.store.study import now
from kpbench.studies.matching import MATCH, size_matched
from kpbench.studies.measures import SHIFTS, under_shifts
from kpbench.studies.planned_runs import every_cell
from kpbench.studies.preflight import Task, at_least, check_name, prepare_task
from kpbench.training.device import THREADS, Device

LEAST_ALPHA, POWER = 1e-3, 0.8
"""The strictest error rate at which a few seeds have a detectable effect, and the power of that effect."""

SANE_RUNS = 400
"""More runs than this need --yes."""

CORRECTIONS, SPLITS = ("holm", "none"), ("val", "test")


@dataclass(frozen=True)
class AblationRequest:
    """What a person asked of `kpbench ablate`; `levels` and `baseline` as `name=words` by factor."""

    factors: tuple[str, ...] = ("dropout",)
    cross: tuple[str, ...] = ()
    levels: dict[str, tuple[str, ...]] | None = None
    baseline: dict[str, str] | None = None
    space: str = "cnn_small"
    data: str = "synthetic"
    labels: str = "complete"
    max_parameters: int | None = None
    max_megabytes: float | None = None
    seeds: int = 8
    epochs: int | None = None
    images: int | None = None
    sesoi: float = 0.05
    alpha: float = 0.05
    correction: str = "holm"
    contrast: tuple[str, ...] = ()
    looks: tuple[int, ...] = ()
    split: str = "val"
    resplit: bool = False
    confirm: bool = False
    control: bool = True
    shifts: tuple[int, ...] | None = None
    also: str | None = None
    tune: str = "none"
    tune_trials: int = 8
    match: str = "none"
    reuse: tuple[str, ...] = ()
    workers: int = 2
    threads: int = THREADS
    device: str | Device = "auto"
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    name: str | None = None
    out: Path = Path("reports")
    yes: bool = False
    track: str | None = None
    command: str = ""


@dataclass(frozen=True, eq=False)
class Ablate:
    """A request that can be carried out: the design fixed, every cell checked, nothing written yet."""

    request: AblationRequest
    task: Task
    design: Design
    cells: tuple[dict[str, Scalar], ...]

    def on(self, splits: Splits) -> "Ablate":
        """The request with the epochs that it asks for on these faces."""
        return replace(self, task=self.task.on(splits))

    def plan(self, splits: Splits, other: Splits | None = None) -> Plan:
        """The identity of the study that the request asks for, its design included."""
        also = None if other is None else f"{other.name} {other.digest()}"
        notes = () if other is None else tuple(f"{other.name}: {note}" for note in other.notes)
        return self.task.plan(
            replace(splits, notes=(*splits.notes, *notes)),
            kind="ablation",
            seeds=len(self.design.blocks),
            seed=self.request.seed,
            sampler="planned",
            scheduler="none",
            made=now(),
            design=self.design.model_copy(update={"also": also}),
        )

    def folder(self, plan: Plan) -> Path:
        """The study's folder: as named, or after factors, data and plan, so that the same request finds it again."""
        factors = "-".join(name.rpartition(".")[2] for name in self.design.factors)
        return self.request.out / (self.request.name or f"ablate-{factors}-{bare(plan.data_name)}-{plan.digest[:6]}")


def prepare_ablation(request: AblationRequest) -> Ablate:
    """Reads and checks everything that can be wrong before a face is read, and fixes the design.

    Raises:
        UsageError: an unknown factor or level, a factor with one level, a baseline outside the space, a cell against
            the rules, a number out of range, more runs than `SANE_RUNS` without `yes`.
    """
    at_least({"--seeds": (request.seeds, 2), "--workers": (request.workers, 0), "--seed": (request.seed, 0)})
    if request.looks:
        check_looks(request.looks)
    if not 0 < request.sesoi < 1:
        raise UsageError(f"--sesoi must lie between 0 and 1, got {request.sesoi:g}")
    if not LEAST_ALPHA <= request.alpha < POWER:
        raise UsageError(f"--alpha must lie between {LEAST_ALPHA:g} and {POWER:g}, got {request.alpha:g}")
    words = (("correction", request.correction, CORRECTIONS), ("--match", request.match, MATCH))
    for what, word, known in (*words, ("--split", request.split, SPLITS)):
        if word not in known:
            raise UsageError(f"unknown {what} '{word}'. Known: {', '.join(known)}")
    if request.match != "none" and request.tune == "per-cell":
        raise UsageError("--match keeps the baseline's recipe, --tune per-cell does not: use --tune locked with it")
    if request.confirm and request.split != "val":
        raise UsageError(
            "--confirm opens the sealed test for what was judged on val; --split test has opened it already"
        )
    if request.confirm and request.reuse:
        raise UsageError("--confirm needs the models of every run, which --reuse does not take over: leave one out")
    if request.resplit and (request.confirm or request.labels != "complete" or request.split != "val"):
        raise UsageError(
            "--resplit judges each block on val faces of its own: leave out --confirm, --split and --labels"
        )
    check_name(request.name)
    check_tracker(request.track)
    task = prepare_task(
        request.space,
        request.device,
        request.epochs,
        images=request.images,
        labels=request.labels,
        threads=request.threads,
        max_parameters=request.max_parameters,
        max_megabytes=request.max_megabytes,
    )
    under_shifts(request.shifts or (), task.benchmark.coordinates)  # refuses what is no shift
    design = _design(request, task)
    cells = tuple(task.complete(whole_cell(task.space, levels)) for levels in design.cells)
    refuse_same_cells(cells)
    if request.match == "params":
        design = design.model_copy(update={"matched": size_matched(task, design)})
    for place in request.reuse:
        find_study(place, request.out)
    for cell in every_cell(task, design):
        task.size(cell)
    if design.runs > SANE_RUNS and not request.yes:
        raise UsageError(
            f"{len(cells)} cells x {len(design.blocks)} seeds are {design.runs} runs; fewer levels or seeds, or --yes"
        )
    return Ablate(request, task, design, cells)


def _design(request: AblationRequest, task: Task) -> Design:
    space = task.space
    words = list(space.factors) if request.factors == ("all",) else list(request.factors)
    asked = tuple(dict.fromkeys(find_factor(space, word) for word in words))
    crossing = tuple(dict.fromkeys(find_factor(space, word) for word in request.cross))
    names = tuple(dict.fromkeys([*asked, *crossing]))
    if len(names) < 2 and crossing:
        raise UsageError(
            f"--cross {', '.join(request.cross)} crosses the factor with itself; name another, or leave it out"
        )
    levels = {find_factor(space, word): found for word, found in (request.levels or {}).items()}
    baseline = {find_factor(space, word): found for word, found in (request.baseline or {}).items()}
    for option, given in (("--levels", levels), ("--baseline", baseline)):
        for name in given:
            if name not in names:
                raise UsageError(f"{option} names {name}, which is no factor of this ablation: {', '.join(names)}")
    factors = {name: levels_of(space, name, words=levels.get(name), baseline=baseline.get(name)) for name in names}
    seeds = request.looks[-1] if request.looks else request.seeds
    blocks, control = blocks_of(request.seed, seeds, control=request.control)
    contrasts = tuple(read_contrast(space, text, factors) for text in request.contrast)
    design = Design(
        factors=factors,
        asked=asked,
        crossed=bool(crossing),
        cells=factorial(factors, crossed=bool(crossing)),
        blocks=blocks,
        control=control,
        sesoi=request.sesoi,
        alpha=request.alpha,
        power=POWER,
        correction=request.correction,
        shifts=_shifts(request, asked),
        tuning=plan_tuning(
            space,
            names,
            own=_own_recipe(task),
            how=request.tune,
            trials=request.tune_trials,
            seed=request.seed,
            blocks=(*blocks, *control),
        ),
        split="val" if request.split == "val" else None,
        contrasts=contrasts or None,
        looks=request.looks or None,
        resplit=request.resplit or None,
    )
    planned_family(design)  # refuses a contrast that the cells cannot give
    return design


def _own_recipe(task: Task) -> dict[str, Scalar]:
    """The value of every parameter that nobody varies: the space's baseline, else its family's default."""
    base = base_cell(task.space)
    known = {name: value for defaults in task.defaults.values() for name, value in defaults.items()}
    return {**known, **task.defaults[str(base["family"])], **base}


def _shifts(request: AblationRequest, asked: Sequence[str]) -> tuple[int, ...] | None:
    """As asked; where families are compared, by themselves: convolution's promise is about shifts."""
    shifts = request.shifts if request.shifts is not None else SHIFTS if "family" in asked else ()
    return tuple(dict.fromkeys(shifts)) or None
