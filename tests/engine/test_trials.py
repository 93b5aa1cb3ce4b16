"""The queue of trials: honest states, totals, resume, and journal and rows in step."""

from collections import Counter

import pytest
from optuna.trial import TrialState

from kpbench.cell import cell_id
from kpbench.engine.evaluate import known_parameters
from kpbench.engine.events import Ended
from kpbench.engine.jobs import Failure, Progress
from kpbench.engine.live import Facts
from kpbench.engine.trials import Trials
from kpbench.errors import UsageError
from kpbench.sampling.journal import LIVES, Journal
from kpbench.sampling.samplers import SAMPLERS
from kpbench.sampling.schedulers import SCHEDULERS
from kpbench.space.catalog import find
from kpbench.space.reading import read_space
from kpbench.space.space import complete
from kpbench.store.files import JOURNAL, ROWS
from kpbench.store.study import open_study
from kpbench.task.benchmark import read_benchmark
from tests.scripted import play, record
from tests.store.test_study import PLAN

DEFAULTS = known_parameters()
SPACE = read_space(find("search_spaces", "cnn_small"), DEFAULTS)
RULES = read_benchmark().rules


def weight(cell):
    """Made-up parameters: the deeper, the fewer, as pooling leaves the head less."""
    return {"params": 1e6 / cell["network.depth"] ** 2}


def trials(study, *, events=None, objectives=("score",), **more):
    given = {
        "study": study,
        "journal": Journal(study.folder / JOURNAL, objectives),
        "costs": weight,
        "space": SPACE,
        "sampler": SAMPLERS["tpe"],
        "scheduler": SCHEDULERS["none"],
        "facts": Facts("cpu", "dd", lambda params: (7, 0.1), 20),
        "notify": (events if events is not None else []).append,
        "complete": lambda cell: complete(cell, DEFAULTS),
        "legal": lambda cell: True,
        "n_trials": 6,
        "epochs": 4,
        "seeds": 1,
        "seed": 0,
    }
    queue = Trials(**{**given, **more})
    queue.recover()
    return queue


def quality(job, seed, epoch):
    """A made-up MSE: better with depth, with spatial batch norm and with epochs."""
    norm = {"none": 3, "batch": 2, "spatial_batch": 1}[job.params["network.norm"]]
    return (norm + 1 / job.params["network.depth"] + 1 / epoch + seed * 1e-3) / 1000


@pytest.fixture
def study(tmp_path):
    with open_study(tmp_path / "s", PLAN) as opened:
        yield opened


def counts(queue):
    """Trials of the journal by state."""
    return Counter(trial.state.name for trial in queue.journal.history())


def table(study):
    """What a study's outcome is: each trial row without times."""
    return [(r.trial, r.cell, r.seed, r.state, r.epochs, r.val_mse) for r in study.rows()]


def test_trials_are_totals_and_no_cell_comes_twice(study):
    play(trials(study), quality)
    assert len(study.rows()) == 6
    play(trials(study), quality)
    assert len(study.rows()) == 6
    play(trials(study, n_trials=11), quality)
    rows = study.rows()
    assert len(rows) == len({r.cell for r in rows}) == 11
    play(trials(study, n_trials=100), quality)
    assert len({r.cell for r in study.rows()}) == len(study.rows()) == 36


def test_rows_say_what_was_trained(study):
    play(trials(study, seeds=2, seed=3, n_trials=2), quality)
    first = study.rows()[0]
    assert [r.seed for r in study.rows()] == [30000, 30001] * 2
    assert first.params["training.lr"] == 3e-3
    assert [e.epoch for e in first.curve] == [1, 2, 3, 4]
    assert first.val_mse == first.curve[-1].val_mse
    assert (first.parameters, first.megabytes, first.data) == (7, 0.1, "dd")


