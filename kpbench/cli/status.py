"""`kpbench status`."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from kpbench.analysis.status import Status
    from kpbench.store.plan import Plan

REDRAW = 1.0
"""Seconds between two looks at a study."""


def status(
    study: Annotated[
        str | None,
        typer.Argument(
            help="A study or a verification: its folder, or its name in --out.",
            show_default="the only one, or the running",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Wait for it to begin, redraw until it is finished, or Ctrl-C.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, name of a study to status.")] = False,
) -> int:
    """Say how far a study is: done and to come, best so far, failures, what runs, and until when.

    It only reads, from any terminal: the study's driver notices nothing.
    """
    from dataclasses import asdict

    from rich.console import Console, Group
    from rich.live import Live

    from kpbench.analysis.status import WORKED_ON
    from kpbench.errors import UsageError
    from kpbench.store.finding import find_studies

    if watch and as_json:
        raise UsageError("--watch redraws for a person, --json prints once for a program: give one of them")
    if study is None:
        study = str(the_study(out))
    elif watch:
        wait_for(study, out)
    found = looks(find_studies(study, out))
    if as_json:
        plain = {str(folder): asdict(one) | {"driver": _driver(one)} for folder, one in next(found).items()}
        typer.echo(json.dumps(plain))
        return 0
    console = Console(highlight=False)
    if not watch:
        show(console, next(found))
        return 0
    look = next(found)
    with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False, transient=True) as live:
        while any(one.standing in WORKED_ON for one in look.values()):
            live.update(Group(*map(panel, look.values())), refresh=True)
            time.sleep(REDRAW)
            look = next(found)
    show(console, look)  # Ctrl-C ends the watching, not the study
    return 0


def the_study(out: Path) -> Path:
    """The only study in a folder, or the only one there on which somebody works.

    Raises:
        UsageError: there is none, or several; they are named.
    """
    from kpbench.errors import SHOWN, UsageError
    from kpbench.store.driver import is_worked_on, read_driver
    from kpbench.store.finding import every_study

    found = every_study(out)
    held = {one: is_worked_on(one, read_driver(one)) for one in found}
    surely = [one for one in found if held[one]]  # of a driver on another machine nobody knows
    running = found if len(found) == 1 else surely or [one for one in found if held[one] is None]
    if len(running) == 1:
        return running[0]
    if not found:
        raise UsageError(f"no study in {out}; --out names another folder")
    names = [one.relative_to(out).as_posix() for one in running or found]
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    raise UsageError(f"{len(names)} studies {'run' if running else 'are'} in {out}: name one of {shown}")


def wait_for(study: str, out: Path) -> None:
    """Waits until the study is there, for a command that is to begin it elsewhere."""
    from kpbench.store.finding import studies_named

    told = False
    while not studies_named(study, out):
        if not told:
            typer.echo(f"no study '{study}' here or in {out} yet: waiting for it to begin, until Ctrl-C", err=True)
        told = True
        time.sleep(REDRAW)


def looks(folders: list[Path]) -> Iterator[dict[Path, "Status"]]:
    """The status of each study, anew each time it is asked for."""
    from kpbench.analysis.status import status_of
    from kpbench.store.plan import read_plan

    while True:
        yield {one: status_of(one, planned=planned_runs(one, read_plan(one))) for one in folders}


def planned_runs(folder: Path, plan: "Plan") -> int | None:
    """The runs of a sequential ablation up to its look under way, which takes an analysis; None for all others."""
    if plan.design is None or not plan.design.looks:
        return None
    from kpbench.analysis.ablation.analysis import analyse

    return analyse(folder).planned_runs


def _driver(one: "Status") -> dict[str, object] | None:
    return None if one.driver is None else one.driver.model_dump(include={"pid", "host", "since", "stage", "ended"})


def show(console: "Console", look: dict[Path, "Status"]) -> None:
    """Prints a look: in a terminal a panel a study, elsewhere a line an entry."""
    for one in look.values():
        if console.is_terminal:
            console.print(panel(one))
        else:
            typer.echo("\n".join(f"{name:10} {text}" for name, text in lines(one)))
        if command := how_to_continue(one):  # unbroken, so that it can be copied
            typer.echo(f"{'continue':10} {command}")


def panel(one: "Status") -> "RenderableType":
    """A study's status in lines that fit the terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, min_width=10)
    table.add_column(overflow="fold")
    for name, text in lines(one):
        table.add_row(name, Text(text, style="bold" if name == "study" else ""))
    return table


