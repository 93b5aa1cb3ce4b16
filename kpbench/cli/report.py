"""`kpbench report`."""

import time
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kpbench.cli.options import file_to_write, kind_of_file
from kpbench.errors import UsageError

Tables = StrEnum("Tables", ["latex", "md"])
SUFFIXES = {"latex": ".tex", "md": ".md"}
PICTURES = {"svg": ".svg", "pdf": ".pdf", "png": ".png"}
AGAIN = 30.0
"""Seconds between two pages of a study that runs; its page opens itself anew as often."""


def report(
    studies: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STUDY]...", help="Studies or verifications: folders, or names in --out."),
    ] = None,
    index: Annotated[
        Path | None, typer.Option(help="Write a page over every study in this folder, FOLDER/index.html.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    to: Annotated[
        Path | None,
        typer.Option(
            help="Where to write it.", show_default="report.html in the study; A+B.html in --out; tables to stdout"
        ),
    ] = None,
    faces: Annotated[
        bool, typer.Option(help="Embed example faces; not where the pictures may not be published.")
    ] = True,
    tables: Annotated[
        Tables | None, typer.Option(help="Instead of the page its tables, as latex (booktabs) or md.")
    ] = None,
    all_columns: Annotated[
        bool, typer.Option("--all-columns", help="Of the tables also the columns that the page shows when asked.")
    ] = False,
    table: Annotated[str | None, typer.Option(help="Of the tables this one alone: contrasts, leaderboard ...")] = None,
    figure: Annotated[
        str | None,
        typer.Option(help="Instead of the page one figure, to a .svg, .pdf or .png: forest, leaderboard ..."),
    ] = None,
    panel: Annotated[int, typer.Option(help="Of a figure with several panels the one to write, from 1.")] = 1,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Write the page of a study that runs again and again, until it ends or Ctrl-C."),
    ] = False,
) -> int:
    """Write a study's report again from its rows; also while the study runs. Or its tables, or one of its figures.

    Of several studies one page with each one's answer and a link to its own page, which is written where there is none.
    """
    if tables is not None and figure is not None:
        raise UsageError("--tables writes tables and --figure a figure: give one of them")
    if table is not None and tables is None:
        raise UsageError("--table chooses one of the --tables; add --tables latex or --tables md")
    if all_columns and tables is None:
        raise UsageError("--all-columns is of --tables; add --tables latex or --tables md")
    if tables is None and figure is None and to is not None and to.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--to {to} is no page; write {to.with_suffix('.html')}, or ask for --tables or a --figure")
    asked = studies or []
    if watch and (index is not None or len(asked) != 1 or tables is not None or figure is not None):
        raise UsageError("--watch is of the page of one study; name one, without --index, --tables or --figure")
    if (index is not None) + bool(asked) != 1:
        raise UsageError("name a study, several, or --index FOLDER; `kpbench ls studies` lists those there are")
    if index is not None or len(asked) > 1:
        if tables is not None or figure is not None:
            raise UsageError("--tables and --figure are of one study; name one")
        from kpbench.cli.report_index import write_index

        typer.echo(write_index(asked, index, out, to, faces=faces))
        return 0
    (study,) = asked
    if figure is not None:
        return _figure(study, figure, panel, out, to)
    if tables is not None:
        return _tables(study, tables.value, table, out, to, whole=all_columns)
    return _page(study, out, to, faces=faces, watch=watch)


def _page(study: str, out: Path, to: Path | None, *, faces: bool, watch: bool) -> int:
    from kpbench.cli.pages import write_report
    from kpbench.report.beside import progress_of
    from kpbench.store.files import ASKED, REPORT
    from kpbench.store.finding import find_study

    for place in (Path(study), out / study):
        if (place / ASKED).is_file():
            from kpbench.analysis.verify import read_verification
            from kpbench.report.verify.page import write_verification

            if to is not None:
                raise UsageError(f"{place} holds a verification, whose page lies beside its studies; leave out --to")
            if watch:
                raise UsageError(f"{place} holds a verification; --watch one of the two studies in it")
            typer.echo(write_verification(place, read_verification(place)))
            return 0
    folder = find_study(study, out)
    page = to or folder / REPORT
    running = watch and progress_of(folder)[1]  # asked before the page is written, so that the last one is the end's
    typer.echo(write_report(folder, page, faces=faces))
    with suppress(KeyboardInterrupt):  # Ctrl-C ends the watching, not the study
        while running:
            time.sleep(AGAIN)
            running = progress_of(folder)[1]
            write_report(folder, page, faces=faces)
    return 0


def _tables(study: str, kind: str, name: str | None, out: Path, to: Path | None, *, whole: bool) -> int:
    from kpbench.report.figures import tables_of
    from kpbench.report.table_texts import FORMATS
    from kpbench.statistics.words import plural
    from kpbench.store.finding import find_study

    kind_of_file(to, kind, SUFFIXES, default=kind)
    found = tables_of(find_study(study, out), name)
    text = "\n".join(FORMATS[kind](key, table if whole else table.narrow()) for key, table in found.items())
    typer.echo(text if to is None else file_to_write(to, text), nl=to is not None)
    for key, table in found.items():
        if table.folded and not whole:
            typer.echo(f"{key}: {plural(len(table.folded), 'more column')} with --all-columns", err=True)
    return 0


def _figure(study: str, name: str, panel: int, out: Path, to: Path | None) -> int:
    from kpbench.plots.standalone import picture, standalone
    from kpbench.report.figures import drawing_of

    if to is None:
        raise UsageError(f"--figure {name}: --to FILE.svg, .pdf or .png says where to write it")
    kind = kind_of_file(to, None, PICTURES, default="svg")
    drawing = drawing_of(study, name, out=out)
    content = picture(standalone(drawing, panel), kind)
    typer.echo(file_to_write(to, content))
    if len(drawing.panels) > 1:
        typer.echo(f"panel {panel} of {len(drawing.panels)}; --panel takes another", err=True)
    return 0
