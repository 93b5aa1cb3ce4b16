"""Finds the study and the cell that a person names: `STUDY`, `STUDY:3a0bf8`, `STUDY:norm=batch,depth=4`."""

from collections.abc import Mapping
from pathlib import Path

from kpbench.analysis.cells import by_levels
from kpbench.analysis.comparison.arms import Arm, arm_of, counted
from kpbench.analysis.comparison.study import StudyRows
from kpbench.errors import UsageError, nearest
from kpbench.store.finding import find_study, studies_named


def find_study_and_cell(word: str, out: Path) -> tuple[Path, str | None]:
    """The study folder and the cell's word of `STUDY` or `STUDY:CELL`; a study's name may have colons itself.

    Raises:
        UsageError: no such study, or nothing stands behind the colon.
    """
    ends = [len(word), *(at for at in range(len(word) - 1, -1, -1) if word[at] == ":")]
    end = next((end for end in ends if end and studies_named(word[:end], out)), ends[-1])
    folder, cell = find_study(word[:end], out), word[end + 1 :].strip()
    if end < len(word) and not cell:
        raise UsageError(f"'{word}' names no cell behind its colon; write STUDY:NAME=LEVEL or STUDY:CELL")
    return folder, cell or None


def named_arm(study: StudyRows, word: str) -> Arm:
    """The one cell that `word` picks: an id or its first digits, or `norm=batch,depth=4`.

    Raises:
        UsageError: it picks none or several; or as `counted` and `arm_of`.
    """
    cells = counted(study)
    params = {cell: rows[0].params for cell, rows in cells.items()}
    cell = by_levels(study.name, params, word) if "=" in word else _by_id(study, cells, word)
    return arm_of(study, cells[cell], "named")


def _by_id(study: StudyRows, cells: Mapping[str, object], word: str) -> str:
    found = [cell for cell in cells if cell.startswith(word.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"'{word}' is short for {' and '.join(sorted(found)[:4])} in {study.name}; give more digits")
    if any(row.cell.startswith(word.lower()) for row in study.rows):
        why = f"cell '{word}' of {study.name} has no official {study.split} score: no final run of it is done"
        raise UsageError(f"{why}; scored: {', '.join(sorted(cells))}")
    raise UsageError(f"{study.name} has no cell '{word}'; {nearest(word.lower(), cells)}; or name it NAME=LEVEL")
