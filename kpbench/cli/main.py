"""The command `kpbench`: its subcommands, and how it ends."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from shutil import get_terminal_size
from typing import Annotated, Any, NoReturn

import typer

from kpbench.cli import (
    ablate,
    bench,
    compare,
    data,
    doctor,
    export,
    leaderboard,
    ls,
    power,
    predict,
    replay,
    report,
    rerun,
    rows,
    score,
    search,
    status,
    verify,
)
from kpbench.cli.lines import wrapped
from kpbench.cli.options import command_line
from kpbench.errors import UsageError
from kpbench.version import __version__

OK, SOME_FAILED, WRONG_USAGE, GATE_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: all well, some runs failed, wrong usage or preflight, a gate not passed, interrupted.

The gates are `score --require-pass`, `rerun --require-equal` and an error that `data check` found.
"""

COMMAND_LINE_ERROR: Any = typer.BadParameter.__base__
"""Click's UsageError, wherever this release of typer keeps its click."""

app = typer.Typer(
    name="kpbench",
    help="Architecture search and ablation benchmark for facial keypoint regression.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("search")(search.search)
app.command("ablate")(ablate.ablate)
app.command("compare")(compare.compare)
app.command("score")(score.score)
app.command("export")(export.export)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("predict")(predict.predict)
app.command("power")(power.power)
app.command("replay")(replay.replay)
app.command("bench")(bench.bench)
app.command("report")(report.report)
app.command("doctor")(doctor.doctor)
app.command("rerun")(rerun.rerun)
app.command("rows")(rows.rows)
app.command("status")(status.status)
app.command("ls")(ls.ls)
app.add_typer(verify.app, name="verify", help="Check what kpbench claims of its faces and its training.")
app.add_typer(data.app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kpbench {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Architecture search and ablation benchmark for facial keypoint regression."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> NoReturn:
    """Runs the command line; every failure a person can mend is one line on stderr."""
    sys.exit(_run())


def _run() -> int:
    try:
        _refuse_empty(sys.argv)
        code = app(standalone_mode=False, prog_name="kpbench")
    except COMMAND_LINE_ERROR as error:
        place = error.ctx.command_path if error.ctx else "kpbench"
        said = error.format_message().replace("Value error, ", "").rstrip(".")  # a word of pydantic's
        return _refuse(f"{said}; see '{place} --help'")
    except UsageError as error:
        return _refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        typer.echo(f"error: {error.strerror or error}{where}; what was finished is kept", err=True)
        return SOME_FAILED
    if code == INTERRUPTED:  # some releases of typer turn Ctrl-C into this code themselves
        return _interrupted()
    return code if isinstance(code, int) else OK


def _refuse_empty(words: Sequence[str]) -> None:
    """An empty value is mostly a variable that nobody set; click would take the option's default instead."""
    for before, word in pairwise(words):
        joined = word.startswith("--") and word.endswith("=")
        if joined or (not word and before.startswith("--")):
            raise UsageError(f"{word[:-1] or before} has an empty value; give one, or leave the option out")


def _interrupted() -> int:
    typer.echo(f"interrupted; nothing finished is lost, continue with: {command_line()}", err=True)
    return INTERRUPTED


def _refuse(message: str) -> int:
    line = "error: " + " ".join(message.split())
    columns = get_terminal_size().columns if sys.stderr.isatty() else len(line)
    typer.echo("\n".join(wrapped(line, columns)), err=True)  # one line, broken between words in a terminal alone
    return WRONG_USAGE
