"""Writes the pages and files that several commands write."""

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


def refuse_place(path: Path | None) -> None:
    """UsageError where a file could not be written, before the work is done."""
    from kpbench.errors import UsageError

    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise UsageError(
            f"cannot write {path}: {'it is a folder' if path.is_dir() else 'there is no such folder'}; name a file"
        )


def write_file(path: Path, content: str | bytes) -> None:
    """Puts a file in its place whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    from kpbench.errors import UsageError
    from kpbench.whole_file import write_whole

    try:
        write_whole(path, content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}; choose another place") from error
