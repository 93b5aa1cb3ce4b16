"""`kpbench report`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    study: Annotated[str, typer.Argument(help="A study or a verification: its folder, or its name in --out.")],
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    to: Annotated[
        Path | None, typer.Option(help="Where to write the page.  [default: report.html in the study]")
    ] = None,
    faces: Annotated[
        bool, typer.Option(help="Embed example faces; not where the pictures may not be published.")
    ] = True,
) -> int:
    """Write a study's report again from its rows; also while the study runs."""
    from kpbench.analysis.verify import read_verification
    from kpbench.cli.pages import write_report
    from kpbench.errors import UsageError
    from kpbench.report.verify.page import write_verification
    from kpbench.store.files import ASKED, REPORT
    from kpbench.store.study import find_study

    if to is not None and to.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--to must name an .html file, got {to}; in Python kpbench.read_rows(STUDY) has the rows")
    for place in (Path(study), out / study):
        if (place / ASKED).is_file():
            if to is not None:
                raise UsageError(f"{place} holds a verification, whose page lies beside its studies; leave out --to")
            typer.echo(write_verification(place, read_verification(place)))
            return 0
    folder = find_study(study, out)
    typer.echo(write_report(folder, to or folder / REPORT, faces=faces))
    return 0
