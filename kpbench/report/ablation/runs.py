"""The tables of what an ablation ran: cost and measures of each level, tuning, size-matched controls, lost runs."""

import math
from collections.abc import Mapping, Sequence

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.ablation.levels import Cost, Level, Measured, measure_order, shift_of
from kpbench.cell import Scalar
from kpbench.plots.ablation.names import cell_name, factor_names
from kpbench.plots.factors import show_level
from kpbench.plots.scores import show_score
from kpbench.report.metrics import COMPACT, metric_cells, metric_columns, score_ends
from kpbench.report.tables import REASONS, Cell, Kind, Table
from kpbench.statistics.words import MINUS, interval_text, number, p_text, short_count, short_names

COSTS = {
    "parameters": "Parameters",
    "megabytes": "Model, MB",
    "flops": "FLOPs a face",
    "step_megabytes": "Memory of a step, MB",
    "seconds": "Seconds an epoch",
    "images": "Images a run",
}
"""The costs of a level and their headings, in the order of the table's columns."""

MOST_FAILURES = 50
"""Runs without an outcome that are named one by one."""


def costs(found: Analysis) -> Table:
    """Every level with its score, its runs and its costs, the baseline of each factor first."""
    columns: dict[str, Kind] = {"Level": "", "Score": "n strong", "95 % interval": "n", "Runs": "n", "Failed": "n"}
    columns |= dict.fromkeys(COSTS.values(), "n")
    bases = {level.factor: level.cost for level in found.levels if level.baseline}
    rows: list[tuple[str | Cell, ...]] = [
        (
            _level(found, level),
            "–" if level.interval is None else show_score(level.interval.score),
            score_ends(level.interval),
            f"{level.runs:,}",
            f"{level.failed:,}" if level.failed else "",
            *(_cost(level.cost, None if level.baseline else bases.get(level.factor), name) for name in COSTS),
        )
        for level in found.levels
    ]
    return Table("Score and cost of each level", columns, rows)


def _level(found: Analysis, level: Level) -> Cell:
    name = f"{factor_names(found.design)[level.factor]} {show_level(level.level)}"
    return Cell(name, tag="baseline" if level.baseline else "")


def _cost(cost: Cost | None, base: Cost | None, name: str) -> Cell:
    """A cost with its change against the baseline's, flagged where it is far from it."""
    value = math.nan if cost is None else float(getattr(cost, name))
    if cost is None or not math.isfinite(value):
        return Cell("–")
    texts = {
        "parameters": f"{value:,.0f}",
        "megabytes": f"{value:.3g}",
        "flops": f"{value / 1e6:,.3g} M" if value < 1e9 else f"{value / 1e9:,.3g} G",
        "step_megabytes": f"{value:,.0f}" if value >= 100 else f"{value:.3g}",
        "seconds": f"{value:.3g}",
        "images": short_count(round(value)),
    }
    reference = math.nan if base is None else float(getattr(base, name))
    if not (math.isfinite(reference) and reference > 0):
        return Cell(texts[name])
    change = 100 * (value / reference - 1)
    text = f"{'+' if change >= 0 else MINUS}{abs(change):.0f} %" if abs(change) >= 0.5 else "same"
    return Cell(texts[name], flag=text) if name in cost.flagged else Cell(texts[name], detail=text)


def measures(found: Analysis) -> Table:
    """Every level with its further measures: shifts by their pixels, then others by name; empty without any."""
    names = sorted({one.name for level in found.levels for one in level.measures}, key=measure_order)
    columns: dict[str, Kind] = {"Level": ""}
    for name in names:
        columns[name if (shift := shift_of(name)) is None else f"shifted {shift} px"] = "n"
    rows = [
        (_level(found, level), *(_measured({one.name: one for one in level.measures}.get(name)) for name in names))
        for level in found.levels
    ]
    return Table("Score of each level by measure", columns, rows if names else ())


def metrics(found: Analysis) -> Table:
    """Every level with a few metrics of the errors on the faces that judge; empty where no row has any."""
    columns: dict[str, Kind] = {"Level": "", "Runs": "n", **metric_columns(COMPACT)}
    rows: list[tuple[str | Cell, ...]] = [
        (_level(found, level), str(max(one.n for one in level.metrics.values())), *metric_cells(level.metrics, COMPACT))
        for level in found.levels
        if level.metrics
    ]
    return Table("Metrics of each level", columns, rows)


def _measured(one: Measured | None) -> Cell:
    """The score with its interval and the MSE ratio to the baseline's."""
    if one is None:
        return Cell("–")
    ratio = "" if one.ratio is None else f"× {number(one.ratio)}"
    if one.ci is not None:
        ratio += f" ({interval_text(one.ci)})"
    interval = "" if one.interval.low is None else score_ends(one.interval)
    return Cell(show_score(one.interval.score), detail=", ".join(part for part in (interval, ratio) if part))


