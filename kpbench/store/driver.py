"""Who works on a study and how far: its `progress.json`, which the driver keeps, and whether the driver still lives."""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from kpbench.cell import Role, Scalar, Value
from kpbench.store.files import LOCK, PROGRESS

LOCKS = Path("/proc/locks")
"""Where Linux lists the locks that are held, so that one can be seen without being taken."""

End = Literal["interrupted", "failed"]


class UnderWay(Value):
    """A job that is being trained; `epoch` is the last one that ended, `score` its validation score.

    Attributes:
        first, last: when its first and its last epoch ended; a start of workers and compiling are before the first.
    """

    role: Role
    number: int
    params: dict[str, Scalar]
    seeds: tuple[int, ...]
    epoch: int = 0
    epochs: int
    score: float | None = None
    first: str | None = None
    last: str | None = None


class Driver(Value):
    """The process that works on a study, or that did last.

    Attributes:
        stage: the part of the command that it is in.
        ended: how it left the study early; None while it works, and for good once it is killed. One that did all that
            it was asked for leaves no record.
    """

    pid: int
    host: str
    since: str
    stage: str = ""
    running: tuple[UnderWay, ...] = ()
    ended: End | None = None


def this_driver(since: str) -> Driver:
    """The process that calls this."""
    return Driver(pid=os.getpid(), host=socket.gethostname(), since=since)


def read_driver(folder: Path) -> Driver | None:
    """The last driver of the study in `folder`; None where none has written, or another version has."""
    try:
        return Driver.model_validate_json((folder / PROGRESS).read_bytes())
    except (OSError, ValidationError):
        return None


def is_worked_on(folder: Path, driver: Driver | None) -> bool | None:
    """Whether a driver holds the study's lock now; None where that cannot be told. Nothing is locked or written.

    On Linux the lock itself is looked up. Elsewhere, or where the driver is another machine's, the record is all there
    is: a process of its number on this machine is taken for it.
    """
    if driver is not None and driver.host != socket.gethostname():
        return None if driver.ended is None else False
    if not (folder / LOCK).exists():
        return False
    working = driver is not None and driver.ended is None
    with suppress(OSError):
        inode = f":{(folder / LOCK).stat().st_ino}"
        held = [line.split() for line in LOCKS.read_text(encoding="ascii", errors="replace").splitlines()]
        # By process too: some file systems (overlay, btrfs) show a file and its lock under different numbers.
        pid = str(driver.pid) if driver is not None and working else None
        return any(one[-3].endswith(inode) or (pid in one and "FLOCK" in one) for one in held if len(one) >= 8)
    return _exists(driver.pid) if driver is not None and working else False


def _exists(pid: int) -> bool | None:
    if os.name != "posix":
        return None  # Windows has no signal that does nothing
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
