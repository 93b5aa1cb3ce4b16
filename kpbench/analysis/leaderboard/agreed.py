"""What a table shows once where its entries may say different things: floor, pass mark, one model under many names."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kpbench.analysis.leaderboard.entries import FLOORS, Entry, Facts, Task
from kpbench.task.benchmark import read_benchmark

PASS = "pass mark"

ALIKE = 1e-3
"""The share within which two machines' scores of one method of the floor agree."""


def agreed(task: Task, found: Sequence[tuple[Facts, Entry]]) -> tuple[Facts, list[Entry]]:
    """The facts of a table, and its entries; a hand-in that says another floor or pass mark is marked.

    The pass mark is that of the benchmark where it is known. What no study says is what most hand-ins say, or none.
    """
    studies = [facts for facts, entry in found if entry.kind != "hand-in"]
    hand_ins = [facts for facts, entry in found if entry.kind == "hand-in"]
    shown = {name: _one_of(*(_said(facts, name) for facts in (studies, hand_ins))) for name in FLOORS}
    known = read_benchmark()
    shown[PASS] = (
        known.scorer.pass_mark
        if task.benchmark == known.digest
        else _one_of(*(_said(facts, PASS) for facts in (studies, hand_ins)))
    )
    floor = {name: value for name in FLOORS if (value := shown[name]) is not None}
    entries = [
        replace(entry, marks=(*entry.marks, *_others(facts, shown))) if entry.kind == "hand-in" else entry
        for facts, entry in found
    ]
    return replace(found[0][0], floor=floor, pass_mark=shown[PASS]), entries


def _said(facts: Sequence[Facts], name: str) -> list[float]:
    values = [one.pass_mark if name == PASS else one.floor.get(name) for one in facts]
    return [value for value in values if value is not None]


def _one_of(studies: Sequence[float], hand_ins: Sequence[float]) -> float | None:
    """What the first study says, or else more than half of the hand-ins that say something."""
    if studies:
        return studies[0]
    return next((one for one in hand_ins if 2 * sum(_alike(one, other) for other in hand_ins) > len(hand_ins)), None)


def _others(facts: Facts, shown: dict[str, float | None]) -> Iterator[str]:
    for name, value in shown.items():
        for said in _said([facts], name):
            if value is None:
                yield f"says {name} {said:.4g}; the hand-ins disagree, so none is shown"
            elif not _alike(said, value):
                yield f"says {name} {said:.4g}, not {value:.4g}"


def _alike(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=ALIKE)


def one_model(entries: Sequence[Entry]) -> list[Entry]:
    """The entries without hand-ins of a model that another entry has: its MSE is the same to the last bit.

    A study's cell that trained the model stands before hand-ins, a ranked hand-in before one that is not.
    """
    own = [one for one in entries if one.kind != "hand-in"]
    by_model: dict[float, Entry] = {}
    again: dict[int, list[str]] = {id(one): [] for one in own}
    for one in own:
        for mse in one.models:
            by_model.setdefault(mse, one)
    for one in sorted((one for one in entries if one.kind == "hand-in"), key=lambda one: not one.ranks):
        first = by_model.setdefault(one.models[0], one)
        if first is one:
            again[id(one)] = []
        else:
            again[id(first)].append(one.file or one.name)
    return [
        marked(one, "the same MSE" if one.kind == "hand-in" else "one of its models", sorted(again[id(one)]))
        for one in entries
        if id(one) in again
    ]


def marked(entry: Entry, what: str, others: Sequence[str]) -> Entry:
    """The entry with a mark that names where it is again, if anywhere."""
    return replace(entry, marks=(*entry.marks, f"{what} in {', '.join(others)}")) if others else entry