def test_the_journal_tells_the_truth(study):
    events = []

    def troubled(job, seed, epoch):
        if job.number == 1 and epoch == 3:
            return Failure(reason="nan", detail="the loss is not finite in epoch 3")
        return quality(job, seed, epoch)

    queue = trials(study, events=events, scheduler=lambda epoch, epochs, score, others: epoch == 2 and len(others) == 3)
    play(queue, troubled, lose=[4])
    states = [t.state for t in queue.journal.history()]
    assert states == [
        TrialState.COMPLETE,
        TrialState.FAIL,
        TrialState.COMPLETE,
        TrialState.COMPLETE,
        TrialState.FAIL,
        TrialState.PRUNED if states[5] is TrialState.PRUNED else TrialState.COMPLETE,
    ]
    rows = {r.trial: r for r in study.rows()}
    assert (rows[1].state, rows[1].reason, rows[1].epochs, rows[1].val_mse) == ("failed", "nan", 2, None)
    assert (rows[4].state, rows[4].reason) == ("failed", "crash")
    assert counts(queue)["FAIL"] == 2
    ended = {e.job.number: e for e in events if isinstance(e, Ended)}
    assert ended[1].score is None
    assert "epoch 3" in ended[1].detail
    first = queue.journal.history()[0]
    assert first.value == pytest.approx(1 / (2 * rows[0].val_mse))
    assert sorted(first.intermediate_values) == [1, 2, 3, 4]


def test_a_stopped_trial_is_pruned_with_its_partial_curve(study):
    play(trials(study, scheduler=lambda epoch, epochs, score, others: epoch == 2), quality)
    journal = Journal(study.folder / JOURNAL)
    assert {t.state for t in journal.history()} == {TrialState.PRUNED}
    assert {(r.state, r.epochs, len(r.curve)) for r in study.rows()} == {("pruned", 2, 2)}


def test_a_stop_at_the_last_epoch_changes_nothing(study):
    play(trials(study, scheduler=lambda epoch, epochs, score, others: epoch == epochs), quality)
    assert {r.state for r in study.rows()} == {"complete"}
    assert {t.state for t in Journal(study.folder / JOURNAL).history()} == {TrialState.COMPLETE}


def test_one_failed_seed_fails_the_trial_and_its_row_says_which(study):
    def second_seed_diverges(job, seed, epoch):
        return Failure(reason="nan", detail="boom") if seed == 1 and epoch == 2 else quality(job, seed, epoch)

    queue = trials(study, seeds=3, n_trials=1)
    play(queue, second_seed_diverges)
    assert [(r.seed, r.state, r.epochs) for r in study.rows()] == [
        (0, "pruned", 2), (1, "failed", 1), (2, "pruned", 2),
    ]  # fmt: skip
    assert counts(queue) == {"FAIL": 1}


def test_an_epoch_that_comes_again_is_not_counted_twice(study):
    queue = trials(study, n_trials=1)
    job = queue.ask()
    for epoch in (1, 2, 1, 2, 3, 4):  # a worker was lost after epoch 2 and began again
        queue.report(job, Progress(epoch=epoch, seeds=(record(epoch, 0.01 / epoch),)))
    queue.tell(job)
    assert [e.epoch for e in study.rows()[0].curve] == [1, 2, 3, 4]


@pytest.mark.parametrize("objectives", [("score",), ("score", "params")])
@pytest.mark.parametrize("sampler", ["additive", "tpe", "grid"])
@pytest.mark.parametrize("cut", [0, 1, 5, 13, 23])
def test_a_study_that_was_cut_ends_like_one_that_was_not(tmp_path, sampler, cut, objectives):
    more = {
        "sampler": SAMPLERS[sampler],
        "scheduler": SCHEDULERS["asha_late"],
        "n_trials": 12,
        "objectives": objectives,
    }
    with open_study(tmp_path / "whole", PLAN) as study:
        play(trials(study, **more), quality)
        whole = [row[1:] for row in table(study)]
    with open_study(tmp_path / "cut", PLAN) as study, pytest.raises(KeyboardInterrupt):
        play(trials(study, **more), quality, interrupt=cut)
    with open_study(tmp_path / "cut", PLAN) as study:
        queue = trials(study, **more)
        play(queue, quality)
        assert [row[1:] for row in table(study)] == whole
        assert counts(queue).total() == 12
        assert not queue.journal.running()


