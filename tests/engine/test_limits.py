"""A queue that stops asking: time, failures, a disk nearly full; jobs under way are told."""

from types import SimpleNamespace

import pytest

from kpbench.cell import EpochRecord
from kpbench.engine import inline, ray_tune
from kpbench.engine import limits as module
from kpbench.engine.again import Again
from kpbench.engine.jobs import Failure, Job, Progress
from kpbench.engine.limits import Limited, Limits, spoken_seconds
from kpbench.engine.planned import Planned
from kpbench.engine.resources import Resources, fitting
from kpbench.engine.running import run_queue
from kpbench.errors import UsageError

RECORD = EpochRecord(epoch=1, train_mse=1.0, val_mse=1.0, val_score=0.5, seconds=0.1)


class Listed:
    """Jobs 0 to n-1; what is reported and told."""

    def __init__(self, n):
        self.jobs = [Job(number=k, role="trial", params={"k": k}, seeds=(0,), budget=2) for k in range(n)]
        self.reported, self.told = [], []

    def ask(self):
        return self.jobs.pop(0) if self.jobs else None

    def report(self, job, progress):
        self.reported.append(job.number)
        return False

    def tell(self, job, crash=None):
        self.told.append((job.number, crash and crash.reason))


def progress(reason=None):
    return Progress(epoch=1, seeds=(RECORD if reason is None else Failure(reason=reason, detail="why"),))


def test_after_the_time_nothing_is_begun_and_what_runs_is_told(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    limited = Limited(queue := Listed(3), Limits(seconds=1800), tmp_path)
    first = limited.ask()
    clock[0] = 1901.0
    assert limited.ask() is None
    limited.report(first, progress())
    limited.tell(first)
    assert (queue.reported, queue.told) == ([0], [(0, None)])
    assert limited.ended == "the time budget of 30m is used"


def test_failures_count_by_job_and_divergence_does_not(tmp_path):
    limited = Limited(Listed(9), Limits(failures=2), tmp_path)
    for reason in ("nan", "error", "error"):
        job = limited.ask()
        limited.report(job, progress(reason))
        if reason == "error":
            limited.report(job, progress(reason))  # the same job
        limited.tell(job)
    assert limited.ended is None
    assert limited.ask() is None
    assert Limited(Listed(1), limited.limits, tmp_path).ask() is None  # a command's next queue knows of them
    assert limited.ended == "2 failed, as many as --max-failures allows"


def test_a_lost_process_is_a_failure(tmp_path):
    limited = Limited(Listed(2), Limits(failures=1), tmp_path)
    limited.tell(limited.ask(), Failure(reason="crash", detail="why"))
    assert limited.ask() is None


def test_nothing_is_begun_on_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    usage = SimpleNamespace
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage(free=99_000_000))
    limited = Limited(queue := Listed(1), Limits(), tmp_path)
    with pytest.raises(UsageError, match=r"99 MB are free where .* lies and a run needs 100; make room"):
        limited.ask()
    assert len(queue.jobs) == 1


def test_limits_that_begin_nothing_are_refused():
    with pytest.raises(UsageError, match="--time-budget must be above 0"):
        Limits(seconds=0)
    with pytest.raises(UsageError, match="--max-failures must be at least 1, got 0"):
        Limits(failures=0)


@pytest.mark.parametrize(("seconds", "said"), [(90, "90s"), (120, "2m"), (5400, "90m"), (7200, "2h"), (0.5, "0.5s")])
def test_durations_are_said_as_they_are_written(seconds, said):
    assert spoken_seconds(seconds) == said


def test_what_ran_out_of_memory_is_tried_once_more_at_the_end():
    again = Again(queue := Listed(3))
    jobs = [again.ask() for _ in range(3)]
    assert again.report(jobs[0], progress("oom"))  # stop it
    again.tell(jobs[0])
    again.report(jobs[1], progress())
    again.tell(jobs[1])
    again.tell(jobs[2], Failure(reason="oom", detail="killed"))
    assert (queue.reported, queue.told) == ([1], [(1, None)])
    assert [job.number for job in again.held] == [0, 2]
    again.again()
    assert [again.ask().number, again.ask().number, again.ask()] == [0, 2, None]
    assert not again.report(jobs[0], progress("oom"))  # it is told now
    again.tell(jobs[0])
    again.tell(jobs[2], Failure(reason="oom", detail="killed"))
    assert queue.told == [(1, None), (0, None), (2, "oom")]
    assert again.held == []


@pytest.mark.parametrize(("jobs", "begun"), [(0, 0), (1, 1)])
def test_a_queue_that_is_done_was_ended_by_no_limit(tmp_path, monkeypatch, jobs, begun):
    """The last ask, which finds nothing left, may come after the time is used."""
    queue = Planned(Listed(jobs).jobs, facts=None, notify=lambda _: None, keep=lambda row: row)
    monkeypatch.setattr(inline, "run", lambda limited, staged: limited.ask())
    ended = run_queue(queue, None, None, Limits(seconds=1, begun=-1e9), tmp_path)
    assert ended == ("the time budget of 1s is used" if begun else None)


def test_out_of_memory_beside_others_is_tried_again_with_fewer_workers_than_asked_for(monkeypatch):
    """One card, four asked for: alone there is room for one, which is no reason to refuse."""

    class OneCard:
        resources = Resources(workers=4, gpus=0.25)

        def workers(self, gpus):
            return fitting(self.resources, self.nodes(), gpus)

        def nodes(self):
            return [{"CPU": 8.0, "GPU": 1.0}]

    fits = []

    def fit(queue, staged, cluster, workers, gpus):
        fits.append((workers, gpus))
        while (job := queue.ask()) is not None:
            queue.report(job, progress("oom"))
            queue.tell(job)

    monkeypatch.setattr(ray_tune, "_fit", fit)
    ray_tune.run(queue := Listed(1), None, OneCard())
    assert fits == [(4, 0.25), (1, 1.0)]
    assert queue.told == [(0, None)]
