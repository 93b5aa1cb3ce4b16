"""The tables of a study's page as texts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kpbench.analysis.metrics import metric_means
from kpbench.analysis.search import pareto
from kpbench.cell import RunResult
from kpbench.plots.drawing import Marks
from kpbench.plots.factors import Factor, describe, show_level, trials_of, varying
from kpbench.plots.scores import geometric_mean, show_score
from kpbench.plots.search.leaderboard import leaderboard_lines
from kpbench.plots.search.standings import Standing, standings
from kpbench.report.metrics import metric_cells, metric_columns
from kpbench.report.search.study_input import ReportInput
from kpbench.report.tables import Cell, Kind, Table
from kpbench.statistics.words import ends_text, plural, short_count, short_names, show_number
from kpbench.store.values import Inference
from kpbench.task.objectives import OBJECTIVES

WIDE, SLOW = 0.5, 5.0
"""Of the median, where the middle half of the passes is wide; times the processor time of one thread, where the time of
several is long: more threads than a network can use cost something on an idle machine too, but not so much."""


@dataclass(frozen=True)
class LeaderLine:
    """One line of the leaderboard's table; `kind` is `cell`, `floor` or `pass`.

    Attributes:
        what: name of a floor or of the pass mark; empty for a cell.
        levels: a cell's level of each factor, in the order of `parameter_names`.
        seeds, finals: how many tuning and fresh seeds stand behind the scores.
        images: that its longest trial run showed the network.
    """

    kind: str
    tuning: str
    test: str
    place: str = ""
    what: str = ""
    levels: tuple[str, ...] = ()
    cell: str = ""
    seeds: str = ""
    fresh: str = ""
    finals: str = ""
    images: str = ""
    parameters: str = ""
    state: str = ""
    chosen: bool = False


def leader_lines(rows: Sequence[RunResult], marks: Marks) -> tuple[LeaderLine, ...]:
    """The leaderboard with its floors and the pass mark, in order of validation score."""
    factors = varying(trials_of(rows))
    found = leaderboard_lines(rows, marks)
    images: dict[str, int] = {}
    for row in trials_of(rows):
        images[row.cell] = max(images.get(row.cell, 0), row.images_seen(marks.train_faces))
    lines = [
        LeaderLine("floor", show_score(line.scores["tuning"]), show_score(line.scores["test"]), what=line.label)
        if line.standing is None
        else _cell_line(line.place or 0, line.standing, factors, marks, images.get(line.standing.cell, 0))
        for line in found
    ]
    mark = show_score(marks.pass_mark)
    below = (at for at, line in enumerate(found) if not line.scores["tuning"] >= marks.pass_mark)
    lines.insert(next(below, len(lines)), LeaderLine("pass", mark, mark, what="pass mark"))
    return tuple(lines)


def _cell_line(place: int, cell: Standing, factors: Sequence[Factor], marks: Marks, images: int) -> LeaderLine:
    lost = [(cell.pruned, "stopped early"), (cell.failed, "failed")]
    state = ", ".join(f"{count} {word}" for count, word in lost if count)
    finals = str(len(cell.test)) if cell.test or cell.finals_failed else ""
    if cell.finals_failed:
        finals += f" of {len(cell.test) + cell.finals_failed}"
    return LeaderLine(
        kind="cell",
        place=str(place),
        levels=tuple(show_level(cell.params[factor.name]) if factor.name in cell.params else "–" for factor in factors),
        cell=cell.cell,
        tuning=show_score(cell.tuning_score),
        seeds=str(len(cell.tuning)),
        fresh=show_score(geometric_mean(cell.fresh)) if cell.fresh else "",
        test=show_score(geometric_mean(cell.test)) if cell.test else "",
        finals=finals,
        images=short_count(images) if images else "–",
        parameters="" if cell.parameters is None else f"{cell.parameters:,}",
        state=f"complete, {state}" if state and cell.tuning else state or "complete",
        chosen=cell.cell == marks.chosen,
    )


def front_table(study: ReportInput) -> Table:
    """The Pareto set of a search with several objectives, highest score first."""
    found = pareto(study.rows, study.objectives) if len(study.objectives) > 1 else []
    factors = varying(trials_of(study.rows))
    titles = {name: OBJECTIVES[name].title.capitalize() for name in study.objectives}
    kinds: dict[str, Kind] = dict.fromkeys(titles.values(), "n")
    kinds |= {"Validation, fresh": "n", "Sealed test": "n", "What": "", "Cell": "mono"}
    return Table(
        "The Pareto set",
        kinds,
        [
            (
                *(Cell(OBJECTIVES[name].show(one[name]), _spread(study, name, one["cell_id"])) for name in titles),
                *(show_score(one[name]) for name in ("fresh", "test")),
                describe(one["cell"], factors),
                one["cell_id"],
            )
            for one in found
        ],
    )


def front_note(seeds: int) -> str:
    """What noise does to a Pareto set whose cells have at most so many seeds each."""
    if seeds <= 1:
        return (
            "Each score is of one seed: cells whose scores differ little cannot be told apart, and one may be in the "
            "set, or left out of it, by luck."
        )
    return "Scores are means over few seeds: a cell near the edge of the set may be in it, or left out of it, by luck."


def metrics_table(study: ReportInput) -> Table:
    """The metrics of every cell with final runs, in the leaderboard's order; empty where no row has any."""
    factors = varying(trials_of(study.rows))
    kinds: dict[str, Kind] = {"What": "", "Cell": "mono", "Fresh seeds": "n", **metric_columns()}
    found: list[tuple[str | Cell, ...]] = []
    finals: dict[str, list[RunResult]] = {}
    for row in study.rows:
        if row.role == "final":
            finals.setdefault(row.cell, []).append(row)
    for cell in (one for one in standings(study.rows) if one.cell in finals):
        if means := metric_means(finals[cell.cell]):
            runs = max(one.n for one in means.values())
            found.append((describe(cell.params, factors) or "the cell", cell.cell, str(runs), *metric_cells(means)))
    return Table("Metrics of the final runs", kinds, found)


