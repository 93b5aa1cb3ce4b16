"""Files written whole or not at all."""

import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> Path:
    """Puts `content` at `path` in one step: a reader sees the old file or the new one, never half of one.

    Raises:
        OSError: the folder is missing, full or cannot be written; nothing is left behind.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
