"""What a person asked of `kpbench score`: model, faces and rules, checked before the sealed test is opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.faces.faces import Faces, Splits
from kpbench.models.predictions import SUFFIXES
from kpbench.models.reading import Model
from kpbench.store.files import MODELS, PLAN
from kpbench.store.plan import read_plan
from kpbench.store.study import Study
from kpbench.studies.models import open_model
from kpbench.studies.preflight import Say
from kpbench.studies.study_faces import faces_of_study
from kpbench.task.benchmark import Benchmark, SplitShares, parse_benchmark, read_benchmark, with_rules


@dataclass(frozen=True, kw_only=True)
class ScoreRequest:
    """What to score, on what, and what else to find out.

    Attributes:
        model: a file, a study, `FILE.py:NAME`, or predictions (`.npz`, `.csv`).
        data: the faces; those of the model's study where not given, the built-in ones where it lies in none.
        parameters: `name=value` of `FILE.py:NAME`.
        shifted: also the MSE on faces moved by `SHIFT` pixels.
        elsewhere: other faces to measure on.
        predictions: `.npz` that gets the points of each face.
        max_parameters, max_megabytes: rules in place of the course's, or of the model's study.
    """

    model: str
    data: str | None
    split: str
    command: str
    weights: Path | None = None
    parameters: Sequence[str] = ()
    trust_code: bool = False
    by_condition: bool = False
    metrics: bool = False
    shifted: bool = False
    elsewhere: str | None = None
    predictions: Path | None = None
    max_parameters: int | None = None
    max_megabytes: float | None = None
    name: str | None = None


@dataclass(frozen=True, eq=False)
class Scoring:
    """A request that can be carried out; the sealed test is still closed.

    Attributes:
        model: None where predictions are scored.
        study: that a reading of the test is written down in; None where it belongs to none.
        other: other faces to measure on.
        notes: what a person should know of where the model is from.
    """

    request: ScoreRequest
    model: Model | None
    benchmark: Benchmark
    splits: Splits
    study: Study | None
    other: Splits | None
    notes: tuple[str, ...]

    def faces(self) -> Faces:
        """The faces to score on; the reading of the sealed test is written down first."""
        if self.request.split == "val":
            return self.splits.val
        if self.study is None or self.model is None:
            return self.splits.test.open(lambda: None)
        return self.splits.test.open(self.study.test_reading(self.request.command, f"{MODELS}/{self.model.file.name}"))


def prepare_score(request: ScoreRequest, say: Say) -> Scoring:
    """Finds model, faces and rules; all that may be refused without the test is refused here.

    Raises:
        UsageError: an unknown split; a model or data that cannot be used, or options that do not go with them.
    """
    if request.split not in ("val", "test"):
        raise UsageError(f"unknown split '{request.split}'. Known: val, test")
    model = _model_of(request)
    benchmark = _benchmark_of(model, request)
    splits = _splits_of(model, request.data, benchmark.splits, say)
    notes, study = _provenance(model, splits, benchmark, request.split)
    other = _elsewhere(request, splits, benchmark.splits, say)
    if request.by_condition and not splits.val.conditions:
        raise UsageError("nothing is known of how these faces were taken; --by-condition needs the built-in ones")
    return Scoring(request, model, benchmark, splits, study, other, tuple(notes))


def _model_of(request: ScoreRequest) -> Model | None:
    """The model to score; None where the request names predictions."""
    if Path(request.model).suffix not in SUFFIXES:
        return open_model(
            request.model, weights=request.weights, parameters=request.parameters, trust_code=request.trust_code
        )
    if request.weights or request.parameters or request.elsewhere:
        raise UsageError("predictions are points alone: --weights, --param and --on are for models")
    if not Path(request.model).is_file():
        raise UsageError(f"no file {request.model}")
    return None


def _benchmark_of(model: Model | None, request: ScoreRequest) -> Benchmark:
    """The task with its rules: of the study that the model lies in, else the course's, unless others are asked for."""
    found = read_benchmark()
    folder = _folder_of(model)
    if model and model.card and model.card.benchmark != found.digest and (folder / PLAN).is_file():
        own = parse_benchmark(read_plan(folder).benchmark_text, str(folder))
        found = own if own.digest == model.card.benchmark else found
    return with_rules(found, max_parameters=request.max_parameters, max_megabytes=request.max_megabytes)


def _provenance(
    model: Model | None, splits: Splits, benchmark: Benchmark, split: str
) -> tuple[list[str], Study | None]:
    """What is to be noted of where a model is from, and the study that its reading of the test belongs to."""
    notes = []
    card = model.card if model else None
    if card and card.data != splits.digest():
        notes.append(f"the model was trained on other faces ({card.data}) than these ({splits.digest()})")
    if card and card.benchmark != benchmark.digest:
        notes.append(f"the model was trained under other rules than these, or by another benchmark ({card.benchmark})")
    if card and card.split is not None and split == "val":
        raise UsageError(
            "this model was trained on a split drawn anew (--resplit), which faces of val are part of; "
            "score it with --split test"
        )
    folder = _folder_of(model)
    in_study = card is not None and (folder / PLAN).is_file()
    if in_study and card and (card.data == splits.digest() or read_plan(folder).held_out == splits.held_out()):
        return notes, Study(folder)
    if split == "test":
        where = "these are not its study's faces" if in_study else "the model lies in no study"
        notes.append(f"{where}, so this reading of the sealed test is written down nowhere")
    return notes, None


def _folder_of(model: Model | None) -> Path:
    """The study's folder, if a model lies in one; through links, so that no other name hides it."""
    return model.file.resolve().parent.parent if model else Path()


def _elsewhere(request: ScoreRequest, splits: Splits, shares: SplitShares, say: Say) -> Splits | None:
    """The other faces to measure on.

    Raises:
        UsageError: they cannot be read, or show what is in the sealed test.
    """
    if request.elsewhere is None:
        return None
    other = load(request.elsewhere, **shares.model_dump(), labels="complete", progress=say)
    if held := int(splits.test.holds(other.val).sum()):
        raise UsageError(f"--on {request.elsewhere}: {held} of its val faces are in the sealed test of {splits.name}")
    return other


def _splits_of(model: Model | None, data: str | None, shares: SplitShares, say: Say) -> Splits:
    """The data as the model was trained on it, with complete or with partial labels; else with complete ones."""
    folder = _folder_of(model)
    if data is None and model and model.card and (folder / PLAN).is_file():
        return faces_of_study(folder, read_plan(folder), shares, None, say)

    def read(labels: str) -> Splits:
        return load(data or "synthetic", **shares.model_dump(), labels=labels, progress=say)

    complete = read("complete")
    if model is None or model.card is None or complete.digest() == model.card.data:
        return complete
    try:
        partial = read("partial")
    except UsageError:  # there are no partial labels
        return complete
    return partial if partial.digest() == model.card.data else complete
