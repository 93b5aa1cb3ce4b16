"""Finds the study and the cell that a person names: `STUDY`, `STUDY:3a0bf8`, `STUDY:norm=batch,depth=4`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kpbench.analysis.comparison.arms import Arm, arm_of, counted, differing
from kpbench.analysis.comparison.study import StudyRows
from kpbench.cell import RunResult, Scalar, spoken
from kpbench.errors import UsageError, nearest
from kpbench.store.study import find_study, studies_named


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
    cell = _by_levels(study, cells, word) if "=" in word else _by_id(study, cells, word)
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


def _by_levels(study: StudyRows, cells: Mapping[str, Sequence[RunResult]], word: str) -> str:
    params = {cell: rows[0].params for cell, rows in cells.items()}
    left = list(params)
    for part in word.split(","):
        name, _, level = (piece.strip() for piece in part.partition("="))
        if not name or not level:
            raise UsageError(f"'{part}' is no NAME=LEVEL; write {study.name}:norm=batch,depth=4")
        full = _parameter(study, params, name)
        levels = {str(found[full]) for found in params.values() if full in found}
        matching = [cell for cell in params if full in params[cell] and _is(params[cell][full], level)]
        if not matching:
            raise UsageError(f"{full} of {study.name} is never '{level}' in a scored cell; {nearest(level, levels)}")
        left = [cell for cell in left if cell in matching]
    if len(left) == 1:
        return left[0]
    if not left:
        raise UsageError(f"no scored cell of {study.name} is {word}; cells: {', '.join(sorted(cells)[:12])}")
    apart = differing([params[cell] for cell in left])
    choices = "; ".join(f"{name}={'|'.join(sorted({str(v) for v in values}))}" for name, values in apart.items())
    raise UsageError(f"{word} picks {len(left)} cells of {study.name}; say also one of {choices}")


def _parameter(study: StudyRows, params: Mapping[str, Mapping[str, Scalar]], word: str) -> str:
    names = {name for found in params.values() for name in found}
    if word in names:
        return word
    found = sorted(name for name in names if name.rpartition(".")[2] == word)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"'{word}' is short for {' and '.join(found)}; write one of them whole")
    known = names | {name.rpartition(".")[2] for name in names}
    raise UsageError(f"the cells of {study.name} have no parameter '{word}'; {nearest(word, known)}")


def _is(value: Scalar, word: str) -> bool:
    if isinstance(value, bool):
        return str(value).lower() == word.lower()
    if isinstance(value, str):
        return word in (value, spoken(value))
    try:
        return float(word) == value
    except ValueError:
        return False
