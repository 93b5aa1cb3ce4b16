"""What a study's page is made from: a plain value the study folder's reader fills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kpbench.cell import RunResult, Scalar
from kpbench.plots.drawing import Marks
from kpbench.store.values import Inference, Latency
from kpbench.task.objectives import SCORE


@dataclass(frozen=True)
class Best:
    """The cell the study names as its best, and what its fresh seeds gave.

    Attributes:
        cell: its identity, as in the rows.
        params: every parameter by dotted name.
        val_score: the validation score it was chosen by.
        test_score: sealed-test score of the model that was kept; None while no final run is complete.
        model: path of that model relative to the study folder.
        seeds: number of fresh seeds behind `test_mean`.
        test_mean: geometric mean of the sealed-test scores over the fresh seeds.
        test_interval: ends of the 95 % interval of that mean; None where there are too few seeds for one.
    """

    cell: str
    params: Mapping[str, Scalar]
    val_score: float
    test_score: float | None = None
    model: str | None = None
    seeds: int = 0
    test_mean: float | None = None
    test_interval: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Examples:
    """Faces of the validation split with the best model's prediction.

    Attributes:
        images: uint8 (M, 1, 96, 96).
        truth: (M, 15, 2), x then y, in pixels; NaN where a label is missing.
        predicted: (M, 15, 2) in pixels.
        error: (M,) root mean squared coordinate error in pixels.
        label: what each face is there for (`best`, `median`, `worst`).

    Raises:
        ValueError: the arrays do not have these shapes.
    """

    images: NDArray[np.uint8]
    truth: NDArray[np.floating]
    predicted: NDArray[np.floating]
    error: NDArray[np.floating]
    label: Sequence[str]

    def __post_init__(self) -> None:
        m = len(self.images)
        if self.images.dtype != np.uint8 or self.images.shape != (m, 1, 96, 96):
            raise ValueError(f"images must be uint8 (M, 1, 96, 96), got {self.images.dtype} {self.images.shape}")
        for name, shape in (("truth", self.truth.shape), ("predicted", self.predicted.shape)):
            if shape != (m, 15, 2):
                raise ValueError(f"{name} must be ({m}, 15, 2), got {shape}")
        if self.error.shape != (m,) or len(self.label) != m:
            raise ValueError(f"error and label must hold {m} values, got {self.error.shape} and {len(self.label)}")


@dataclass(frozen=True, eq=False)
class Apart:
    """Faces of the validation split on which C final networks disagree most.

    Attributes:
        images: uint8 (M, 1, 96, 96).
        truth: (M, 15, 2), x then y, in pixels; NaN where a label is missing.
        predicted: (C, M, 15, 2) in pixels.
        cell, seed: of each network.

    Raises:
        ValueError: the arrays do not have these shapes.
    """

    images: NDArray[np.uint8]
    truth: NDArray[np.floating]
    predicted: NDArray[np.floating]
    cell: Sequence[str]
    seed: Sequence[int]

    def __post_init__(self) -> None:
        m, c = len(self.images), len(self.cell)
        found = self.images.shape, self.truth.shape, self.predicted.shape, len(self.seed)
        if found != ((m, 1, 96, 96), (m, 15, 2), (c, m, 15, 2), c):
            raise ValueError(f"faces of {c} networks must have the shapes of {m} faces, got {found}")


@dataclass(frozen=True, eq=False)
class ReportInput:
    """Everything the page of one study shows; what is missing is said on the page in a sentence.

    Attributes:
        name: the study's name, as in its folder.
        rows: every row, trials and final runs, in any order.
        pass_mark: the score a submission needs.
        title: heading of the page; the name when empty.
        floor: what methods without a network reach: name -> split (`val`, `test`) -> score.
        best: None while no cell has a score.
        train_faces: images that one epoch of training shows; 0 where that is not known.
        plan: what was asked, in the order to show it; a value may be a text, a number, a list or a mapping.
        sessions: one mapping a session, by column (`when`, `command`, `versions`, `device`, ...).
        readings: one mapping for each opening of the sealed test (`when`, `command`, `model`).
        objectives: of the search, the score first.
        most: what a cell may have at most, by the objective's name.
        latency: cell -> how its network's latency was measured.
        ranges: those of the study's space by name, and whether they are logarithmic; None where it is not known.
        setting: space, sampler, training, faces and machine in sentences, for the paragraph of a paper.
        inference: a finalist's cell with how fast its network predicts, a setting each.
        examples: predicted keypoints on faces, or None.
        apart: faces on which the final networks disagree, or None.
        examples_note: why there are none, or what else to say about them.
    """

    name: str
    rows: Sequence[RunResult]
    pass_mark: float
    title: str = ""
    floor: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    best: Best | None = None
    train_faces: int = 0
    plan: Mapping[str, object] = field(default_factory=dict)
    sessions: Sequence[Mapping[str, object]] = ()
    readings: Sequence[Mapping[str, object]] = ()
    objectives: tuple[str, ...] = SCORE
    most: Mapping[str, float] = field(default_factory=dict)
    latency: Mapping[str, Latency] = field(default_factory=dict)
    ranges: Mapping[str, bool] | None = None
    setting: str = ""
    inference: Sequence[tuple[str, Inference]] = ()
    examples: Examples | None = None
    apart: Apart | None = None
    examples_note: str = ""

    @property
    def marks(self) -> Marks:
        """What its plots and its leaderboard show for orientation."""
        return Marks(
            self.pass_mark,
            self.floor,
            chosen=self.best.cell if self.best else None,
            train_faces=self.train_faces,
            objectives=self.objectives,
            most=self.most,
            ranges=self.ranges,
        )
