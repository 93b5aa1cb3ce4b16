"""Any figure or table of a study's report by its name, outside its page."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import analyse
from kpbench.analysis.verify import read_verification
from kpbench.errors import UsageError, lookup
from kpbench.plots import verify
from kpbench.plots.ablation.plots import ABLATION_PLOTS
from kpbench.plots.drawing import Drawing
from kpbench.plots.search.plots import PLOTS
from kpbench.plots.standalone import standalone
from kpbench.report.ablation.page_tables import ABLATION_TABLES
from kpbench.report.search.page_tables import SEARCH_TABLES
from kpbench.report.search.reader import read_report_input
from kpbench.report.tables import Table
from kpbench.store.files import ASKED, no_collection
from kpbench.store.finding import find_study
from kpbench.store.plan import read_plan


def figure(study: str | Path, name: str, *, panel: int = 1, out: str | Path = "reports") -> go.Figure:
    """A figure of a study's report as plotly's, with its legend.

    Args:
        study: the folder of a study or a verification, or its name in `out`.
        name: of a search `leaderboard`, `pareto`, `learning_curves`, ...; of an ablation `forest`, `level_curves`, ...
            (the keys of `PLOTS` and `ABLATION_PLOTS`); an unknown one is answered with all.
        panel: of a figure with several, from 1.

    Raises:
        UsageError: no such study, figure or panel, or nothing to draw.
    """
    return standalone(drawing_of(study, name, out=out), panel)


@no_collection()
def drawing_of(study: str | Path, name: str, *, out: str | Path = "reports") -> Drawing:
    """A drawing of a report by its name; as `figure`."""
    for place in (Path(study), Path(out) / study):
        if (place / ASKED).is_file():
            return lookup(verify.draw(read_verification(place)), name, "figure")
    folder = find_study(str(study), Path(out))
    if read_plan(folder).design is not None:
        return lookup(ABLATION_PLOTS, name, "figure")(analyse(folder))
    draw, found = lookup(PLOTS, name, "figure"), read_report_input(folder, faces=False)
    return draw(found.rows, found.marks)


@no_collection()
def tables_of(folder: Path, name: str | None = None) -> dict[str, Table]:
    """The tables of a study's report by name, those without a row left out; one alone where it is named.

    Raises:
        UsageError: no such study or table, or the one that is named has no row.
    """
    ablation = read_plan(folder).design is not None
    tables: Mapping[str, Callable[[Any], Table]] = ABLATION_TABLES if ablation else SEARCH_TABLES
    if name is not None and name not in tables:
        raise UsageError(f"unknown table '{name}'; known: {', '.join(tables)}")
    found = analyse(folder) if ablation else read_report_input(folder, faces=False)
    made = {key: table(found) for key, table in tables.items() if name in (None, key)}
    if name is not None and not made[name]:
        raise UsageError(f"table '{name}' of {folder.name} has no row")
    return {key: table for key, table in made.items() if table}
