"""`kpbench leaderboard`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from kpbench.cli.lines import terminal_columns
from kpbench.cli.pages import refuse_place, write_file


def leaderboard(
    places: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER]...", help="Where studies and hand-ins lie, at any depth.", show_default="reports"
        ),
    ] = None,
    cells: Annotated[int, typer.Option(min=1, help="The most cells of a study, the best by validation score.")] = 1,
    to: Annotated[
        list[Path] | None, typer.Option(help="Also write a page, X.html, or a table, X.csv; repeatable.")
    ] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Name hand-ins by a hash of their content.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> int:
    """Rank every study and hand-in by its score on the sealed test, one table for each task.

    A hand-in is what `kpbench score MODEL --split test --json` prints, kept as a file. No model is loaded.
    """
    from kpbench.analysis.leaderboard.leaderboard import as_json as plain
    from kpbench.analysis.leaderboard.leaderboard import read_leaderboard
    from kpbench.errors import UsageError
    from kpbench.report.leaderboard.page import leaderboard_page
    from kpbench.report.leaderboard.words import COLUMNS, csv_text, text

    writers = {".html": leaderboard_page, ".csv": csv_text}
    for path in to or ():
        if path.suffix.lower() not in writers:
            raise UsageError(f"--to {path}: a page ends in .html, a table in .csv; --json prints JSON")
        refuse_place(path)
    found = read_leaderboard(places or [Path("reports")], cells=cells, anonymous=anonymous)
    for line in found.damaged:
        typer.echo(f"passed over: {' '.join(line.split())}", err=True)
    for path in to or ():
        write_file(path, writers[path.suffix.lower()](found))
    if as_json:
        typer.echo(json.dumps(plain(found), allow_nan=False))
        return 0
    if not found.tables:
        typer.echo("no score to rank: no study or hand-in with a score on the sealed test", err=True)
    for line in text(found, columns=sys.maxsize if terminal_columns() is None else COLUMNS):
        typer.echo(line)
    for path in to or ():
        typer.echo(f"written  {path}")
    return 0