def test_a_row_without_its_tell_is_told_at_the_next_start(study):
    queue = trials(study, n_trials=3)

    def die(number, state, score):
        raise KeyboardInterrupt

    queue.journal.end = die  # killed between the row and the journal
    with pytest.raises(KeyboardInterrupt):
        play(queue, quality)
    assert len(study.rows()) == 1
    again = trials(study, n_trials=3)
    assert counts(again) == {"COMPLETE": 1}
    play(again, quality)
    assert len(study.rows()) == 3


@pytest.mark.parametrize("seeds", [1, 2])
def test_trials_whose_rows_were_lost_are_trained_again(study, seeds):
    play(trials(study, seeds=seeds, n_trials=4), quality)
    whole = {(row.cell, row.seed): row.val_score for row in study.rows()}
    lines = (study.folder / ROWS).read_bytes().splitlines(keepends=True)
    (study.folder / ROWS).write_bytes(b"".join(lines[: 2 * seeds - 1]))
    events = []
    queue = trials(study, seeds=seeds, n_trials=4, notify=events.append)
    lost = 4 - (2 * seeds - 1) // seeds
    assert [event.text for event in events] == [f"rows.jsonl lacks {lost} trials that ended: trained again"]
    assert queue.left() == lost
    play(queue, quality)
    assert {(row.cell, row.seed): row.val_score for row in study.rows()} == whole
    assert len(study.rows()) == len(whole)
    again = trials(study, seeds=seeds, n_trials=6)
    assert again.left() == 2, "it is told once, and a study may still grow"
    play(again, quality)
    assert len({row.cell for row in study.rows()}) == 6


def test_rows_that_the_journal_does_not_tell_of_are_refused(study):
    play(trials(study, n_trials=2), quality)
    (study.folder / "journal.jsonl").unlink()
    with pytest.raises(UsageError, match=r"rows\.jsonl has trial 0, of which journal\.jsonl beside it does not tell"):
        trials(study, n_trials=2)


def test_a_trial_cut_between_its_seeds_rows_is_trained_again(study):
    queue = trials(study, seeds=2, n_trials=2)
    append = study.append

    def torn(file, value):
        append(file, value)
        if file == ROWS:
            raise KeyboardInterrupt

    study.append = torn
    with pytest.raises(KeyboardInterrupt):
        play(queue, quality)
    study.append = append
    assert len(study.rows()) == 1
    play(trials(study, seeds=2, n_trials=2), quality)
    assert len(study.rows()) == 4
    assert len({(r.cell, r.seed) for r in study.rows()}) == 4


def test_a_cell_that_kills_its_driver_again_and_again_is_given_up(study):
    for _ in range(LIVES):
        with pytest.raises(KeyboardInterrupt):
            play(trials(study, n_trials=2), quality, interrupt=1)
    queue = trials(study, n_trials=2)
    assert [(r.state, r.reason) for r in study.rows()] == [("failed", "crash")]
    assert counts(queue)["FAIL"] == 1
    play(queue, quality)
    assert len(study.rows()) == 2


def test_a_cell_under_way_at_each_of_many_kills_is_not_given_up_while_others_end(study):
    """A machine that is preempted again and again: each driver ends one trial and loses the other."""
    cut = set()
    for _ in range(LIVES + 2):
        queue = trials(study, n_trials=LIVES + 4)
        lost, other = queue.ask(), queue.ask()
        cut.add(cell_id(lost.params))
        for epoch in range(1, 5):
            queue.report(other, Progress(epoch=epoch, seeds=(record(epoch, quality(other, other.seeds[0], epoch)),)))
        queue.tell(other)
    assert len(cut) == 1  # a cell that was cut comes again first
    queue = trials(study, n_trials=LIVES + 4)
    play(queue, quality)
    assert counts(queue) == {"COMPLETE": LIVES + 4}