def tuning(found: Analysis) -> Table:
    """What was tried and chosen for every cell that was tuned; empty where the recipe is fixed."""
    columns: dict[str, Kind] = {
        "Cell": "", "Block": "n", "Recipes": "n", "Epochs": "n", "Diverged": "n", "Failed": "n", "Validation": "n",
        "Chosen": "", "At an end of its range": "tag",
    }  # fmt: skip
    if found.design.tuning is None:
        return Table("Tuning of each cell", columns)
    names, short = factor_names(found.design), short_names(found.design.tuning.spans)
    rows = [
        (
            _values(cell.levels, names),
            "all" if cell.block is None else str(cell.block),
            f"{cell.trials:,}",
            f"{cell.epochs:,}",
            f"{cell.diverged:,}" if cell.diverged else "",
            f"{cell.failed:,}" if cell.failed else "",
            "–" if cell.val_score is None else show_score(cell.val_score),
            _values(cell.chosen, short) or "–",
            ", ".join(short[name] for name in cell.at_ends),
        )
        for cell in found.tuning
    ]
    return Table("Tuning of each cell", columns, rows)


def tuning_sentence(found: Analysis) -> str:
    """Whether the cells were tuned equally, and what lies at an end of its range; empty where the recipe is fixed."""
    if found.design.tuning is None:
        return ""
    tuning, epochs = found.design.tuning, found.plan.epochs
    asked = len(tuning.replicates()[0].recipes)
    short = [cell for cell in found.tuning if cell.trials < asked or cell.failed]
    hits = [cell for cell in found.tuning if cell.at_ends]
    text = f"{asked} recipes of {epochs} epochs were planned for each cell"
    text += " in each block, drawn and tried anew. " if tuning.by_block else " that was tuned. "
    text += "Every one had all of them. " if not short else f"{len(short)} had fewer or lost some: see the table. "
    if hits:
        text += f"In {len(hits)} of {len(found.tuning)} the choice lies at an end of its range; a wider may help. "
    return text + "Choices were made by validation score; the seeds that chose are used for nothing else."


def _values(values: Mapping[str, Scalar], names: Mapping[str, str]) -> str:
    return ", ".join(f"{names[name]} {show_level(value)}" for name, value in values.items())


def sizes(found: Analysis) -> Table:
    """Every level against the baseline made as large; a dash stands where nothing can be computed."""
    columns: dict[str, Kind] = {
        "Level": "", "Against": "", "Parameters, level / control": "n", "Seeds": "n", "MSE ratio": "n strong",
        "Interval": "n", "p adjusted": "n", "Verdict": "tag",
    }  # fmt: skip
    names, rows = factor_names(found.design), []
    for one in found.size:
        matched, contrast = one.matched, one.contrast
        change = " ".join(f"{name.rpartition('.')[2]}={value}" for name, value in matched.change.items())
        rows.append(
            (
                f"{names[matched.factor]} {show_level(matched.level)}",
                f"baseline with {change}",
                f"{matched.wanted:,} / {matched.parameters:,}",
                str(contrast.n),
                "–" if contrast.ratio is None else number(contrast.ratio),
                interval_text(contrast.ci),
                p_text(contrast.p_adjusted, alpha=found.design.alpha),
                contrast.word,
            )
        )
    return Table("Levels against size-matched controls", columns, rows)


def failures(found: Analysis) -> Table:
    """The planned runs that failed without an outcome, the first `MOST_FAILURES` of them."""
    columns: dict[str, Kind] = {"Cell": "", "Seed": "mono", "Reason": "mono", "What happened": ""}
    arms = {"control": "A/A arm: ", "matched": "size-matched control: "}
    rows = [
        (
            arms.get(one.role, "") + _values(one.levels, factor_names(found.design)),
            str(one.seed),
            one.reason or "unknown",
            Cell(
                REASONS.get(one.reason or "", "no reason was recorded")
                + (f", {one.attempts} times" if one.attempts > 1 else ""),
                detail=one.detail or "",
            ),
        )
        for one in found.failures[:MOST_FAILURES]
    ]
    return Table("Runs that failed without an outcome", columns, rows)


def missing(found: Analysis) -> Table:
    """For each cell how many of its planned runs have no outcome, and their seeds; the A/A arm last."""
    rows = []
    planned = len(found.table.blocks)
    for levels, mse in zip(found.table.cells, found.table.mse, strict=True):
        gone = [block for block, value in zip(found.table.blocks, mse, strict=True) if math.isnan(value)]
        if gone:
            rows.append((cell_name(found, levels), f"{len(gone)} of {planned}", _seeds(gone)))
    ran = {row.seed for row in found.rows if row.role == "control"}
    gone = [seed for seed in found.design.control if seed not in ran]
    if gone:
        rows.append(("A/A arm (baseline)", f"{len(gone)} of {len(found.design.control)}", _seeds(gone)))
    return Table("Missing runs by cell", {"Cell": "", "Missing": "n", "Seeds": "mono"}, rows)


def _seeds(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds[:10])) + (f" and {len(seeds) - 10} more" if len(seeds) > 10 else "")
