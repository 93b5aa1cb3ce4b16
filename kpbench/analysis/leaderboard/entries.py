"""What stands in a leaderboard: entries, and the task that they must share to rank together."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from kpbench.cell import Scalar
from kpbench.space.design import Split
from kpbench.task.benchmark import read_benchmark
from kpbench.task.score import mean_score

SHIFTED, OTHER = "shift 4", "val of "
"""The measures that stand in a leaderboard: faces moved by 4 px, and each other data set's validation faces."""

FLOORS = ("mean face", "ridge on pixels")
"""The methods without a network that stand in each table."""


@dataclass(frozen=True, order=True)
class Task:
    """What entries must share to rank together.

    Attributes:
        data, benchmark: digests.
        resplit: whether train and val are drawn anew for each seed.
    """

    data: str
    split: Split
    benchmark: str
    max_parameters: int
    max_megabytes: float
    scorer: int
    resplit: bool = False

    @property
    def of_the_course(self) -> bool:
        """Whether its limits are those of the course."""
        rules = read_benchmark().rules
        return (self.max_parameters, self.max_megabytes) == (rules.max_parameters, rules.max_model_megabytes)


@dataclass(frozen=True)
class Facts:
    """What a study, hand-in or table says of its task beside the identity; `floor` is score by method."""

    data_name: str
    benchmark_name: str | None
    faces: int | None
    pass_mark: float | None
    floor: Mapping[str, float]


@dataclass(frozen=True)
class Elsewhere:
    """The score on other faces, and the MSE there against the same runs' on clean faces, a change in percent.

    `on` is the split that was shifted, or with whose clean faces those of another data set are compared.
    """

    name: str
    score: float
    change: float
    on: Split
    runs: int


@dataclass(frozen=True)
class Entry:
    """A line: a study's cell, a hand-in, a method of the floor, or the pass mark.

    Attributes:
        kind: `search`, `ablation`, `hand-in`, `floor` or `pass mark`.
        rank: None for what is not ranked; equal scores share one.
        low, high: of the score over seeds, 95 %; None for one model.
        overlaps_first: whether the interval (of one model the score) meets that of the first; None of the first.
        varies: what varies of a study's cell.
        file: of a hand-in, in the folder.
        marks: what has to be said of it; `notes` are a hand-in's own.
        ranks: whether it is to be ranked.
        taken: whether its runs were trained in another study.
        runs: seed and MSE behind the score.
        models: MSE of each model that was trained or handed in.
    """

    name: str
    kind: str
    score: float
    rank: int | None = None
    low: float | None = None
    high: float | None = None
    overlaps_first: bool | None = None
    seeds: int | None = None
    parameters: int | None = None
    megabytes: float | None = None
    elsewhere: tuple[Elsewhere, ...] = ()
    cell: str = ""
    varies: Mapping[str, Scalar] = field(default_factory=dict)
    file: str = ""
    marks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ranks: bool = True
    taken: bool = False
    runs: tuple[tuple[int, float], ...] = ()
    models: tuple[float, ...] = ()

    @property
    def ends(self) -> tuple[float, float]:
        """The interval; of one model its score twice."""
        return (self.score, self.score) if self.low is None or self.high is None else (self.low, self.high)

    @property
    def shifted(self) -> Elsewhere | None:
        """The score on faces moved by 4 px."""
        return next((one for one in self.elsewhere if one.name == SHIFTED), None)

    @property
    def others(self) -> tuple[Elsewhere, ...]:
        """The scores on other data sets."""
        return tuple(one for one in self.elsewhere if one.name != SHIFTED)


Found = tuple[Task, Facts, Entry]


def usable(score: Any) -> TypeGuard[float]:
    """Whether a value from a file is a number that can be a score or an MSE: above 0 and finite."""
    return isinstance(score, int | float) and not isinstance(score, bool) and 0 < score < math.inf


def known_floor(scores: Mapping[str, Any]) -> dict[str, float]:
    """The scores of the methods of the floor."""
    return {name: float(scores[name]) for name in FLOORS if usable(scores.get(name))}


def elsewhere(runs: Iterable[tuple[Mapping[str, float] | None, float | None]], on: Split) -> Iterator[Elsewhere]:
    """Each measure of a leaderboard over runs, given as measures and the MSE on the clean faces of `on`."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    for measures, clean in runs:
        for name, there in (measures or {}).items():
            if (name == SHIFTED or name.startswith(OTHER)) and usable(there) and usable(clean):
                pairs.setdefault(name, []).append((there, clean))
    for name, found in sorted(pairs.items()):
        score, clean_score = (mean_score(mses) for mses in zip(*found, strict=True))
        yield Elsewhere(name, score, 100 * (clean_score / score - 1), on, len(found))
