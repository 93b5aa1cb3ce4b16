"""The page of an ablation: one HTML file that needs nothing but a browser."""

from collections.abc import Mapping, Sequence

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.shown import for_reading
from kpbench.plots.ablation.names import factor_names
from kpbench.plots.ablation.plots import ABLATION_PLOTS
from kpbench.report.ablation import deviations, methods, runs, verdicts, words
from kpbench.report.ablation.page_tables import ABLATION_TABLES
from kpbench.report.beside import Beside
from kpbench.report.shell import whole_page
from kpbench.report.tables import columns, failure_lines, fixed_parameters
from kpbench.space.reading import parameters_in
from kpbench.statistics.ranks import needed_blocks

MOST_READINGS = 20
"""Openings of the sealed test that the page lists one by one."""


def render_ablation(
    found: Analysis,
    sessions: Sequence[Mapping[str, object]],
    readings: Sequence[Mapping[str, object]],
    beside: Beside | None = None,
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
        {name: draw(found) for name, draw in ABLATION_PLOTS.items()},
        **{name: table(found) for name, table in ABLATION_TABLES.items()},
        found=found,
        title=title,
        answer=words.answer(found),
        headline=words.headline(found),
        cards=words.cards(found),
        **vars(beside or Beside()),
        verdicts=verdicts.verdict_lines(found),
        caveats=words.caveats(found),
        floor=words.floor_sentence(found),
        conclusion=verdicts.conclusion(found),
        opened=verdicts.opened(found),
        tuning_note=runs.tuning_sentence(found),
        without_faces=words.without_faces(found),
        keypoints_note=words.keypoints_note(found),
        control=words.control_sentences(found),
        diagnostics_note=words.DIAGNOSTICS,
        rank_seeds=needed_blocks(max(2, len(found.design.cells)), found.design.alpha),
        failures=failure_lines(found.rows),
        failed=int(found.table.failed.sum()),
        split=words.SPLITS[found.split],
        seeds=max((one.n for one in found.contrasts), default=0) if found.design.looks else len(found.design.blocks),
        methods=methods.methods(found),
        deviations=deviations.deviations(found, sessions, readings),
        plan=found.plan.model_dump(exclude={"space_text", "benchmark_text", "own_texts", "design"}),
        design={**design, "cells": f"{len(found.design.cells)}, {found.design.runs} runs"},
        fixed=fixed_parameters(for_reading(found.rows, parameters_in(found.plan.space_text))),
        sessions=sessions,
        session_columns=columns(sessions),
        readings=readings,
        most_readings=MOST_READINGS,
        readings_sentence=deviations.readings_sentence(found, readings),
        reading_columns=columns(readings),
    )
