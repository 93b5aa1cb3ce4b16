"""A table of trained runs, every cell of a finite space with every seed: what searches are replayed on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from kpbench.space.space import SearchSpace


@dataclass(frozen=True)
class Table:
    """The runs, by the identity of a cell's varying parameters and the run seed.

    Attributes:
        space: finite; its cells are those of the table.
        scores: cell and seed -> the score after each epoch; shorter than `epochs` where the run diverged.
        epochs: of a whole run.
        images: that an epoch shows.
        diverged: the score with which a run that diverged counts.
    """

    space: SearchSpace
    scores: Mapping[tuple[str, int], tuple[float, ...]]
    epochs: int
    images: int = 1
    diverged: float = math.nan

    @cached_property
    def cells(self) -> list[str]:
        """Every cell once."""
        return list(dict.fromkeys(cell for cell, _ in self.scores))

    @cached_property
    def seeds(self) -> list[int]:
        """The run seeds, each of which every cell has."""
        return sorted({seed for _, seed in self.scores})

    def end(self, cell: str, seed: int) -> float:
        """The score at the end of a run."""
        scores = self.scores[cell, seed]
        return scores[-1] if len(scores) == self.epochs else self.diverged

    def truth(self, seed: int) -> dict[str, float]:
        """Logarithm of each cell's geometric-mean score over the seeds other than this one, over its own if alone.

        A search that is replayed with a seed is judged by the others, as it chose by that one.
        """
        judges = [other for other in self.seeds if other != seed] or [seed]
        return {cell: fmean(math.log(self.end(cell, judge)) for judge in judges) for cell in self.cells}


def near_best(truth: Mapping[str, float], near: float) -> set[str]:
    """The cells whose score is within a share of the best cell's."""
    least = max(truth.values()) + math.log(1 - near)
    return {cell for cell, score in truth.items() if score >= least}


@dataclass(frozen=True)
class Ended:
    """How a trial of a replayed search ended.

    Attributes:
        epochs: of training that it cost.
        shown: epoch -> the score that was reported then.
        score: at the end of its whole run; None where it was stopped early or diverged.
        failed: whether it diverged.
    """

    cell: str
    epochs: int
    shown: Mapping[int, float]
    score: float | None
    failed: bool = False
