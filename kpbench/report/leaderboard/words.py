"""A leaderboard in words: headings, notes, lines of at most 60 columns, and CSV."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from textwrap import wrap

from kpbench.analysis.leaderboard.entries import OTHER, Elsewhere, Entry
from kpbench.analysis.leaderboard.leaderboard import Leaderboard, Table
from kpbench.cell import spoken
from kpbench.plots.factors import clipped, show_level
from kpbench.statistics.words import MINUS, MOST_PERCENT, plural, short_count, short_names

COLUMNS = 60

NONE = "–"

LONG_CELL = 100
"""A cell in more characters than that is folded up on the page."""

MOST_OTHERS = 3
"""Other data sets shown beside an entry; JSON and CSV have all."""

NUMBERS = "{:>12} {:<14}{:>5}{:>7}{:>5}{:>8}{:>8}"
"""The columns of a line in a terminal."""


def heading(table: Table) -> str:
    """What faces a table is about: `facial_keypoints, sealed test of 296 faces`."""
    split = "sealed test" if table.task.split == "test" else "validation split"
    faces = "" if table.facts.faces is None else f" of {plural(table.facts.faces, 'face')}"
    return f"{table.facts.data_name}, {split}{faces}"


def terms(table: Table) -> str:
    """What every entry of a table shares, in a sentence."""
    task = table.task
    rules = "the course's rules" if task.of_the_course else "rules of its own, not the course's"
    drawn = "train and val drawn anew for each seed, " if task.resplit else ""
    return (
        f"Under {rules} (at most {task.max_parameters:,} parameters and {task.max_megabytes:g} MB), "
        f"{drawn}data {task.data}, benchmark {task.benchmark}, scorer version {task.scorer}."
    )


def notes(table: Table) -> Iterator[str]:
    """What a reader has to know of a table's marks and columns."""
    entries = [line for line in table.lines if line.rank]
    if any(line.overlaps_first for line in entries):
        yield (
            "~ The interval overlaps that of the first: the two are not separable here. Overlap is no test; for two "
            "studies kpbench compare A B is one."
        )
    if any(line.low is not None for line in entries):
        yield "Scores are geometric means over seeds, with a 95 % interval; a study's cell was chosen on validation."
    if any(line.kind == "hand-in" for line in table.lines):
        yield "A hand-in is one model, without an interval; its file is taken at its word."
    said = Counter(note for line in table.lines for note in dict.fromkeys(line.notes))
    for note, count in said.items():
        yield f"{plural(count, 'hand-in')}: {note}."
    measured = [one for line in table.lines for one in line.elsewhere]
    if measured:
        on_val = any(one.on != table.task.split for one in measured)
        yield (
            f"Shifted: faces moved by 4 px; other: {_faces_of(table)}. The percentage is the MSE there against the MSE "
            f"on clean faces{', of validation where a study was judged on it' * on_val}."
        )


def _other_data(table: Table) -> list[str]:
    return sorted({one.name.removeprefix(OTHER) for line in table.lines for one in line.others})


def _faces_of(table: Table) -> str:
    names = _other_data(table)
    return f"validation faces of {names[0]}" if len(names) == 1 else "validation faces of other data sets"


def left_out(found: Leaderboard) -> Iterator[str]:
    """What lies in the folders and stands in no table."""
    for what, names in (("No sealed-test score", found.unscored), ("Verifications, not ranked", found.verifications)):
        if names:
            yield f"{what}: {', '.join(names)}."


def show(score: float | None) -> str:
    """A score with one decimal, from 1,000 on with none: near scores that have different ranks differ in print."""
    return NONE if score is None else f"{score:,.0f}" if score >= 1000 else f"{score:.1f}"


def interval_text(line: Entry) -> str:
    """The ends of an entry's interval, `653.1 to 707.4`."""
    return "" if line.low is None or line.high is None else f"{show(line.low)} to {show(line.high)}"


