"""Files written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Gives an error of the operating system that names no file, as that of a full disk, this one's name."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write_whole(path: Path, content: str | bytes, *, lasting: bool = True) -> Path:
    """Puts `content` at `path` in one step: a reader sees the old file or the new one, never half of one.

    Args:
        lasting: it is on the disk then, and a power cut does not lose it.

    Raises:
        OSError: the folder is missing, full or cannot be written; nothing is left behind.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with naming(path), partial.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
