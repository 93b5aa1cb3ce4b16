"""Whether a driver lives is seen from the study's lock and its record, and nothing is touched."""

import multiprocessing
import os
import socket

import pytest

from kpbench.store import driver as module
from kpbench.store.driver import is_worked_on, read_driver, this_driver
from kpbench.store.files import LOCK, PROGRESS
from kpbench.store.study import open_study
from tests.store.test_study import PLAN

SINCE = "2026-01-05T10:00:00+00:00"


def hold(folder, held, release):
    with open_study(folder, PLAN) as study:
        study.write(PROGRESS, this_driver(SINCE).model_dump_json())
        held.set()
        release.wait(60)


@pytest.fixture
def other(tmp_path):
    """A process that holds the lock of the study `s`."""
    spawn = multiprocessing.get_context("spawn")
    held, release = spawn.Event(), spawn.Event()
    process = spawn.Process(target=hold, args=(tmp_path / "s", held, release))
    process.start()
    assert held.wait(30)
    yield process
    process.kill()
    process.join(30)


def listing(folder):
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.iterdir()}


@pytest.mark.parametrize("locks", [True, False])
def test_a_driver_is_seen_and_missed_once_it_is_killed(tmp_path, other, monkeypatch, locks):
    if locks and not module.LOCKS.exists():
        pytest.skip("this system does not list its locks")
    if not locks:
        monkeypatch.setattr(module, "LOCKS", tmp_path / "none")
    folder = tmp_path / "s"
    before = listing(folder)
    found = read_driver(folder)
    assert found is not None
    assert (found.pid, found.host) == (other.pid, socket.gethostname())
    assert is_worked_on(folder, found) is True
    if locks:
        assert is_worked_on(folder, None) is True  # one of an earlier version keeps no record
    other.kill()
    other.join(30)
    assert is_worked_on(folder, found) is False
    assert listing(folder) == before


def test_a_driver_of_another_machine_is_not_judged(tmp_path):
    there = this_driver(SINCE).model_copy(update={"host": "elsewhere"})
    assert is_worked_on(tmp_path, there) is None
    assert is_worked_on(tmp_path, there.model_copy(update={"ended": "interrupted"})) is False


def test_without_a_lock_nobody_works(tmp_path):
    assert is_worked_on(tmp_path, None) is False
    assert is_worked_on(tmp_path, this_driver(SINCE)) is False
    (tmp_path / LOCK).touch()
    assert is_worked_on(tmp_path, None) is False


@pytest.mark.parametrize("content", [None, b"", b'{"pid": 1', b'{"pid": 1, "newer": true}'])
def test_a_record_that_cannot_be_read_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / PROGRESS).write_bytes(content)
    assert read_driver(tmp_path) is None


def test_a_process_number_that_is_free_is_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOCKS", tmp_path / "none")
    (tmp_path / LOCK).touch()
    assert is_worked_on(tmp_path, this_driver(SINCE)) is True
    child = os.fork() or os._exit(0)
    os.waitpid(child, 0)
    assert is_worked_on(tmp_path, this_driver(SINCE).model_copy(update={"pid": child})) is False
