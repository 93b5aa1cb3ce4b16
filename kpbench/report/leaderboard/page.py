"""The page of a leaderboard: one offline file without any script."""

from dataclasses import dataclass

from kpbench.analysis.leaderboard.entries import Entry
from kpbench.analysis.leaderboard.leaderboard import Leaderboard, Table
from kpbench.report.leaderboard import words
from kpbench.report.shell import TEMPLATES


@dataclass(frozen=True)
class Bar:
    """Where a line's score and the ends of its interval lie on the table's axis, 0 to 100."""

    low: float
    score: float
    high: float


def leaderboard_page(found: Leaderboard) -> str:
    """The page as text."""
    return TEMPLATES.get_template("leaderboard.html").render(
        tables=[(one, [(line, bar(line, most(one))) for line in one.lines], most(one)) for one in found.tables],
        left_out=list(words.left_out(found)),
        words=words,
    )


def most(table: Table) -> float:
    """The highest score of a table, or the highest end of an interval."""
    return max(one.ends[1] for one in table.lines)


def bar(line: Entry, most: float) -> Bar:
    """The places of a line on the axis from 0 to `most`."""
    low, high = line.ends
    return Bar(*(round(100 * value / most, 1) for value in (low, line.score, high)))
