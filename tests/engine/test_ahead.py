"""Final runs that begin while the last trials are under way."""

import pytest

from kpbench.engine.ahead import Ahead
from kpbench.engine.events import Advanced, Ended, Started
from kpbench.engine.jobs import Failure, Job, Progress
from kpbench.engine.live import Facts
from kpbench.engine.planned import Planned
from kpbench.store.study import open_study
from tests.engine.test_trials import trials
from tests.scripted import record
from tests.store.test_study import PLAN

EPOCHS, SEEDS = 2, (100, 101, 102)


class Search:
    """Three trials and three final runs of the best, driven step by step as by workers."""

    def __init__(self, study):
        self.events, self.settled, self.dropped, self.begun = [], [], [], []
        self.study = study
        mine = trials(study, n_trials=3, epochs=EPOCHS)
        self.queue = Ahead(mine, self.plan, lambda plan: self.begun.append(len(plan.jobs)), self.dropped.append)

    def plan(self):
        complete = [row for row in self.study.rows() if row.state == "complete"]
        best = min(complete, key=lambda row: row.val_mse, default=None)
        jobs = [
            Job(number=place, role="final", params=best.params, seeds=(seed,), budget=EPOCHS)
            for place, seed in enumerate(SEEDS if best else ())
        ]
        return Planned(jobs, Facts("cpu", "dd", lambda params: (7, 0.1), 20), self.events.append, self.settle)

    def settle(self, row):
        assert len(self.study.rows()) == 3  # every trial has ended
        self.settled.append((row.cell, row.seed, row.state, row.epochs))
        return row

    def ask(self):
        return self.queue.ask()

    def epoch(self, job, epoch, mse=0.5):
        return self.queue.report(job, Progress(epoch=epoch, seeds=(record(epoch, mse),)))

    def whole(self, job, mse=0.5):
        assert not any(self.epoch(job, epoch, mse) for epoch in range(1, EPOCHS + 1))
        self.queue.tell(job)

    def until_one_is_left(self):
        """Two trials ended, the third is under way; the first is the better one."""
        first, second = self.ask(), self.ask()
        self.whole(first, mse=0.1)
        last = self.ask()
        self.whole(second, mse=0.2)
        assert (first.role, last.role) == ("trial", "trial")
        return first, last


@pytest.fixture
def search(tmp_path):
    with open_study(tmp_path / "s", PLAN) as opened:
        yield Search(opened)


def test_runs_of_the_leader_that_stays_are_kept_and_go_on(search):
    best, last = search.until_one_is_left()
    done, going = search.ask(), search.ask()
    assert [(one.role, one.cell, one.seeds) for one in (done, going)] == [
        ("final", best.cell, (100,)), ("final", best.cell, (101,)),
    ]  # fmt: skip
    search.whole(done)
    search.epoch(going, 1)
    assert search.settled == search.begun == []
    search.events.clear()
    search.whole(last, mse=0.3)
    assert search.begun == [3] and search.settled == [(best.cell, 100, "complete", EPOCHS)]
    kinds = [(type(event), event.job.number) for event in search.events]
    assert kinds == [
        (Started, done.number), (Advanced, done.number), (Advanced, done.number), (Ended, done.number),
        (Started, going.number), (Advanced, going.number),
    ]  # fmt: skip
    assert not search.epoch(going, 2)
    search.queue.tell(going)
    third = search.ask()
    assert (third.seeds, search.queue.left()) == ((102,), 0)
    search.whole(third)
    assert search.ask() is None
    assert search.settled == [(best.cell, seed, "complete", EPOCHS) for seed in SEEDS] and not search.dropped


def test_runs_of_a_leader_that_is_overtaken_are_dropped_and_never_scored(search):
    _, last = search.until_one_is_left()
    done, going = search.ask(), search.ask()
    search.whole(done)
    search.epoch(going, 1)
    search.whole(last, mse=0.05)
    assert search.epoch(going, 2)  # is to stop
    search.queue.tell(going)
    assert {one.number for one in search.dropped} == {done.number, going.number}
    while (job := search.ask()) is not None:
        search.whole(job)
    assert search.settled == [(last.cell, seed, "complete", EPOCHS) for seed in SEEDS]


def test_a_leader_that_changes_while_trials_run_begins_the_new_one(search):
    """Two trials are under way when the first early run begins; the next early run is of whoever leads then."""
    first, second = search.ask(), search.ask()
    search.whole(first, mse=0.2)
    last = search.ask()
    early = search.ask()
    assert (early.cell, early.role) == (first.cell, "final")
    search.whole(second, mse=0.1)
    assert search.ask().cell == second.cell
    search.whole(last, mse=0.3)
    assert [one.number for one in search.dropped] == [early.number]


def test_nothing_is_begun_while_there_is_no_leader(search):
    jobs = [search.ask() for _ in range(3)]
    assert search.ask() is None  # now; there is more to come
    for job in jobs:
        search.whole(job)
    assert search.ask().role == "final"


def test_a_run_that_was_lost_early_has_failed_once_it_is_wanted(search):
    best, last = search.until_one_is_left()
    lost = search.ask()
    search.queue.tell(lost, Failure(reason="crash", detail="its worker process died 2 times"))
    assert search.settled == []
    search.whole(last, mse=0.3)
    assert search.settled == [(best.cell, 100, "failed", 0)]


def test_a_stop_that_was_asked_for_forgets_what_was_begun_early(search):
    _, last = search.until_one_is_left()
    early = search.ask()
    search.whole(early)
    search.queue.abandon()
    assert [one.number for one in search.dropped] == [early.number] and search.settled == []
    assert {row.cell for row in search.study.rows()}.isdisjoint({last.cell})
