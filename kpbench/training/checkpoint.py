"""The state of a run after an epoch, so that a run longer than ten minutes goes on where it was cut."""

import io
import time
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from kpbench.cell import EpochRecord
from kpbench.whole_file import write_whole

EVERY = 600
"""Seconds of a run between two checkpoints."""


class Checkpoint:
    """One run's file: what it holds is everything that `fit` does not derive from seed and epoch.

    Only tensors and plain values are read back (`weights_only`), never code. A file of another run, or a torn one, is
    as good as none.

    Args:
        path: the file; None, or a folder that this machine does not see, keeps nothing.
        identity: tells the run, and what its numbers depend on, from others.
        parts: what has a `state_dict`.
    """

    def __init__(self, path: Path | None, identity: str, parts: Mapping[str, Any]) -> None:
        self._path = path if path is not None and path.parent.is_dir() else None
        self._identity = identity
        self._parts = parts
        self._saved = time.monotonic()

    def load(self) -> list[EpochRecord]:
        """Puts the parts back to where they were; the records of the epochs behind them, none without a file."""
        if self._path is None or not self._path.is_file():
            return []
        before = deepcopy(self._states())
        try:
            held = torch.load(self._path, weights_only=True)
            if held["identity"] != self._identity:
                return []
            self._put(held)
            return [EpochRecord(**record) for record in held["records"]]
        except Exception:  # whatever torch raises on a damaged file: the run begins again
            self._put(before)
            return []

    def after(self, records: list[EpochRecord]) -> None:
        """Writes the state after an epoch, if the last writing is `EVERY` seconds ago; whole or not at all."""
        if self._path is None or time.monotonic() - self._saved < EVERY:
            return
        about = {"identity": self._identity, "records": [asdict(record) for record in records]}
        buffer = io.BytesIO()
        torch.save(about | self._states(), buffer)
        with suppress(OSError):  # a full disk costs the checkpoint, not the run
            write_whole(self._path, buffer.getvalue())
        self._saved = time.monotonic()

    def _states(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts.items()}

    def _put(self, states: Mapping[str, Any]) -> None:
        for name, part in self._parts.items():
            part.load_state_dict(states[name])

    def remove(self) -> None:
        """Removes the file of a run that has ended."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
