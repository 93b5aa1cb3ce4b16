"""Every study and hand-in under folders in one table a task, from their files alone; nothing is written.

The leaderboard of one search's cells, by validation score, is a plot: `plots/search/leaderboard.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kpbench.analysis.leaderboard.agreed import PASS, agreed, marked, one_model
from kpbench.analysis.leaderboard.entries import Entry, Facts, Found, Task
from kpbench.analysis.leaderboard.hand_ins import HandIn, hand_in_entry, read_hand_in
from kpbench.analysis.leaderboard.studies import study_entries
from kpbench.analysis.plain import picked, plain
from kpbench.errors import UsageError
from kpbench.store.files import ASKED, PLAN, no_collection


@dataclass(frozen=True)
class Table:
    """What did one task, from the highest score: entries, the floor and the pass mark."""

    task: Task
    facts: Facts
    lines: tuple[Entry, ...]


@dataclass(frozen=True)
class Leaderboard:
    """All tables, the longest first.

    Attributes:
        unscored: studies without a score on the sealed test.
        verifications: studies of `kpbench verify`, which are left out.
        damaged: why a file was passed over, a line each.
    """

    tables: tuple[Table, ...]
    unscored: tuple[str, ...]
    verifications: tuple[str, ...]
    damaged: tuple[str, ...]


@no_collection()
def read_leaderboard(places: Sequence[Path], *, cells: int = 1, anonymous: bool = False) -> Leaderboard:
    """The leaderboard of what lies in `places`: folders with studies and hand-ins, or single hand-in files.

    Args:
        cells: the most cells of a study, the best by validation score.
        anonymous: hand-ins are named by six digits of their content's digest.

    Raises:
        UsageError: a place is not there, or a file that was named is no hand-in or damaged.
    """
    studies: dict[str, list[tuple[str, list[Found]]]] = {}
    hand_ins: dict[str, list[tuple[HandIn, str]]] = {}
    unscored, verifications, damaged = [], [], []
    for path, name in _files(places):
        try:
            if path.name != PLAN:
                if read := read_hand_in(path):
                    hand_ins.setdefault(read[0], []).append((read[1], name))
                elif path in places:
                    raise UsageError(f"{path} is no hand-in: no JSON that `kpbench score` wrote; name another file")
            elif (path.parent.parent / ASKED).is_file():
                verifications.append(name)
            else:
                digest, found = study_entries(path.parent, name, cells)
                if found:
                    studies.setdefault(digest, []).append((name, found))
                else:
                    unscored.append(name)
        except (UsageError, OSError) as error:
            if path in places:
                raise
            damaged.append(str(error))
    entries = [one for same in studies.values() for one in _once(same)]
    entries += [
        hand_in_entry(digest, same[0][0], [file for _, file in same], anonymous=anonymous)
        for digest, same in hand_ins.items()
    ]
    return Leaderboard(_tables(entries), tuple(unscored), tuple(verifications), tuple(damaged))


def as_json(found: Leaderboard) -> dict[str, Any]:
    """The leaderboard as `--json` prints it."""
    names = (
        "rank name kind score low high overlaps_first seeds parameters megabytes elsewhere cell varies file marks notes"
    )
    tables = [
        {"task": plain(one.task), **plain(one.facts), "lines": [picked(line, names) for line in one.lines]}
        for one in found.tables
    ]
    return {"kind": "kpbench leaderboard", "tables": tables, **picked(found, "unscored verifications")}


def _files(places: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Every plan and every other JSON file once, with its name in the place where it was found."""
    seen = set()
    for place in places:
        if not place.exists():
            raise UsageError(f"there is no {place}; name a folder with studies or hand-ins")
        for path in sorted(place.rglob("*.json")) if place.is_dir() else [place]:
            if path.is_file() and path.resolve() not in seen:
                seen.add(path.resolve())
                inside = (path.parent if path.name == PLAN else path).relative_to(place).as_posix()
                yield path, place.resolve().name if inside == "." else inside


def _once(same: Sequence[tuple[str, list[Found]]]) -> list[Found]:
    """The entries of studies with one plan: those of the first with the most runs, with the others' names."""
    name, found = max(same, key=lambda one: sum(len(entry.runs) for *_, entry in one[1]))
    others = [other for other, _ in same if other != name]
    return [(task, facts, marked(entry, "the same plan", others)) for task, facts, entry in found]


def _tables(entries: Sequence[Found]) -> tuple[Table, ...]:
    by_task: dict[Task, list[tuple[Facts, Entry]]] = {}
    for task, facts, entry in sorted(entries, key=lambda one: (one[2].kind == "hand-in", one[2].taken, one[2].name)):
        by_task.setdefault(task, []).append((facts, entry))
    tables = [_table(task, found) for task, found in by_task.items()]
    return tuple(sorted(tables, key=lambda one: (-len(one.lines), one.facts.data_name, one.task)))


def _table(task: Task, found: Sequence[tuple[Facts, Entry]]) -> Table:
    """The lines of one task; cells with the same runs are one, that of the study that trained them."""
    facts, said = agreed(task, found)
    once: dict[Any, list[Entry]] = {}
    for at, entry in enumerate(said):
        once.setdefault((entry.cell, entry.runs) if entry.runs else at, []).append(entry)
    entries = [marked(first, "the same runs", [one.name for one in rest]) for first, *rest in once.values()]
    marks = [Entry(name, "floor", score) for name, score in facts.floor.items()]
    if facts.pass_mark is not None:
        marks.append(Entry(PASS, PASS, facts.pass_mark))
    lines = sorted(_ranked(one_model(entries)), key=_place)
    return Table(task, facts, tuple(sorted([*lines, *marks], key=lambda one: -one.score)))


def _ranked(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Each entry with its rank, and whether its interval meets the first's."""
    ranking = sorted((one for one in entries if one.ranks), key=_place)
    for one in entries:
        if one.ranks:
            (low, high), (first_low, first_high) = one.ends, ranking[0].ends
            overlaps = None if one is ranking[0] else low <= first_high and first_low <= high
            one = replace(one, rank=1 + sum(other.score > one.score for other in ranking), overlaps_first=overlaps)
        yield one


def _place(entry: Entry) -> tuple[float, str, str, str]:
    return (-entry.score, entry.name, entry.cell, entry.file)
