"""The Optuna journal of a study: the one truth about its trials, written by the driver alone."""

import json
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from copy import copy
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState

from kpbench.cell import Scalar, cell_id
from kpbench.errors import UsageError
from kpbench.sampling.order import Memory, Order
from kpbench.task.objectives import OBJECTIVES, SCORE, gains

INTERRUPTED = "interrupted"
STOPPED, LOST = "stopped", "lost"
"""How a trial was interrupted: with its driver told to stop, or with a driver that died."""

KNOWN = "known"
"""Attribute of a trial: values of objectives that were known before it started."""

ROWLESS = "rowless"
"""Attribute of the study: numbers of trials that ended and whose rows were lost; Optuna changes no trial that ended."""

LIVES = 5
"""How often a cell may be lost with its driver, no other trial ending meanwhile, before it counts as failed."""


class Journal:
    """Trials of one study: started with given parameters, reported, and told how they truly ended.

    Attributes:
        objectives: names of `OBJECTIVES`, the score first. Optuna takes no epoch's score of a trial with several
            (optuna#3450), its storage does; what is known of a trial before it starts stands in its attributes.
        where: the path that is named where it is damaged, if it is not `path`.
    """

    def __init__(self, path: Path, objectives: Sequence[str] = SCORE, *, where: Path | None = None) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # its advice on its own options is not for our user
        # Only one driver opens a study (its lock sees to that), so a lock that is still here belongs to a dead one.
        path.with_name(path.name + ".lock").unlink(missing_ok=True)
        try:
            self._storage = JournalStorage(JournalFileBackend(str(path)))
            self._study = optuna.create_study(
                storage=self._storage,
                study_name="kpbench",
                directions=[OBJECTIVES[name].direction for name in objectives],
                load_if_exists=True,
            )
        except (ValueError, KeyError, TypeError) as error:
            why = f"{where or path} is damaged: {_damage(path)}"
            raise UsageError(f"{why}; put it back from a copy, or move the study away and search again") from error
        self.objectives = tuple(objectives)
        rowless = set(self._study.user_attrs.get(ROWLESS, ()))
        trials = {trial.number: trial for trial in self._study.get_trials(deepcopy=False)}
        # By number, as they last were: to ask the storage for all of them anew takes longer the longer a search is.
        self._counted, self._void = dict[int, FrozenTrial](), dict[int, FrozenTrial]()
        for number, trial in trials.items():
            if trial.state is not TrialState.WAITING:  # earlier versions entered a trial in steps, and died between
                void = INTERRUPTED in trial.user_attrs or number in rowless
                (self._void if void else self._counted)[number] = trial
        self._rowless: set[int] = rowless
        self._live: dict[int, Trial] = {}
        self._cells: dict[int, str] = {}
        self._known: dict[int, Mapping[str, float]] = {}
        self._scores: defaultdict[int, dict[int, float]] = defaultdict(dict)
        self._recount()
        for trial in self.history():
            if trial.state is not TrialState.FAIL:
                for epoch, score in trial.intermediate_values.items():
                    self._scores[epoch][trial.number] = score

    def __len__(self) -> int:
        """How many trials count."""
        return len(self._counted)

    def history(self) -> list[FrozenTrial]:
        """Every trial that counts: running, complete, pruned, failed; not those lost with their driver."""
        return list(self._counted.values())

    def shown(self, memory: Memory | None = None) -> list[FrozenTrial]:
        """The history as samplers see it: with several objectives each value as a gain, the better the larger.

        Args:
            memory: what of it has to be there; with several objectives all of it, for every trial has a part in the
                standing of the others.
        """
        if len(self.objectives) > 1:
            return [self._as_gains(trial) for trial in self.history()]
        return [self._counted[number] for number in self._order.kept(memory)] if memory else self.history()

    def _as_gains(self, trial: FrozenTrial) -> FrozenTrial:
        if trial.state is not TrialState.COMPLETE:
            return trial
        shown = copy(trial)
        shown.values = gains(trial.values, self.objectives)
        return shown

    def seen(self) -> Set[str]:
        """The identities of the varying parameters of every trial that counts."""
        return self._seen

    def start(self, suggested: FixedTrial, known: Mapping[str, float] | None = None) -> int:
        """A new running trial with these suggestions, in one line of the journal; returns its number.

        Args:
            known: values of objectives that are known before it is trained.
        """
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=suggested.params,
            distributions=suggested.distributions,
            user_attrs={KNOWN: dict(known)} if known else {},
        )
        started = self._storage.get_trial(self._storage.create_new_trial(self._study._study_id, trial))
        self._counted[started.number] = started
        self._order.put(started)
        self._seen.add(self._cell(started.number))
        self.adopt(started)
        return started.number

    def report(self, number: int, score: float, epoch: int) -> None:
        """The score of a running trial after an epoch; an epoch that was reported before is left as it is."""
        if number not in self._scores[epoch]:
            self._storage.set_trial_intermediate_value(self._live[number]._trial_id, epoch, score)
            self._counted[number] = self._stored(number)
            self._scores[epoch][number] = score

    def points_at(self, epoch: int, *, first: int) -> list[tuple[float, ...]]:
        """Score at `epoch` and objectives known before training, as gains: of trial `first`, then of all others there.

        Failed trials are left out. With one objective it is the plain score.
        """
        found = self._scores[epoch]
        return [self._point(number, found[number]) for number in (first, *(other for other in found if other != first))]

    def _point(self, number: int, score: float) -> tuple[float, ...]:
        if len(self.objectives) == 1:
            return (score,)
        if number not in self._known:
            self._known[number] = self._counted[number].user_attrs.get(KNOWN, {})
        known = self._known[number]
        names = [name for name in self.objectives[1:] if name in known]
        return gains((score, *(known[name] for name in names)), (self.objectives[0], *names))

    def end(self, number: int, state: TrialState, values: float | Sequence[float] | None = None) -> None:
        """A running trial ended: COMPLETE with the value of each objective, PRUNED by the scheduler or FAIL."""
        self._study.tell(self._live.pop(number), values, state=state)
        self._counted[number] = self._stored(number)
        self._order.put(self._counted[number])
        if state is TrialState.FAIL:
            self._forget(number)

    def running(self) -> list[FrozenTrial]:
        """Trials that were started and never told."""
        return [self._counted[number] for number in self._order.running]

    def adopt(self, trial: FrozenTrial) -> None:
        """Takes up a running trial of an earlier driver, so that it can be told."""
        self._live[trial.number] = Trial(self._study, trial._trial_id)

    def lives_spent(self, trial: FrozenTrial) -> bool:
        """Whether the cell of a running trial was lost `LIVES` times in a row: then it probably kills the driver.

        In a row: no trial ended between. A study whose driver is killed from outside (a preempted machine) goes
        on as long as each life of a driver ends one trial; it is no fault of the cells under way.
        """
        last = max((end for t in self._counted.values() if (end := t.datetime_complete)), default=datetime.min)
        lost = [
            number
            for number, t in self._void.items()
            if t.user_attrs.get(INTERRUPTED) == LOST and (t.datetime_complete or last) > last
        ]
        return sum(self._cell(number) == self._cell(trial.number) for number in lost) + 1 >= LIVES

    def interrupt(self, trial: FrozenTrial, how: str = LOST) -> None:
        """Ends a running trial that nobody works on any more, as FAIL that does not count; its cell comes again."""
        self._live.pop(trial.number, None)
        live = Trial(self._study, trial._trial_id)
        live.set_user_attr(INTERRUPTED, how)
        self._study.tell(live, state=TrialState.FAIL)
        self._set_aside(trial.number)
        self._recount()

    def void(self, numbers: Sequence[int]) -> None:
        """Trials that ended and whose rows were lost: they count no more, and their cells come again."""
        self._rowless |= set(numbers)
        self._study.set_user_attr(ROWLESS, sorted(self._rowless))
        for number in numbers:
            self._set_aside(number)
        self._recount()

    def interrupted(self) -> list[dict[str, Scalar]]:
        """Varying parameters of cells that were interrupted and not tried again since, oldest first."""
        cut = {self._cell(number): self._void[number] for number in sorted(self._void, reverse=True)}
        return [varying(trial) for cell, trial in reversed(cut.items()) if cell not in self._seen]

    def _stored(self, number: int) -> FrozenTrial:
        """A trial as the storage has it now."""
        return self._storage.get_trial(self._counted[number]._trial_id)

    def _cell(self, number: int) -> str:
        if number not in self._cells:
            self._cells[number] = cell_id(varying(self._counted.get(number) or self._void[number]))
        return self._cells[number]

    def _set_aside(self, number: int) -> None:
        """A trial counts no more."""
        self._void[number] = self._stored(number)
        del self._counted[number]
        self._forget(number)

    def _recount(self) -> None:
        """Order and cells of the trials that count, from all of them; otherwise they go with each start and end."""
        self._order = Order(self._counted.values())
        self._seen = set(map(self._cell, self._counted))

    def _forget(self, number: int) -> None:
        for scores in self._scores.values():
            scores.pop(number, None)


def varying(trial: FrozenTrial) -> dict[str, Scalar]:
    """The parameters a trial was started with; earlier versions wrote them one by one, and first as a whole."""
    given: dict[str, Scalar] = trial.system_attrs.get("fixed_params", trial.params)
    return dict(given)


def check_journal(path: Path, objectives: Sequence[str] = SCORE) -> None:
    """Refuses a journal that cannot be read; a copy is opened, for opening writes.

    Raises:
        UsageError: as `Journal`.
    """
    if path.is_file():
        with TemporaryDirectory() as place:
            Journal(Path(shutil.copy(path, place)), objectives, where=path)


def _damage(path: Path) -> str:
    """What is wrong with a journal that Optuna cannot read: its first line that is no JSON object, if one is."""
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            if isinstance(json.loads(line), dict):
                continue
        except ValueError:  # also bytes that are no UTF-8
            pass
        return f"line {number} is no entry of a journal"
    return "entries are missing, or are of something else"
