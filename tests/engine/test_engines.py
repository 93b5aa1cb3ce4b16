"""Both engines do the same: same jobs, same numbers, same stops; Ray loses workers and goes on."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from kpbench.engine import inline, ray_tune
from kpbench.engine.cluster import cluster
from kpbench.engine.evaluate import Staged, known_parameters
from kpbench.engine.jobs import Failure, Job
from kpbench.engine.resources import Resources
from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.space.space import complete
from kpbench.task.benchmark import read_benchmark
from kpbench.training.device import find_device

BENCHMARK = read_benchmark()
DEFAULTS = known_parameters()
SMALL = {"family": "cnn", "network.width": 4, "network.head_width": 8, "training.batch_size": 8}


@pytest.fixture(scope="module")
def staged(course):
    splits = load(str(course), val_share=0.15, test_share=0.15, seed=0)
    train, val = splits.train, splits.val
    arrays = train.images, train.keypoints, val.images, val.keypoints
    return Staged(*arrays, BENCHMARK.coordinates, BENCHMARK.digest, splits.digest(), find_device("cpu"))


def job(number, *, epochs=2, seeds=(0,), **params):
    cell = complete({**SMALL, "network.depth": 2 + number % 3, **params}, DEFAULTS)
    return Job(number=number, role="trial", params=cell, seeds=seeds, budget=epochs)


class Listed:
    """A queue over a list of jobs that writes down all that happens."""

    def __init__(self, jobs, *, stop=lambda job, epoch: False, on_report=lambda job, epoch: None):
        self.waiting = list(jobs)
        self.stop, self.on_report = stop, on_report
        self.reports, self.told, self.most, self.open = {}, {}, 0, 0

    def ask(self):
        if not self.waiting:
            return None
        self.open += 1
        self.most = max(self.most, self.open)
        return self.waiting.pop(0)

    def report(self, job, progress):
        seeds = [s.reason if isinstance(s, Failure) else (s.train_mse, s.val_mse) for s in progress.seeds]
        self.reports.setdefault(job.number, {})[progress.epoch] = seeds
        self.on_report(job, progress.epoch)
        return self.stop(job, progress.epoch)

    def tell(self, job, crash=None):
        assert job.number not in self.told
        self.open -= 1
        self.told[job.number] = crash


def jobs():
    return [
        job(0, seeds=(0, 1)),
        job(1, epochs=4),
        job(2, **{"training.lr": 1e12, "network.norm": "none"}, epochs=4),
        job(3, **{"network.dropout": "spatial"}),
        job(4),
    ]


def stop(job, epoch):
    return job.number == 1 and epoch == 2


def test_ray_does_what_the_inline_engine_does(staged):
    alone = Listed(jobs(), stop=stop)
    inline.run(alone, staged)
    before = set(Path(tempfile.gettempdir()).glob("kpb-*"))
    ray = Listed(jobs(), stop=stop)
    with cluster(Resources(2)) as two:
        ray_tune.run(ray, staged, two)
        assert [node["NodeManagerAddress"] for node in ray_tune.ray.nodes()] == ["127.0.0.1"]  # nobody else is let in
    assert ray.reports == alone.reports  # bit for bit, two workers beside each other
    assert ray.told == alone.told == dict.fromkeys(range(5))
    assert sorted(ray.reports[1]) == [1, 2]
    assert ray.reports[2][max(ray.reports[2])] == ["nan"]
    assert (alone.most, ray.most) == (1, 2)
    assert set(Path(tempfile.gettempdir()).glob("kpb-*")) == before  # nothing of Ray's is left behind


def test_an_error_of_the_queue_comes_out_as_it_is(staged):
    def full(job, epoch):
        raise OSError(28, "No space left on device")

    with cluster(Resources(1)) as one:
        with pytest.raises(OSError, match="No space left"):
            ray_tune.run(Listed(jobs(), on_report=full), staged, one)
        after = Listed([job(0)])
        ray_tune.run(after, staged, one)  # the same Ray goes on with the next queue
    assert after.told == {0: None}


@pytest.mark.chaos
def test_a_killed_worker_costs_no_job(staged):
    """A worker that dies is replaced and its job begun again; one that dies twice is told as a crash."""
    killed = []

    def kill(job, epoch):
        times = {3: 1, 4: 2}.get(job.number, 0)
        if epoch == 1 and killed.count(job.number) < times:
            killed.append(job.number)
            _kill_one_worker()

    queue = Listed([job(n, epochs=30) for n in range(3, 6)], on_report=kill)
    with cluster(Resources(1)) as one:
        ray_tune.run(queue, staged, one)
    assert killed.count(3) == 1
    assert killed.count(4) == 2
    assert queue.told[3] is None
    assert queue.told[5] is None
    assert queue.told[4].reason == "crash"
    assert len(queue.reports[3]) == 30


def _kill_one_worker():
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                line = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if line.startswith(b"ray::") and b"Trainable" in line:
                os.kill(int(process.name), signal.SIGKILL)
                return
    raise AssertionError("no worker found")


class Healthy:
    """A cluster, as far as it is asked whether Ray's own processes live."""

    def __init__(self, broken=False):
        self.broken = lambda: broken


def test_a_job_whose_process_died_comes_again_even_after_the_last_was_asked_for():
    queue = Listed([job(0), job(1)])
    asks = ray_tune._Asks(queue, Healthy())
    first, _ = asks.suggest("a"), asks.suggest("b")
    assert asks.suggest("c") is None  # not over: what is under way may be lost
    asks.on_trial_complete("a", error=True)
    assert queue.told == {}
    assert asks.suggest("d") == first
    asks.on_trial_complete("b")
    asks.on_trial_complete("d", error=True)
    assert queue.told[1] is None
    assert queue.told[0].detail == "its worker process died 2 times"
    assert asks.suggest("e") == ray_tune.Searcher.FINISHED


def test_a_known_reason_is_told_at_once():
    queue = Listed([job(0)])
    asks = ray_tune._Asks(queue, Healthy())
    asks.suggest("a")
    asks.failures["a"] = Failure(reason="timeout", detail="longer")
    asks.on_trial_complete("a", error=True)
    assert queue.told[0].reason == "timeout"


def test_where_ray_itself_died_nothing_is_told_of_a_job():
    queue = Listed([job(0)])
    asks = ray_tune._Asks(queue, Healthy(broken=True))
    asks.suggest("a")
    with pytest.raises(UsageError, match="Ray's own processes died"):
        asks.on_trial_complete("a", error=True)
    assert queue.told == {}
    assert "Ray's own" in str(asks.error)
