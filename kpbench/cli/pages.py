"""Writes the pages that several commands write."""

import json
from pathlib import Path
from typing import Any


def write_report(folder: Path, path: Path, *, faces: bool) -> Path:
    """The page of a study, whatever its kind.

    Raises:
        UsageError: a file of the study is damaged, or the page cannot be written.
    """
    from kpbench.analysis.ablation.analysis import analyse
    from kpbench.errors import UsageError
    from kpbench.report.ablation.page import render_ablation
    from kpbench.report.search.page import render, write
    from kpbench.report.search.reader import read_report_input, read_sessions_and_readings
    from kpbench.store.plan import read_plan

    if read_plan(folder).design is None:
        page = render(read_report_input(folder, faces=faces))
    else:
        page = render_ablation(analyse(folder), *read_sessions_and_readings(folder))
    try:
        write(path, page)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}; choose another --to") from error
    return path


def write_results(folder: Path) -> dict[str, Any]:
    """Writes `verify.json` and the page of the two studies in `folder` from their rows; the figures.

    Raises:
        UsageError: a study is damaged, or a file cannot be written.
    """
    from kpbench.analysis.verify.agreement import read_verification
    from kpbench.analysis.verify.agreement_json import as_json
    from kpbench.errors import UsageError
    from kpbench.report.search.page import write
    from kpbench.report.verify.page import render_verify
    from kpbench.store.files import REPORT, ROWS

    found = read_verification(folder)
    figures = folder / "verify.json"
    page = folder / REPORT
    result = {"verification": str(folder), **as_json(found), "report": str(page)}
    try:
        for side, name in zip(found.sides, found.names, strict=True):
            if side is not None and _older(folder / name / REPORT, folder / name / ROWS):
                write_report(folder / name, folder / name / REPORT, faces=False)
        write(figures, json.dumps({k: v for k, v in result.items() if k not in PATHS}, indent=2) + "\n")
        write(page, render_verify(found))
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}; run the command again") from error
    return result


def _older(page: Path, rows: Path) -> bool:
    """Whether a study's own page is not there yet or was made before its last row."""
    return not page.exists() or (rows.exists() and page.stat().st_mtime < rows.stat().st_mtime)


PATHS = ("verification", "report")
"""Figures that say where things lie, which is nothing to publish."""
