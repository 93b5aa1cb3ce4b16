"""`kpbench report`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    study: Annotated[str, typer.Argument(help="A study: its folder, or its name in --out.")],
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    to: Annotated[
        Path | None, typer.Option(help="Where to write the page.  [default: report.html in the study]")
    ] = None,
    faces: Annotated[
        bool, typer.Option(help="Embed example faces; not where the pictures may not be published.")
    ] = True,
) -> int:
    """Write a study's report again from its rows; also while the study runs."""
    from kpbench.errors import UsageError
    from kpbench.report.study_page import render, write
    from kpbench.report.study_reader import read_report_input
    from kpbench.study import REPORT, find_study

    folder = find_study(study, out)
    path = to or folder / REPORT
    page = render(read_report_input(folder, faces=faces))
    try:
        write(path, page)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}; choose another --to") from error
    typer.echo(path)
    return 0
