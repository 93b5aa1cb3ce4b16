"""Finds the cell that a person names among those of a study: `best`, `2`, `3a0bf8`, `norm=batch,depth=4`."""

from collections.abc import Mapping, Sequence

from kpbench.analysis.comparison.arms import differing
from kpbench.analysis.ranking import last_of_each, ranked
from kpbench.analysis.search import best_of
from kpbench.cell import Params, RunResult, Scalar, spoken
from kpbench.errors import UsageError, nearest
from kpbench.task.score import mean_score

BEST = "best"
MOST_RANK_DIGITS = 3
"""Longer numbers are first digits of an id."""


def ranking(rows: Sequence[RunResult]) -> list[str]:
    """Cells from the best: of a search its best by fresh seeds, then its trials by score; else by mean score on val."""
    if best := best_of(rows):
        return [best["cell_id"], *(cell for cell, _ in ranked(rows) if cell != best["cell_id"])]
    scores: dict[str, list[float]] = {}
    for row in last_of_each(rows):
        if row.role == "ablation" and row.state == "complete" and row.val_mse is not None:
            scores.setdefault(row.cell, []).append(row.val_mse)
    return sorted(scores, key=lambda cell: (-mean_score(scores[cell]), cell))


def find_cell(study: str, rows: Sequence[RunResult], word: str) -> str:
    """The identity of the one cell that `word` picks.

    Args:
        word: `best`, a rank (`2`), an id or its first digits, or `norm=batch,depth=4`.

    Raises:
        UsageError: it picks none or several; the nearest or the choices are named.
    """
    cells = {row.cell: row.params for row in rows}
    if not cells:
        raise UsageError(f"{study} has no run yet; continue it first")
    if word == BEST or (word.isdecimal() and len(word) <= MOST_RANK_DIGITS):
        order, place = ranking(rows), 1 if word == BEST else int(word)
        if 1 <= place <= len(order):
            return order[place - 1]
        if word == BEST:
            raise UsageError(f"{study} has no complete run yet, so none is best; {nearest(word, cells)}")
    if "=" in word:
        return by_levels(study, cells, word)
    found = [cell for cell in cells if cell.startswith(word.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"'{word}' is short for {' and '.join(sorted(found)[:4])} in {study}; give more digits")
    raise UsageError(f"{study} has no cell '{word}'; {nearest(word.lower(), [*cells, BEST])}; or name it NAME=LEVEL")


def by_levels(study: str, cells: Mapping[str, Params], word: str) -> str:
    """The one of `cells` that `norm=batch,depth=4` picks.

    Raises:
        UsageError: it picks none or several; the nearest or the choices are named.
    """
    left = list(cells)
    for part in word.split(","):
        name, _, level = (piece.strip() for piece in part.partition("="))
        if not name or not level:
            raise UsageError(f"'{part}' is no NAME=LEVEL; write norm=batch,depth=4")
        full = _parameter(study, cells, name)
        levels = {str(found[full]) for found in cells.values() if full in found}
        matching = [cell for cell in cells if full in cells[cell] and _is(cells[cell][full], level)]
        if not matching:
            raise UsageError(f"{full} of {study} is never '{level}' in a cell; {nearest(level, levels)}")
        left = [cell for cell in left if cell in matching]
    if len(left) == 1:
        return left[0]
    if not left:
        raise UsageError(f"no cell of {study} is {word}; cells: {', '.join(sorted(cells)[:12])}")
    apart = differing([cells[cell] for cell in left])
    choices = "; ".join(f"{name}={'|'.join(sorted({str(v) for v in values}))}" for name, values in apart.items())
    raise UsageError(f"{word} picks {len(left)} cells of {study}; say also one of {choices}")


def _parameter(study: str, cells: Mapping[str, Params], word: str) -> str:
    names = {name for found in cells.values() for name in found}
    if word in names:
        return word
    found = sorted(name for name in names if name.rpartition(".")[2] == word)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"'{word}' is short for {' and '.join(found)}; write one of them whole")
    known = names | {name.rpartition(".")[2] for name in names}
    raise UsageError(f"the cells of {study} have no parameter '{word}'; {nearest(word, known)}")


def _is(value: Scalar, word: str) -> bool:
    if isinstance(value, bool):
        return str(value).lower() == word.lower()
    if isinstance(value, str):
        return word in (value, spoken(value))
    try:
        return float(word) == value
    except ValueError:
        return False
