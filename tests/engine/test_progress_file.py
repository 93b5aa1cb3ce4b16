"""What a driver writes down of what it works on."""

import pytest

from kpbench.engine.events import Advanced, Ended, Notice, Stage, Started
from kpbench.engine.jobs import Job
from kpbench.engine.progress_file import progress_file
from kpbench.store.driver import read_driver
from kpbench.store.files import PROGRESS
from kpbench.store.study import Study


def job(number):
    return Job(number=number, role="trial", params={"family": "cnn", "network.depth": number}, seeds=(0,), budget=3)


def test_it_holds_what_is_under_way_and_how_the_driver_left(tmp_path):
    with progress_file(Study(tmp_path)) as notify:
        assert read_driver(tmp_path).running == ()
        for event in (Stage("search", 4), Started(job(2)), Started(job(3)), Advanced(job(3), 1, 88.5), Notice("told")):
            notify(event)
        found = read_driver(tmp_path)
        assert (found.stage, found.ended) == ("search", None)
        assert [(one.number, one.epoch, one.score) for one in found.running] == [(2, 0, None), (3, 1, 88.5)]
        notify(Ended(job(2), "failed", None, "loss is NaN"))
        assert [one.number for one in read_driver(tmp_path).running] == [3]
        notify(Stage("final runs", 1))
        assert read_driver(tmp_path).running == ()
    assert not (tmp_path / PROGRESS).exists()


@pytest.mark.parametrize(("error", "ended"), [(KeyboardInterrupt, "interrupted"), (ValueError, "failed")])
def test_it_says_that_a_driver_left_early(tmp_path, error, ended):
    with pytest.raises(error), progress_file(Study(tmp_path)) as notify:
        notify(Started(job(1)))
        raise error
    found = read_driver(tmp_path)
    assert (found.ended, found.running) == (ended, ())


def test_a_file_that_cannot_be_written_harms_nothing(tmp_path):
    (tmp_path / PROGRESS).mkdir()  # a file cannot take the place of a folder
    with progress_file(Study(tmp_path)) as notify:
        notify(Started(job(1)))
    assert read_driver(tmp_path) is None
