"""Scoring beside the workers: how many processes, what they are, and rows that come later than their job ended."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from dataclasses import replace

import pytest

from kpbench.engine import beside as module
from kpbench.engine.beside import MOST, Here, beside, spare
from kpbench.engine.events import Advanced, Ended, Started
from kpbench.engine.jobs import Failure, Job, Progress
from kpbench.engine.live import Facts, Live, rows_of
from kpbench.engine.planned import Planned
from kpbench.engine.resources import Resources
from kpbench.errors import UsageError
from kpbench.space.space import complete
from kpbench.studies import ablation
from kpbench.studies.ablation_request import AblationRequest, prepare_ablation
from tests.engine.test_engines import DEFAULTS, SMALL
from tests.scripted import quiet, record, rows


@pytest.mark.parametrize(
    ("cpus", "asked", "cards", "count"),
    [
        (2, None, False, 0),  # this process trains
        (2, Resources(), False, 0),
        (2, Resources(workers=1), False, 1),
        (8, Resources(), False, 1),
        (16, Resources(), False, 2),
        (16, Resources(workers=2), False, MOST),
        (4, Resources(workers=2, cpus=2), False, 0),
        (4, Resources(workers=9), False, 0),
        (16, Resources(), True, MOST),
        (4, Resources(), True, 2),
        (16, Resources(address="auto"), True, 2),  # whose workers may be here
    ],
)
def test_as_many_processes_as_cpus_are_left(monkeypatch, cpus, asked, cards, count):
    monkeypatch.setattr(module, "own_cpus", lambda: cpus)
    monkeypatch.setattr("kpbench.engine.resources.own_cpus", lambda: cpus)
    assert spare(asked, cards) == count


def test_this_process_does_it_at_once_where_there_are_none():
    with beside(0, ()) as pool:
        assert isinstance(pool, Here)
        assert pool.submit(os.getpid).result() == os.getpid()
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0)


def test_processes_are_others_and_one_that_is_killed_is_told_in_one_line():
    with pytest.raises(UsageError, match="a process that scores models was killed"), beside(1, ()) as pool:
        child = pool.submit(os.getpid).result()
        assert child != os.getpid()
        os.kill(child, signal.SIGKILL)
        pool.submit(os.getpid).result()


ORPHAN = """
import os, sys, time
from kpbench.engine.beside import beside
if __name__ == "__main__":
    with beside(1, ()) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_process_ends_with_its_parent_even_where_that_is_killed(tmp_path):
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    os.kill(child, signal.SIGINT)  # Ctrl-C goes to all processes of a terminal; the parent decides
    time.sleep(0.2)
    os.kill(child, 0)
    parent.kill()
    parent.wait()
    for _ in range(100):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("it outlives its parent")


def job(number, seeds):
    cell = complete({**SMALL, "network.depth": 2}, DEFAULTS)
    return Job(number=number, role="ablation", params=cell, seeds=seeds, budget=1)


def test_rows_are_kept_as_they_are_scored_a_jobs_together_and_the_rest_at_the_end():
    coming, kept, events = {}, [], []

    def score(row):
        coming[row.seed] = Future()
        return coming[row.seed]

    def scored(seed, row):
        coming[seed].set_result(replace(row, test_mse=float(seed)))

    facts = Facts("cpu", "dd", lambda params: (7, 0.1), 20)
    queue = Planned([job(0, (1, 2)), job(1, (3,)), job(2, (4,))], facts, events.append, kept.append, score)
    first, second = queue.ask(), queue.ask()
    for one in (first, second):
        queue.report(one, Progress(epoch=1, seeds=tuple(record(1, 0.5) for _ in one.seeds)))
        queue.tell(one)
    assert kept == [] and set(coming) == {1, 2, 3}
    template = rows_of_job(first, facts)[0]
    scored(1, template)
    third = queue.ask()
    assert kept == []  # the seeds of a job come together
    scored(3, template)
    queue.report(third, Progress(epoch=1, seeds=(record(1, 0.5),)))
    assert [row.test_mse for row in kept] == [3.0]  # while another job is under way
    scored(2, template)
    queue.tell(third, Failure(reason="crash", detail="lost"))
    assert [row.test_mse for row in kept] == [3.0, 1.0, 2.0] and queue.ask() is None
    scored(4, template)
    queue.finish()
    assert [row.test_mse for row in kept] == [3.0, 1.0, 2.0, 4.0]
    assert [type(one) for one in events] == [
        Started,
        Started,
        Advanced,
        Advanced,
        Started,
        Ended,
        Advanced,
        Ended,
        Ended,
    ]


def rows_of_job(one, facts):
    live = Live(one)
    live.add(Progress(epoch=1, seeds=tuple(record(1, 0.5) for _ in one.seeds)))
    return rows_of(live, facts)


OWN = """
from torch import nn
def make(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, width, 9, 8), nn.ReLU(), nn.Flatten(), nn.Linear(width * 121, 30))
"""

SPACE = """
family = "own.py:make"
[network]
width = [2, 4]
[training]
batch_size = 8
"""


def test_rows_are_the_same_wherever_they_are_scored(tmp_path, course, monkeypatch):
    """A person's own network, pictures moved, the sealed test in the end: all of it by processes, and by this one."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "own.toml").write_text(SPACE)
    found = {}
    for count in (0, 2):
        monkeypatch.setattr(ablation, "spare", lambda asked, cards, count=count: count)
        monkeypatch.setattr("kpbench.studies.confirmation.WORTH", 2)
        monkeypatch.setattr("kpbench.studies.confirmation.MOST", count)
        request = AblationRequest(
            factors=("width",), space=str(tmp_path / "own.toml"), data=str(course), seeds=2, epochs=1, workers=0,
            shifts=(0, 2), confirm=True, out=tmp_path / str(count), name="s",
        )  # fmt: skip
        found[count] = rows(ablation.ablate(prepare_ablation(request), quiet, quiet))
    here, there = (sorted((plain(row) for row in found[count]), key=str) for count in found)
    assert len(here) == 12 and all(row.test_mse for row in found[0][6:])
    assert here == there


def plain(row):
    """A row without what the clock says."""
    curve = [replace(epoch, seconds=0.0) for epoch in row.curve]
    return replace(row, finished="", seconds=0.0, curve=curve)
