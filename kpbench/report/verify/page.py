"""The page of a verification: built-in against real faces, one HTML file that needs nothing but a browser."""

import json
from pathlib import Path

from kpbench.analysis.verify import Verification, as_json
from kpbench.errors import UsageError
from kpbench.plots import verify as plots
from kpbench.plots.ablation.names import factor_names
from kpbench.report.ablation.page import render_ablation
from kpbench.report.search.reader import read_sessions_and_readings
from kpbench.report.shell import whole_page
from kpbench.report.verify import words
from kpbench.statistics.words import p_text
from kpbench.store.files import REPORT, ROWS
from kpbench.whole_file import write_whole


def write_verification(folder: Path, found: Verification) -> Path:
    """Writes `verify.json`, the page and, where they are older than their rows, the pages of the two studies.

    Raises:
        UsageError: a study is damaged, or a file cannot be written.
    """
    try:
        for name, study in zip(found.names, found.studies, strict=True):
            page, rows = folder / name / REPORT, folder / name / ROWS
            if page.exists() and not (rows.exists() and page.stat().st_mtime < rows.stat().st_mtime):
                continue
            if study is not None:
                write_whole(page, render_ablation(study, *read_sessions_and_readings(folder / name)))
        write_whole(folder / "verify.json", json.dumps(as_json(found), indent=2) + "\n")
        return write_whole(folder / REPORT, render_verify(found))
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}; run the command again") from error


def render_verify(found: Verification) -> str:
    """The whole page as text, offline and self-contained, without any face; a partial one says what is missing."""
    begun = [study for study in found.studies if study is not None]
    return whole_page(
        "verify.html",
        plots.draw(found),
        found=found,
        begun=begun,
        design=begun[0].design if begun else None,
        studies=as_json(found)["studies"],
        split=begun[0].split if begun else "val",
        plots=plots,
        words=words,
        factor_names=factor_names,
        p_text=p_text,
    )
