"""The table of tables of a search's page, as values that can be written elsewhere."""

from collections.abc import Callable

from kpbench.report.search.early import agreement_lines, chance_lines
from kpbench.report.search.importance import importance
from kpbench.report.search.study_input import ReportInput
from kpbench.report.search.tables import front_table, leader_lines, metrics_table, parameter_names
from kpbench.report.tables import Kind, Table, failure_lines


def leaderboard(study: ReportInput) -> Table:
    """The page's leaderboard: cells, floors and the pass mark in order of validation score."""
    names = parameter_names(study.rows)
    kinds: dict[str, Kind] = {
        "#": "n", "Validation": "n strong", "Seeds": "n", "Validation, fresh": "n", "Sealed test": "n strong",
        "Fresh seeds": "n", **dict.fromkeys(names, ""), "Images a run": "n", "Parameters": "n", "State": "",
        "Cell": "mono",
    }  # fmt: skip
    rows = [
        (
            line.place,
            line.tuning,
            line.seeds,
            line.fresh,
            line.test,
            line.finals,
            *(line.levels or ("",) * len(names)),
            line.images,
            line.parameters,
            line.state if line.kind == "cell" else line.what,
            line.cell,
        )
        for line in leader_lines(study.rows, study.marks)
    ]
    return Table("Leaderboard", kinds, rows)


def early(study: ReportInput) -> Table:
    """How scores after an epoch agree with the last ones."""
    return Table("What early scores said", {"Epoch": "n", "Correlation with the end": "n"}, agreement_lines(study.rows))


def chance(study: ReportInput) -> Table:
    """The best so far against as many trials drawn at random."""
    columns: dict[str, Kind] = {"Trials": "n", "Best so far": "n", "At random": "n"}
    return Table("Best so far, against chance", columns, chance_lines(study.rows))


def failures(study: ReportInput) -> Table:
    """Failed runs by reason."""
    columns: dict[str, Kind] = {"Reason": "mono", "What happened": "", "Runs": "n", "Cells": "n", "Detail": ""}
    lines = failure_lines(study.rows)
    return Table("Failures", columns, [(one.reason, one.words, one.count, one.cells, one.detail) for one in lines])


SEARCH_TABLES: dict[str, Callable[[ReportInput], Table]] = {
    "leaderboard": leaderboard,
    "metrics": metrics_table,
    "pareto": front_table,
    "early": early,
    "chance": chance,
    "importance": lambda study: importance(study.rows),
    "failures": failures,
}
"""Name -> the function from a study to a table, in the order of the page."""