def change_text(one: Elsewhere | None) -> str:
    """The change of MSE against clean faces: `+153 %`; a dash where it is not measured."""
    if one is None:
        return NONE
    size = abs(one.change)
    if size > MOST_PERCENT:
        return f"> +{MOST_PERCENT:,} %"
    text = f"{size:.1f}" if size < 10 else f"{size:.0f}"
    return f"{MINUS if one.change < 0 else '+'}{text} %"


def cell_words(line: Entry) -> str:
    """What varies of an entry's cell: `norm batch, dropout none`."""
    names = short_names(line.varies)
    texts = {
        name: spoken(value) if isinstance(value, str) else show_level(value) for name, value in line.varies.items()
    }
    return ", ".join(f"{names[name]} {text}" for name, text in texts.items())


def megabytes(line: Entry) -> str:
    """The size of an entry's model file, one decimal."""
    return NONE if line.megabytes is None else f"{line.megabytes:.1f}"


def text(found: Leaderboard, *, columns: int = COLUMNS) -> Iterator[str]:
    """The leaderboard in lines of at most `columns`, `COLUMNS` or more: two an entry, its name and its numbers."""
    for table in found.tables:
        yield clipped(heading(table), length=columns)
        yield from _wrapped(terms(table), columns)
        yield ""
        yield "  #  name"
        yield NUMBERS.format("score", "95 % interval", "seeds", "params", "MB", "shifted", "other")
        one_other = len(_other_data(table)) < 2
        for line in table.lines:
            yield from _lines(line, columns, one_other=one_other)
        yield ""
        for note in notes(table):
            yield from _wrapped(note, columns)
        yield ""
    for note in left_out(found):
        yield from _wrapped(note, columns)


def _lines(line: Entry, columns: int, *, one_other: bool) -> Iterator[str]:
    if line.kind in ("floor", "pass mark"):
        yield f"{show(line.score):>12} {line.name}"
        return
    what = cell_words(line) or (line.file and f"hand-in {line.file}")
    yield clipped(f"{line.rank or NONE:>3}{'~' if line.overlaps_first else ' '} {line.name}", length=columns)
    if what:
        yield from wrap(what, columns, initial_indent=" " * 5, subsequent_indent=" " * 5, max_lines=2, placeholder=" …")
    yield NUMBERS.format(
        show(line.score),
        interval_text(line) or NONE,
        NONE if line.seeds is None else line.seeds,
        NONE if line.parameters is None else short_count(line.parameters),
        megabytes(line),
        change_text(line.shifted),
        change_text(line.others[0] if line.others else None) if one_other or not line.others else "below",
    ).rstrip()
    for one in () if one_other else line.others[:MOST_OTHERS]:
        yield clipped(f"     {one.name}: {show(one.score)}, {change_text(one)}", length=columns)
    for mark in line.marks:
        yield from _wrapped(mark, columns, indent=5)


def _wrapped(sentence: str, columns: int, *, indent: int = 0) -> list[str]:
    return wrap(sentence, columns, initial_indent=" " * indent, subsequent_indent=" " * indent, break_on_hyphens=False)


def csv_text(found: Leaderboard) -> str:
    """The lines of all tables as CSV; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    lines = [_record(table, line) for table in found.tables for line in table.lines]
    file = io.StringIO()
    writer = csv.DictWriter(file, dict.fromkeys(name for line in lines for name in line), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain_cell(value) for name, value in line.items()} for line in lines)
    return file.getvalue()


def _record(table: Table, line: Entry) -> dict[str, object]:
    task, fields = table.task, "rank name kind score low high overlaps_first seeds parameters megabytes cell file"
    return {
        "data": table.facts.data_name,
        "data_digest": task.data,
        "split": task.split,
        "benchmark": task.benchmark,
        "max_parameters": task.max_parameters,
        "max_megabytes": task.max_megabytes,
        "scorer": task.scorer,
        "resplit": task.resplit,
        **{name: getattr(line, name) for name in fields.split()},
        "varies": cell_words(line),
        "marks": "; ".join(line.marks),
        "notes": "; ".join(line.notes),
        **{
            f"{one.name} {what}": value
            for one in line.elsewhere
            for what, value in (("score", one.score), ("change of MSE in %", one.change), ("against", one.on))
        },
    }


def _plain_cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
