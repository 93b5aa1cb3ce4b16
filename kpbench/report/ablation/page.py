"""The page of an ablation: one HTML file that needs nothing but a browser."""

from collections.abc import Mapping, Sequence

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.names import factor_names
from kpbench.plots.ablation.plots import ABLATION_PLOTS
from kpbench.report.ablation import fairness as ablation_fairness
from kpbench.report.ablation import levels as ablation_levels
from kpbench.report.ablation import methods as ablation_methods
from kpbench.report.ablation import tables as ablation_tables
from kpbench.report.ablation import words as ablation_words
from kpbench.report.search import tables
from kpbench.report.shell import whole_page


def render_ablation(
    found: Analysis, sessions: Sequence[Mapping[str, object]], readings: Sequence[Mapping[str, object]]
) -> str:
    """The whole page as text, offline and self-contained, without any face.

    A partial study has a sentence in place of what cannot be computed yet.

    Args:
        sessions: the starts of a command on the study, as its folder holds them.
        readings: the openings of the sealed test.
    """
    names = factor_names(found.design)
    crossing = [name for name in names if name not in found.design.asked]
    title = "Ablation of " + ", ".join(names[name] for name in found.design.asked)
    if crossing:
        title += " crossed with " + ", ".join(names[name] for name in crossing)
    elif found.design.crossed:
        title += ", crossed"
    design = found.design.model_dump(exclude={"cells", "tuning", "matched"})
    return whole_page(
        "ablation.html",
        {name: plot.draw(found) for name, plot in ABLATION_PLOTS.items()},
        found=found,
        title=title,
        headline=ablation_words.headline(found),
        verdicts=ablation_words.verdict_lines(found),
        caveats=ablation_words.caveats(found),
        floor=ablation_words.floor_sentence(found),
        contrasts=ablation_tables.contrast_lines(found),
        interactions=ablation_tables.interaction_lines(found),
        variance=ablation_tables.variance_lines(found),
        ranks=ablation_tables.rank_lines(found),
        size=ablation_fairness.size_lines(found),
        tuning=ablation_fairness.tuning_lines(found),
        tuning_note=ablation_fairness.tuning_sentence(found),
        cost_columns=tuple(ablation_levels.COSTS.values()),
        costs=ablation_levels.cost_lines(found),
        measure_columns=tuple(ablation_levels.measure_names(found).values()),
        measures=ablation_levels.measure_lines(found),
        without_faces=ablation_words.without_faces(found),
        keypoints_note=ablation_words.keypoints_note(found),
        control=ablation_words.control_sentences(found),
        diagnostics=ablation_tables.diagnostic_lines(found),
        diagnostics_note=ablation_words.DIAGNOSTICS,
        failures=tables.failure_lines(found.rows),
        failed=sum(row.state == "failed" for row in found.rows),
        missing=ablation_tables.missing_lines(found),
        crashes=ablation_tables.crash_lines(found),
        methods=ablation_methods.methods(found),
        deviations=ablation_words.deviations(found, sessions, readings),
        plan=found.plan.model_dump(exclude={"space_text", "benchmark_text", "design"}),
        design={**design, "cells": f"{len(found.design.cells)}, {found.design.runs} runs"},
        fixed=tables.fixed_parameters(found.rows),
        sessions=sessions,
        session_columns=tables.columns(sessions),
        readings=readings,
        readings_sentence=ablation_words.readings_sentence(readings),
        reading_columns=tables.columns(readings),
    )
