"""Writes the pages that several commands write."""

from pathlib import Path


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
