"""Processes of this machine in which models are scored while the workers train."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import ParamSpec, TypeVar

from kpbench.engine.resources import Resources, own_cpus
from kpbench.errors import UsageError
from kpbench.networks.own import OwnFile, admit

MOST = 8
"""Processes at most; each holds torch, some 400 MB."""

P = ParamSpec("P")
T = TypeVar("T")


def spare(asked: Resources | None, cards: bool) -> int:
    """Processes that may score beside the workers: as many as CPUs are left, or one in eight that share theirs.

    On a machine of few CPUs that are all the workers' there is none: the process that hands out jobs scores itself.

    Args:
        asked: what the workers were given; None where this process trains.
        cards: the workers train on cards, and leave half of the CPUs where their number is not said.
    """
    if asked is None:
        return 0
    cpus = own_cpus()
    workers = cpus // 2 if cards and asked.workers is None else asked.here
    taken = cpus if asked.address is not None else workers * asked.cpus
    return max(0, min(MOST, max(cpus - taken, cpus // 8)))


class Here(Executor):
    """Carries out in this process, at once, what it is given."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A future that is done; what `fn` raises is raised here."""
        done: Future[T] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


@contextmanager
def beside(count: int, own: Sequence[OwnFile]) -> Iterator[Executor]:
    """So many processes, which begin as they are needed; with 0 this one does the work.

    They know a person's own files, leave Ctrl-C to this process and end with it, killed or not.

    Raises:
        UsageError: one of them was killed.
    """
    if count == 0:
        yield Here()
        return
    pool = ProcessPoolExecutor(count, get_context("spawn"), _begin, (tuple(own),))
    try:
        yield pool
    except BrokenProcessPool as error:
        raise UsageError(
            "a process that scores models was killed; what was finished is kept, the same command continues"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(own: tuple[OwnFile, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    admit(own)


def _end_with_parent() -> None:
    """A pool's processes would wait for work for ever where their parent was killed."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
