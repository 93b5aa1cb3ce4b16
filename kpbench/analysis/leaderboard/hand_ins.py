"""Hand-ins: what `kpbench score MODEL --split test --json` prints, kept as a file."""

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError

from kpbench.analysis.leaderboard.entries import Entry, Facts, Found, Task, elsewhere, known_floor
from kpbench.cell import Value
from kpbench.errors import UsageError
from kpbench.space.design import Split
from kpbench.task.benchmark import first_problem
from kpbench.task.score import score_from_mse

CLOSE = 1e-6
"""A score and what its MSE gives agree within this share."""

LONGEST = 80
"""Characters that are kept of a name; of a note four times as many."""


class _Loose(Value):
    """A value of the file; fields that a later version adds are passed over."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class HandInRules(_Loose):
    """The rules by which the model was judged."""

    max_parameters: int
    max_model_megabytes: float


class HandIn(_Loose):
    """The fields of a hand-in that a leaderboard reads.

    Attributes:
        data: name of the faces; `data_digest` of their three splits.
        benchmark: digest of the benchmark's definition.
        parameters, megabytes: None where the model was not seen, as of a file of predictions.
        floor: score by method, on the same faces.
        measures: MSE by what was measured, as in rows: `shift 4`, `val of DATA`.
    """

    kind: Literal["kpbench score"]
    model: str
    faces: int = Field(gt=0)
    score: float = Field(gt=0)
    mse: float = Field(gt=0)
    parameters: int | None = Field(default=None, ge=0)
    megabytes: float | None = Field(default=None, ge=0)
    pass_mark: float
    data: str
    data_digest: str
    split: Split
    benchmark: str
    rules: HandInRules
    scorer_version: int
    floor: dict[str, float] | None = None
    measures: dict[str, float] | None = None
    notes: tuple[str, ...] = ()


def read_hand_in(path: Path) -> tuple[str, HandIn] | None:
    """The digest of a hand-in's content, 64 hex digits, and the hand-in; None for a file of another kind.

    Raises:
        UsageError: it is a hand-in and damaged, or says a score that its MSE does not give.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    if b'"kpbench score"' not in content:
        return None
    try:
        found = HandIn.model_validate_json(content)
        text = json.dumps(json.loads(content), sort_keys=True)
    except ValidationError as error:
        if error.errors()[0]["loc"] == ("kind",):
            return None
        why = first_problem(error).removeprefix(": ")  # no key is wrong where it is no JSON
        raise UsageError(f"{path} is a damaged hand-in: {why}; score the model again") from error
    score = score_from_mse(found.mse)
    if not math.isclose(found.score, score, rel_tol=CLOSE):
        raise UsageError(f"{path} is a damaged hand-in: it says score {found.score:g}, its MSE gives {score:g}")
    return hashlib.sha256(text.encode()).hexdigest(), found


def hand_in_entry(digest: str, found: HandIn, files: Sequence[str], *, anonymous: bool) -> Found:
    """The entry of a hand-in that lies in `files`; one that breaks its rules, or of unknown size, is not ranked."""
    limits = (found.rules.max_parameters, found.rules.max_model_megabytes)
    size = (found.parameters, found.megabytes)
    marks = []
    if None in size:
        marks.append("not ranked: its size is not known")
    elif any(value > limit for value, limit in zip(size, limits, strict=True) if value is not None):
        marks.append("not ranked: it breaks the rules")
    ranks = not marks
    if len(files) > 1:
        marks.append(f"{len(files)} identical files" + ("" if anonymous else f": {', '.join(files)}"))
    entry = Entry(
        f"hand-in {digest[:6]}" if anonymous else shown(found.model),
        "hand-in",
        found.score,
        parameters=found.parameters,
        megabytes=found.megabytes,
        elsewhere=tuple(
            elsewhere([({shown(k): mse for k, mse in (found.measures or {}).items()}, found.mse)], found.split)
        ),
        file="" if anonymous else files[0],
        marks=tuple(marks),
        notes=() if anonymous else tuple(shown(note, most=4 * LONGEST) for note in found.notes),
        ranks=ranks,
        models=(found.mse,),
    )
    task = Task(found.data_digest, found.split, found.benchmark, *limits, found.scorer_version)
    return task, Facts(shown(found.data), None, found.faces, found.pass_mark, known_floor(found.floor or {})), entry


def shown(text: str, *, most: int = LONGEST) -> str:
    """A foreign text on one line, without what could steer a terminal, its middle left out where it is long."""
    clean = "".join(sign if sign.isprintable() else " " for sign in text).strip()
    return clean if len(clean) <= most else f"{clean[: most // 2]}…{clean[1 - most // 2 :]}"
