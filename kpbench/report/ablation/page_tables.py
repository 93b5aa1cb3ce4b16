"""The table of tables of an ablation's page."""

from collections.abc import Callable

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.report.ablation import runs, tables
from kpbench.report.tables import Table

ABLATION_TABLES: dict[str, Callable[[Analysis], Table]] = {
    "contrasts": tables.contrasts,
    "means": tables.means,
    "simple_effects": tables.simple_effects,
    "confirmed": tables.confirmed,
    "interactions": tables.interactions,
    "variance": tables.variance,
    "ranks": tables.ranks,
    "sizes": runs.sizes,
    "tuning": runs.tuning,
    "costs": runs.costs,
    "metrics": runs.metrics,
    "measures": runs.measures,
    "diagnostics": tables.diagnostics,
    "missing": runs.missing,
    "crashes": runs.failures,
}
"""Name -> the function from the analysis to a table; the page's template places each by its name."""
