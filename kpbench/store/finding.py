"""Studies found by path or by name."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from kpbench.errors import UsageError, nearest
from kpbench.store.files import ASKED, PLAN, ROWS
from kpbench.store.plan import Plan, read_plan


def find_study(name: str, out: Path) -> Path:
    """The folder of the one study that `studies_named` finds.

    Raises:
        UsageError: there is none, or several: a verification holds two.
    """
    found = find_studies(name, out)
    if len(found) > 1:
        raise UsageError(f"'{name}' is {len(found)} studies; name one: {', '.join(map(str, found))}")
    return found[0]


def find_studies(name: str, out: Path) -> list[Path]:
    """The folders that `studies_named` finds.

    Raises:
        UsageError: there is none.
    """
    if found := studies_named(name, out):
        return found
    for folder in (Path(name), out / name):
        if (folder / ROWS).is_file():
            raise UsageError(f"{folder} has lost its {PLAN}, which says what its rows are of; put it back from a copy")
    raise unknown_study(name, out, f"no study '{name}' here or in {out}")


def unknown_study(name: str, out: Path, fault: str) -> UsageError:
    """The `fault` with the studies that there are: in the folder that `name` says if it holds some, else in `out`."""
    place, there = out, ""
    if Path(name).parent != Path() and every_study(Path(name).parent):
        place, name = Path(name).parent, Path(name).name
        there = f" (in {place})"
    names = [folder.relative_to(place).as_posix() for folder in every_study(place)]
    last = {one.rpartition("/")[2]: one for one in names}
    close = difflib.get_close_matches(name, last, n=1)  # a nested study goes by the last part of its name too
    return UsageError(f"{fault}; {nearest(last[close[0]] if close else name, names)}{there}")


def studies_named(name: str, out: Path) -> list[Path]:
    """A study given by path or by its name in `out`, those of a verification, or by the last part of their names."""
    for folder in (Path(name), out / name):
        if (folder / PLAN).is_file():
            return [folder]
        if (folder / ASKED).is_file():
            return studies(folder)
    return [folder for folder in every_study(out) if folder.name == name]


def studies(out: Path) -> list[Path]:
    """The study folders in `out`, by name."""
    return sorted(plan.parent for plan in out.glob(f"*/{PLAN}"))


def every_study(out: Path) -> list[Path]:
    """The study folders in `out` and those inside verifications there, by name."""
    return sorted([*studies(out), *(plan.parent for plan in out.glob(f"*/*/{PLAN}"))])


def readable(folders: Iterable[Path]) -> Iterator[tuple[Path, Plan]]:
    """The studies whose plan this version can read: another's damage stops nobody who only looks beside his own."""
    for folder in folders:
        with suppress(UsageError):
            yield folder, read_plan(folder)
