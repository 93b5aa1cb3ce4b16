"""The Optuna journal of a study: the one truth about its trials, written by the driver alone."""

from collections.abc import Mapping
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from kpbench.cell import Scalar, cell_id
from kpbench.errors import UsageError

INTERRUPTED = "interrupted"
STOPPED, LOST = "stopped", "lost"
"""How a trial was interrupted: with its driver told to stop, or with a driver that died."""

LIVES = 5
"""How often a cell may be lost with its driver before it counts as failed."""


class Journal:
    """Trials of one study: started with given parameters, reported, and told how they truly ended."""

    def __init__(self, path: Path) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # Only one driver opens a study (its lock sees to that), so a lock that is still here belongs to a dead one.
        path.with_name(path.name + ".lock").unlink(missing_ok=True)
        try:
            storage = JournalStorage(JournalFileBackend(str(path)))
            self._study = optuna.create_study(
                storage=storage, study_name="kpbench", direction="maximize", load_if_exists=True
            )
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} is damaged: {error}; move the study away and search again") from error
        self._live: dict[int, Trial] = {}

    def history(self) -> list[FrozenTrial]:
        """Every trial that counts: running, complete, pruned, failed; not those lost with their driver."""
        trials = self._study.get_trials(deepcopy=False)
        return [t for t in trials if t.state is not TrialState.WAITING and INTERRUPTED not in t.user_attrs]

    def start(self, params: Mapping[str, Scalar]) -> Trial:
        """A new trial whose suggestions will be `params`.

        One that an earlier driver enqueued and did not live to start is taken first: it is the same proposal.
        """
        if not self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self._study.enqueue_trial(dict(params))
        trial = self._study.ask()
        self._live[trial.number] = trial
        return trial

    def report(self, number: int, score: float, epoch: int) -> None:
        """The score of a running trial after an epoch; an epoch that was reported before is left as it is."""
        self._live[number].report(score, epoch)

    def scores_at(self, epoch: int, *, except_for: int) -> list[float]:
        """The scores that other trials, not failed ones, reported at `epoch`."""
        return [
            trial.intermediate_values[epoch]
            for trial in self.history()
            if trial.number != except_for and trial.state is not TrialState.FAIL and epoch in trial.intermediate_values
        ]

    def end(self, number: int, state: TrialState, score: float | None = None) -> None:
        """A running trial ended: COMPLETE with its score, PRUNED by the scheduler or FAIL."""
        self._study.tell(self._live.pop(number), score, state=state)

    def running(self) -> list[FrozenTrial]:
        """Trials that were started and never told."""
        return [t for t in self.history() if t.state is TrialState.RUNNING]

    def adopt(self, trial: FrozenTrial) -> None:
        """Takes up a running trial of an earlier driver, so that it can be told."""
        self._live[trial.number] = Trial(self._study, trial._trial_id)

    def lives_spent(self, trial: FrozenTrial) -> bool:
        """Whether the cell of a running trial was lost `LIVES` times: then it probably is what kills the driver."""
        trials = self._study.get_trials(deepcopy=False)
        mine = cell_id(varying(trial))
        lost = [t for t in trials if t.user_attrs.get(INTERRUPTED) == LOST and cell_id(varying(t)) == mine]
        return len(lost) + 1 >= LIVES

    def interrupt(self, trial: FrozenTrial, how: str = LOST) -> None:
        """Ends a running trial that nobody works on any more, as FAIL that does not count; its cell comes again."""
        self._live.pop(trial.number, None)
        live = Trial(self._study, trial._trial_id)
        live.set_user_attr(INTERRUPTED, how)
        self._study.tell(live, state=TrialState.FAIL)

    def interrupted(self) -> list[dict[str, Scalar]]:
        """Varying parameters of cells that were interrupted and not tried again since, oldest first."""
        seen = {cell_id(varying(trial)) for trial in self.history()}
        found: dict[str, dict[str, Scalar]] = {}
        for trial in self._study.get_trials(deepcopy=False):
            if INTERRUPTED in trial.user_attrs and cell_id(varying(trial)) not in seen:
                found.setdefault(cell_id(varying(trial)), varying(trial))
        return list(found.values())


def varying(trial: FrozenTrial) -> dict[str, Scalar]:
    """The parameters a trial was started with, whole even where its driver died before each was written down."""
    given: dict[str, Scalar] = trial.system_attrs.get("fixed_params", trial.params)
    return dict(given)