def test_stopping_it_again_and_again_is_no_failure(study):
    for _ in range(LIVES + 1):
        queue = trials(study, n_trials=2)
        with pytest.raises(KeyboardInterrupt):
            play(queue, quality, interrupt=1)
        queue.abandon()
    queue = trials(study, n_trials=2)
    play(queue, quality)
    assert counts(queue) == {"COMPLETE": 2}


def test_cut_at_any_line_of_the_journal_no_cell_is_doubled(tmp_path):
    """The driver may die between any two writes: each prefix of the journal, with the rows it had, continues."""
    with open_study(tmp_path / "whole", PLAN) as study:
        play(trials(study, n_trials=3, epochs=1), quality)
        lines = (study.folder / JOURNAL).read_bytes().splitlines(keepends=True)
        rows = (study.folder / ROWS).read_bytes().splitlines(keepends=True)
        whole = [row[1:] for row in table(study)]
    for cut in range(len(lines) + 1):
        told = b"".join(lines[:cut]).count(b'"values":[')
        with open_study(tmp_path / f"cut{cut}", PLAN) as study:
            (study.folder / JOURNAL).write_bytes(b"".join(lines[:cut]))
            (study.folder / ROWS).write_bytes(b"".join(rows[:told]))
            play(trials(study, n_trials=3, epochs=1), quality)
            assert [row[1:] for row in table(study)] == whole, f"after line {cut}"


def test_a_failure_of_a_job_that_began_again_is_a_failure(study):
    """A worker was lost after epoch 2; on the next one the same job runs out of memory in epoch 1."""
    queue = trials(study, n_trials=1)
    job = queue.ask()
    for epoch in (1, 2):
        assert not queue.report(job, Progress(epoch=epoch, seeds=(record(epoch, 0.01),)))
    assert queue.report(job, Progress(epoch=1, seeds=(Failure(reason="oom", detail="no memory"),)))
    queue.tell(job)
    assert [(r.state, r.reason) for r in study.rows()] == [("failed", "oom")]


def test_with_several_objectives_the_rung_weighs_what_is_known(study):
    """A small cell with a low score goes on; one that is neither small nor good is stopped."""
    cost = {2: 4e5, 3: 3e5, 4: 2e5, 5: 1e3}

    def score(job, seed, epoch):
        return {2: 1.0, 3: 2.0, 4: 3.0, 5: 4.0}[job.params["network.depth"]] / 1000

    queue = trials(
        study,
        objectives=("score", "params"),
        scheduler=SCHEDULERS["asha_late"],
        n_trials=36,
        costs=lambda cell: {"params": cost[cell["network.depth"]]},
        facts=Facts("cpu", "dd", lambda params: (cost[params["network.depth"]], 0.1), 20),
    )
    play(queue, score)
    states = Counter((row.params["network.depth"], row.state) for row in study.rows())
    late = [row for row in study.rows() if row.trial > 12]
    assert {row.state for row in late if row.params["network.depth"] in (3, 4)} == {"pruned"}
    assert states[5, "complete"] and states[2, "complete"]
    told = [t for t in queue.journal.history() if t.state is TrialState.COMPLETE]
    assert all(len(t.values) == 2 and t.values[1] == cost[t.params["network.depth"]] for t in told)


def test_limits_leave_fewer_cells_and_all_of_them_are_tried(study):
    queue = trials(study, n_trials=30, legal=lambda cell: cell["network.depth"] > 3, legal_cells=18)
    assert queue.total() == queue.left() == 18
    play(queue, quality)
    assert len(study.rows()) == 18 and {row.params["network.depth"] for row in study.rows()} == {4, 5}
