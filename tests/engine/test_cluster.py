"""One Ray a command: nothing is started that is not needed, and a start that fails leaves nothing behind."""

import gc
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path

import pytest

from kpbench.engine import cluster as module
from kpbench.engine.cluster import cluster
from kpbench.engine.resources import Resources
from kpbench.errors import UsageError


def left():
    """Threads and folders of clusters."""
    return [t for t in threading.enumerate() if t.name == "ray"], sorted(Path(tempfile.gettempdir()).glob("kpb-*"))


def test_without_workers_and_without_a_queue_no_ray_is_started(monkeypatch):
    monkeypatch.setattr(module.ray, "init", lambda **_: pytest.fail("Ray was started"))
    before = left()
    with cluster(Resources(0)) as none:
        assert none is None
    with cluster(Resources(2)) as two:
        assert two.workers() == 2
    assert left() == before


@pytest.mark.parametrize("early", [True, False])
def test_a_start_that_fails_is_raised_where_ray_is_used(monkeypatch, early):
    def init(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.ray, "init", init)
    before = left()
    with pytest.raises(UsageError, match=r"No space left on device; --workers 0"), cluster(Resources(1)) as one:
        if early:
            one.start()
        one.put("faces")
    assert left() == before


def test_auto_is_handed_on_as_it_stands(monkeypatch):
    """Ray takes the token of its machine for `auto` alone: an address would need RAY_AUTH_MODE in the environment."""
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as head:
        found = f"127.0.0.1:{head.getsockname()[1]}"
        monkeypatch.setattr(module.ray._private.services, "canonicalize_bootstrap_address_or_die", lambda _: found)
        monkeypatch.setattr(module.ray, "init", lambda *, address, **_: seen.append(address))
        for word in ("auto", found):
            with cluster(Resources(address=word)) as one:
                one.scratch()
    assert seen == ["auto", found]


def test_an_error_while_ray_starts_waits_for_it_and_ends_it(monkeypatch):
    begun, asked, ended = threading.Event(), threading.Event(), []

    def init(**_):
        begun.set()
        assert asked.wait(10)

    monkeypatch.setattr(module.ray, "init", init)
    monkeypatch.setattr(module.ray, "shutdown", lambda: ended.append(threading.current_thread().name))
    before = left()
    with pytest.raises(KeyboardInterrupt), cluster(Resources(1)) as one:
        one.start()
        assert begun.wait(10)
        one.leave()
        asked.set()
        raise KeyboardInterrupt
    assert ended == ["ray"]  # by the thread that started it
    assert left() == before


def test_while_ray_shuts_down_no_reference_to_it_is_left_to_the_garbage_collector(monkeypatch):
    """Ray ends the process with status 1 when a reference dies between its own end and that of its Python side."""

    class Cycle:
        """Garbage that only the collector finds."""

        def __init__(self):
            self.me = self

    seen = []
    monkeypatch.setattr(module.ray, "init", lambda **_: None)
    monkeypatch.setattr(module.ray, "shutdown", lambda: seen.append((gc.isenabled(), reference())))
    with cluster(Resources(1)) as one:
        one.scratch()
        reference = weakref.ref(Cycle())
        one.leave()
    assert seen == [(False, None)]
    assert gc.isenabled()


BESIDE = """
import threading

import numpy as np
from threadpoolctl import threadpool_info

from kpbench.engine.cluster import cluster
from kpbench.engine.resources import Resources


def blas():
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


square, before, products = np.ones((600, 600)), blas(), 0
with cluster(Resources(1)) as one:
    one.start()
    started = threading.Thread(target=one.scratch)
    started.start()
    while started.is_alive():
        assert (square @ square)[0, 0] == 600
        products += 1
    assert blas() == before, "the limit ends when Ray has started"
print(products)
"""


def test_matrices_are_multiplied_while_ray_starts():
    # Ray's fork and OpenBLAS's threads waited for each other: without the limit both of two tries never ended.
    done = subprocess.run([sys.executable, "-c", BESIDE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10
