"""Opens a search space together with what it names beside built-in families: a person's own files, packages."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpbench.engine.evaluate import known_parameters
from kpbench.errors import UsageError
from kpbench.networks.families import offered
from kpbench.networks.own import WRITTEN, OwnFile, read_own
from kpbench.space.catalog import find
from kpbench.space.reading import read_table, space_of
from kpbench.space.space import Defaults, SearchSpace


@dataclass(frozen=True)
class Opened:
    """A search space, what its families know, and the code that it brings.

    Attributes:
        own: files of a person's own; this process may run them from now on.
        packages: installed ones that offer a family of the space.
    """

    space: SearchSpace
    defaults: Defaults
    own: tuple[OwnFile, ...]
    packages: tuple[str, ...]


def open_space(name: str) -> Opened:
    """The search space of a name or of a TOML file, or the space of one network, `FILE.py:NAME`.

    Paths of Python files in a space are relative to its folder; that of one network to the working directory.

    Raises:
        UsageError: as `catalog.find`, `read_space` and `read_own`; the file is named.
    """
    match = WRITTEN.fullmatch(name)
    if match is None:
        path = find("search_spaces", name)
        return _opened(*read_table(path), path, path.parent)
    file = Path(match[1]).expanduser()
    called = f"{file.name}:{match[2]}"  # without folders: the same study wherever the file lies
    text = f"family = {json.dumps(called)}\n"
    return _opened(tomllib.loads(text), text, Path(f"{file.stem.replace('.', '-')}-{match[2]}"), file.parent)


def _opened(table: dict[str, Any], text: str, path: Path, folder: Path) -> Opened:
    words = dict.fromkeys(word for key in table if key not in ("title", "description") for word in _texts(table[key]))
    names: dict[str, str] = {}
    files: dict[str, OwnFile] = {}
    for word in filter(WRITTEN.fullmatch, words):
        try:
            names[word], file = read_own(word, folder)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error
        if files.setdefault(file.name, file) != file:
            raise UsageError(f"{path}: two different files are called {file.name}; rename one of them")
    table = _renamed(table, names)
    points = offered()
    families = [family for family in dict.fromkeys(_texts(table.get("family"))) if family in {*names.values(), *points}]
    packages = {points[family].dist for family in families if family in points}
    defaults = known_parameters(*families)
    space = space_of(table, text, path, defaults)
    return Opened(space, defaults, tuple(files.values()), tuple(sorted(one.name for one in packages if one)))


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value of a TOML table."""
    if isinstance(value, str):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(one)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The value with these texts in it replaced."""
    if isinstance(value, dict):
        return {key: _renamed(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value
