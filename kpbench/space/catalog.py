"""Finds a definition (a search space, a benchmark) by name or by path."""

from pathlib import Path

from kpbench.errors import UsageError, nearest

PACKAGE = Path(__file__).parents[1]
PACKAGED = PACKAGE / "definitions"
"""Where a wheel carries the definitions; an editable install reads the checkout's top-level folders instead."""

KINDS = {"search_spaces": "search space", "benchmarks": "benchmark"}


def names(kind: str) -> dict[str, Path]:
    """Every definition of a kind by name; the working directory's own win over packaged ones."""
    packaged = PACKAGED if PACKAGED.is_dir() else PACKAGE.parent
    found: dict[str, Path] = {}
    for folder in (Path.cwd() / kind, packaged / kind):
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return found


def find(kind: str, name: str) -> Path:
    """The file of the definition called `name`, or the file itself if `name` is a path to a TOML file.

    Raises:
        UsageError: there is no such definition; the nearest name is shown.
    """
    if name.endswith(".toml"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise UsageError(f"no {KINDS[kind]} file at {path}")
        return path
    found = names(kind)
    if name not in found:
        raise UsageError(f"unknown {KINDS[kind]} '{name}'; {nearest(name, found)}; or give the path of a .toml file")
    return found[name]
