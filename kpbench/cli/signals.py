"""What a signal does to a command that trains."""

import signal
from types import FrameType


def end_by_sigterm() -> None:
    """Lets a job that is stopped (SIGTERM) end as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> None:
    # Ray's handler comes first. It is absl's for failures, which sets an alarm that aborts the process 3 s later.
    if hasattr(signal, "alarm"):
        signal.alarm(0)
    signal.default_int_handler(number, frame)
