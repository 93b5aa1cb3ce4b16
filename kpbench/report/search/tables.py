"""The tables of a study's page as texts."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kpbench.cell import RunResult
from kpbench.plots.drawing import Marks
from kpbench.plots.factors import Factor, short_names, show_level, varying
from kpbench.plots.scores import counts, show_score
from kpbench.plots.search.leaderboard import ladder
from kpbench.plots.search.standings import Standing, standings
from kpbench.report.verdict import plural

REASONS = {
    "nan": "the loss or the score was not a number",
    "oom": "memory ran out",
    "crash": "the process died",
    "error": "the code raised an error",
}
"""Why a run failed, in words."""


@dataclass(frozen=True)
class LeaderLine:
    """One line of the leaderboard's table; `kind` is `cell`, `floor` or `pass`.

    Attributes:
        what: name of a floor or of the pass mark; empty for a cell.
        levels: a cell's level of each factor, in the order of `parameter_names`.
        seeds, finals: how many tuning and fresh seeds stand behind the scores.
    """

    kind: str
    place: str
    what: str
    levels: tuple[str, ...]
    cell: str
    tuning: str
    seeds: str
    fresh: str
    test: str
    finals: str
    parameters: str
    state: str
    chosen: bool = False


def leader_lines(rows: Sequence[RunResult], marks: Marks) -> tuple[LeaderLine, ...]:
    """The leaderboard with its floors and the pass mark, in order of validation score."""
    factors = varying([row for row in rows if row.role == "trial"])
    lines = []
    passed = False
    for rung in ladder(rows, marks):
        if not passed and not rung.tuning >= marks.pass_mark:
            lines.append(_pass_line(marks.pass_mark))
            passed = True
        if rung.standing is None:
            lines.append(
                LeaderLine(
                    "floor", "", rung.label, (), "", show_score(rung.tuning), "", "", show_score(rung.test), "", "", ""
                )
            )
        else:
            lines.append(_cell_line(rung.place or 0, rung.standing, factors, marks))
    if not passed:
        lines.append(_pass_line(marks.pass_mark))
    return tuple(lines)


def _pass_line(pass_mark: float) -> LeaderLine:
    mark = show_score(pass_mark)
    return LeaderLine("pass", "", "pass mark", (), "", mark, "", "", mark, "", "", "")


def _cell_line(place: int, cell: Standing, factors: Sequence[Factor], marks: Marks) -> LeaderLine:
    lost = [(cell.pruned, "stopped early"), (cell.failed, "failed")]
    state = ", ".join(f"{count} {word}" for count, word in lost if count)
    finals = str(len(cell.test)) if cell.test or cell.finals_failed else ""
    if cell.finals_failed:
        finals += f" of {len(cell.test) + cell.finals_failed}"
    return LeaderLine(
        kind="cell",
        place=str(place),
        what="",
        levels=tuple(show_level(cell.params[factor.name]) if factor.name in cell.params else "–" for factor in factors),
        cell=cell.cell,
        tuning=show_score(cell.tuning_score),
        seeds=str(len(cell.tuning)),
        fresh=show_score(cell.fresh_score) if cell.fresh else "",
        test=show_score(cell.test_score) if cell.test else "",
        finals=finals,
        parameters="" if cell.parameters is None else f"{cell.parameters:,}",
        state=f"complete, {state}" if state and cell.complete else state or "complete",
        chosen=cell.cell == marks.chosen,
    )


def unlisted(rows: Sequence[RunResult], lines: Sequence[LeaderLine]) -> str:
    """A sentence on the cells the leaderboard does not list; empty when it lists all."""
    listed = {line.cell for line in lines if line.kind == "cell"}
    others = [cell for cell in standings(rows) if cell.cell not in listed]
    if not others:
        return ""
    scores = [cell.tuning_score for cell in others if not math.isnan(cell.tuning_score)]
    parts = []
    if scores:
        ends = f"{show_score(min(scores))} to {show_score(max(scores))}" if len(scores) > 1 else show_score(scores[0])
        parts.append(f"{plural(len(scores), 'further cell')} with validation scores {ends}")
    if len(others) > len(scores):
        parts.append(f"{plural(len(others) - len(scores), 'cell')} without a complete run")
    return f"Not listed: {' and '.join(parts)}."


@dataclass(frozen=True)
class FailureLine:
    """Runs that failed for one reason: how many, why, and what one of them said."""

    reason: str
    words: str
    count: str
    detail: str
    cells: str


def failure_lines(rows: Sequence[RunResult]) -> tuple[FailureLine, ...]:
    """Failed runs by reason, most frequent first; complete runs without a usable score are a reason of their own."""
    failed: dict[str, list[RunResult]] = {}
    for row in rows:
        if row.state == "failed":
            failed.setdefault(row.reason or "unknown", []).append(row)
        elif row.state == "complete" and not counts(row.val_score):
            failed.setdefault("no score", []).append(row)
    words = {
        **REASONS,
        "unknown": "no reason was recorded",
        "no score": "the run ended, but its score is not a positive number",
    }
    lines = []
    for reason, found in sorted(failed.items(), key=lambda item: (-len(item[1]), item[0])):
        details = Counter(row.detail for row in found if row.detail).most_common(1)
        detail = f"{details[0][0]} ({details[0][1]:,} times)" if details and details[0][1] > 1 else ""
        lines.append(
            FailureLine(
                reason=reason,
                words=words[reason],
                count=f"{len(found):,}",
                detail=detail or (str(details[0][0]) if details else ""),
                cells=f"{len({row.cell for row in found}):,}",
            )
        )
    return tuple(lines)


def pruned_sentence(rows: Sequence[RunResult]) -> str:
    """How many trials were stopped early and when; empty for none."""
    failed = {row.trial for row in rows if row.state == "failed"}
    epochs = sorted(
        {row.trial: row.epochs for row in rows if row.state == "pruned" and row.trial not in failed}.values()
    )
    if not epochs:
        return ""
    when = (
        f"after {plural(epochs[0], 'epoch')}"
        if epochs[0] == epochs[-1]
        else f"after {epochs[0]} to {epochs[-1]} epochs"
    )
    middle = "" if epochs[0] == epochs[-1] else f" (median {epochs[len(epochs) // 2]})"
    were = "trial was" if len(epochs) == 1 else "trials were"
    return (
        f"{len(epochs):,} {were} stopped early {when}{middle}; their last scores are in no mean and on no leaderboard."
    )


def fixed_parameters(rows: Sequence[RunResult]) -> tuple[tuple[str, str], ...]:
    """The parameters that every row has with the same value, by name."""
    if not rows:
        return ()
    moving = {factor.name for factor in varying(rows)}
    return tuple((name, show_level(value)) for name, value in sorted(rows[0].params.items()) if name not in moving)


def parameter_names(rows: Sequence[RunResult]) -> dict[str, str]:
    """For each factor the printed name and the full name it stands for."""
    names = short_names(varying([row for row in rows if row.role == "trial"]))
    return {short: full for full, short in names.items()}


def columns(found: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """The keys of all mappings in order of first appearance: the columns of a table with one mapping a line."""
    return tuple(dict.fromkeys(key for line in found for key in line))


def show(value: object) -> str:
    """Any value of a plan or a session as one line of text: mappings as `key value, ...`, lists with commas."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {show(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(show(item) for item in value) or "none"
    return str(value)


def heading(key: str) -> str:
    """A key as a heading: `n_trials` -> `n trials`."""
    return key.replace("_", " ")
