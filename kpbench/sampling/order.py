"""The trials that count in order, kept so as they start and end: what a sampler looks at is found without a walk."""

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState


@dataclass(frozen=True)
class Memory:
    """What a sampler looks at of a history with one objective; it answers the same without the other trials.

    Attributes:
        best: so many complete trials with the highest scores; of equal ones the older.
        newest: so many of the latest to start, of those that are complete and of those that were cut (failed or
            stopped early).
    """

    best: int
    newest: int


class Order:
    """Numbers of the trials that count, and of the complete ones their order by score."""

    def __init__(self, trials: Iterable[FrozenTrial]) -> None:
        self.running: list[int] = []
        self._complete: list[int] = []
        self._cut: list[int] = []
        self._ranked: list[tuple[float, int]] = []
        for trial in trials:
            self.put(trial)

    def put(self, trial: FrozenTrial) -> None:
        """A trial that starts, or one that ran and has ended."""
        if trial.state is TrialState.RUNNING:
            self.running.append(trial.number)
            return
        if trial.number in self.running:
            self.running.remove(trial.number)
        if trial.state is TrialState.COMPLETE:
            insort(self._complete, trial.number)
            insort(self._ranked, (-trial.values[0], trial.number))
        else:
            insort(self._cut, trial.number)

    def kept(self, memory: Memory) -> list[int]:
        """What a sampler with this memory looks at, in order: some more, so that it can choose as among all.

        Beside what the memory says these are the running ones, the worst complete one, as which those that were cut
        count to a sampler, and the oldest of these, which may so be among the best where few are complete.
        """
        ranked = [number for _, number in (*self._ranked[: memory.best], *self._ranked[-1:])]
        newest = (*self._complete[-memory.newest :], *self._cut[-memory.newest :])
        return sorted({*self.running, *ranked, *self._cut[: memory.best], *newest})