def lines(one: "Status") -> Iterator[tuple[str, str]]:
    """Name and text of each line."""
    from kpbench.analysis.status import WORKED_ON
    from kpbench.statistics.words import cell_text, plural, short_count

    workers = "" if one.workers is None else f", {plural(one.workers, 'worker')}" if one.workers else ", in one process"
    yield "study", one.study
    yield "what", f"{one.kind} of {one.space} on {one.data}{workers}"
    yield "state", state(one)
    for part in one.parts:
        ended = ", ".join(f"{n} {'stopped early' if name == 'pruned' else name}" for name, n in one.states.items() if n)
        more = f": {ended}" if ended and part.name in ("trials", "runs") else ""
        yield part.name, f"{part.done:,}" + ("" if part.total is None else f" of {part.total:,}") + more
    if one.failures:
        yield "failures", ", ".join(f"{n} {reason}" for reason, n in one.failures.items())
    for at, job in enumerate(one.running):
        score = "" if job.score is None else f", score {job.score:.1f}"
        seeds = "" if job.role == "trial" else f" seed {', '.join(map(str, job.seeds))}"
        what = f"{job.role} {job.number}" if job.role == "trial" else job.role
        head = "" if at else "running" if one.standing in WORKED_ON else "cut"
        yield head, f"{what}{seeds}: epoch {job.epoch} of {job.epochs}{score}; {cell_text(job.cell)}"
    if one.best is not None:
        faces = "sealed test" if one.best.on == "test" else "validation"
        kind = "fresh seed" if one.best.fresh and one.kind == "search" else "seed"
        yield "best", f"{one.best.score:.1f} on {faces}, {plural(one.best.seeds, kind)}; {cell_text(one.best.cell)}"
        if one.floor:
            yield "floor", ", ".join(f"{name} {score:.1f}" for name, score in one.floor.items()) + f" on {faces}"
    yield "images", f"{short_count(one.images)} seen in training"
    if any(part.left for part in one.parts):
        yield "left", "not known yet" if one.seconds_left is None else f"about {duration(one.seconds_left)}"


def how_to_continue(one: "Status") -> str | None:
    """The command that goes on with a study on which nobody works and that is not finished."""
    from kpbench.analysis.status import WORKED_ON

    return None if one.standing in (*WORKED_ON, "finished") else one.command


def state(one: "Status") -> str:
    """Whether somebody works on the study, or how the last one left it."""
    driver, begun = one.driver, f"session {one.sessions}" if one.sessions > 1 else ""
    match one.standing:
        case "running" if driver is not None and driver.ended is None:
            since = f"running since {clock(driver.since)}, process {driver.pid}"
            return ", ".join(filter(None, [since, begun, driver.stage]))
        case "elsewhere" if driver is not None:
            return f"running on {driver.host} since {clock(driver.since)}, unless it was killed there"
        case "killed":
            return f"killed: its driver is gone; last row {clock(one.last)}" if one.last else "killed before any row"
        case "interrupted":
            return "interrupted; nothing finished is lost"
        case "failed":
            return "the last command ended in an error; nothing finished is lost"
        case "incomplete":
            return "not finished, and nobody works on it"
    return one.standing


def clock(when: str) -> str:
    """A UTC time as this machine's clock shows it, with the day where it is not today's."""
    local = datetime.fromisoformat(when).astimezone()
    return f"{local:%H:%M}" if local.date() == datetime.now(local.tzinfo).date() else f"{local:%Y-%m-%d %H:%M}"


def duration(seconds: float) -> str:
    """A time to come, to the minute, from an hour on to the tenth of one: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