def inference_table(study: ReportInput) -> Table:
    """How fast the finalists predict on the device of the study; empty where it was not measured."""
    factors = varying(trials_of(study.rows))
    names = {row.cell: describe(row.params, factors) or "the cell" for row in study.rows if row.role == "final"}
    kinds: dict[str, Kind] = {"What": "", "Faces a batch": "n", "CPU threads": "n", "ms a batch": "n strong"}
    kinds |= {"Faces a second": "n", "Device": ""}
    return Table(
        "How fast the finalists predict",
        kinds,
        [
            (
                names[cell],
                str(one.batch),
                str(one.threads),
                Cell(show_number(one.median), _measured(one, study.inference)),
                f"{1000 * one.batch / one.median:,.0f}" if one.median else "–",
                one.device,
            )
            for cell, one in study.inference
        ],
    )


def _measured(one: Inference, known: Sequence[tuple[str, Inference]]) -> str:
    """The middle half of the passes, and whether other work on the machine was measured with them.

    It was where that half is `WIDE`, or where several threads took `SLOW` times as long as the processor time of one.
    """
    same = (other for _, other in known if (other.network, other.batch) == (one.network, one.batch))
    alone = next((other.median for other in same if other.threads == 1 and other.device == one.device), math.inf)
    busy = one.high - one.low > WIDE * one.median or one.median > SLOW * alone
    return ends_text((one.low, one.high), show_number) + ("; busy machine" if busy else "")


def _spread(study: ReportInput, name: str, cell: str) -> str:
    found = study.latency.get(cell) if name == "latency" else None
    return "" if found is None else ends_text((found.low, found.high), show_number)


def latency_sentence(study: ReportInput) -> str:
    """How latency was measured, and where; empty where it was not."""
    if not study.latency:
        return ""
    devices = " and ".join(sorted({one.device for one in study.latency.values()}))
    repeats = next(iter(study.latency.values())).repeats
    return (
        f"Latency: one face, a batch of one, in fp32, the median of {repeats} passes with the middle half of them, "
        f"on {devices}; on a CPU the processor time of the thread. Each network was measured once."
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


def pruned_sentence(rows: Sequence[RunResult]) -> str:
    """How many trials were stopped early and when; empty for none."""
    failed = {row.trial for row in rows if row.state == "failed"}
    epochs = sorted(
        {row.trial: row.epochs for row in rows if row.state == "pruned" and row.trial not in failed}.values()
    )
    if not epochs:
        return ""
    when = plural(epochs[0], "epoch")
    if epochs[0] != epochs[-1]:
        when = f"{epochs[0]} to {epochs[-1]} epochs (median {epochs[len(epochs) // 2]})"
    were = "trial was" if len(epochs) == 1 else "trials were"
    return f"{len(epochs):,} {were} stopped early after {when}; their last scores are in no mean and on no leaderboard."


def parameter_names(rows: Sequence[RunResult]) -> dict[str, str]:
    """For each factor the printed name and the full name it stands for."""
    names = short_names(factor.name for factor in varying(trials_of(rows)))
    return {short: full for full, short in names.items()}
