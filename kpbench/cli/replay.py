"""`kpbench replay`."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kpbench.analysis.replay import Outcome, Replays
    from kpbench.sampling.table import Table
    from kpbench.statistics.resampling import Resampled

WIDTH = 60
LEAST = 20
"""Replays below which a bootstrap interval of their mean is too short."""


def replay(
    study: Annotated[str, typer.Argument(help="A study with every cell trained in full: its folder, or its name.")],
    samplers: Annotated[
        str, typer.Option(help="Who chooses cells (`kpbench ls samplers`); gp takes seconds a trial, so hours in all.")
    ] = "random,tpe,evolution",
    schedulers: Annotated[str, typer.Option(help="Early stopping, each with each sampler.")] = "none,asha_late",
    replays: Annotated[int, typer.Option(min=LEAST, help="Searches of each.")] = 200,
    near: Annotated[str, typer.Option(help="How far below the best score a cell is as good: 1% or 0.01.")] = "1%",
    budget: Annotated[
        int | None,
        typer.Option(min=1, help="Whole trials after which regret is taken.  [default: a third of the cells]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the samplers.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> int:
    """Say which sampler and early stopping need fewer images, by searches replayed on a study's runs.

    Nothing is trained: a search with --scheduler none over all cells, or a crossed ablation, is the table in which
    scores are looked up. The control is random search without stopping.
    """
    from kpbench.analysis.replay import cautions, read_table
    from kpbench.cli.lines import wrapped
    from kpbench.cli.options import share
    from kpbench.cli.progress import View
    from kpbench.errors import UsageError, lookup
    from kpbench.sampling.samplers import SAMPLERS
    from kpbench.sampling.schedulers import SCHEDULERS
    from kpbench.store.study import find_study

    for words, table_of, what in ((samplers, SAMPLERS, "sampler"), (schedulers, SCHEDULERS, "scheduler")):
        for word in words.split(","):
            lookup(table_of, word, what)
    if not 0 <= (within := share(near, option="--near")) < 1:
        raise UsageError(f"--near must be at least 0 and below 1, got {near}")
    folder = find_study(study, out)
    table = read_table(folder)
    trials = budget or max(1, round(len(table.cells) / 3))
    if trials > len(table.cells):
        raise UsageError(f"--budget {trials} is more than the {len(table.cells)} cells of {folder.name}")
    names = [(sampler, scheduler) for sampler in samplers.split(",") for scheduler in schedulers.split(",")]
    with View(quiet=quiet) as view:
        found = list(_replayed(table, names, view.say, replays=replays, near=within, budget=trials, seed=seed))
    notes = cautions(table)
    if as_json:
        facts = {"study": folder.name, "cells": len(table.cells), "seeds": len(table.seeds), "epochs": table.epochs}
        asked = {"images_per_epoch": table.images, "replays": replays, "near": within, "budget": trials, "seed": seed}
        searches = [{**asdict(one), "verdict": one.verdict} for one in found]
        truth = {"judged_by": _judges(table), "cells_near_best": _as_good(table, within)}
        typer.echo(json.dumps({**facts, **asked, **truth, "searches": searches, "notes": notes}))
        return 0
    for line in _text(found, table, replays=replays, near=within, budget=trials):
        typer.echo(line)
    for note in notes:
        typer.echo("\n".join(wrapped(f"warning: {note}", WIDTH, 9)))
    return 0


def _replayed(
    table: "Table",
    names: Sequence[tuple[str, str]],
    say: Callable[[str, float], None],
    *,
    replays: int,
    near: float,
    budget: int,
    seed: int,
) -> Iterator["Replays"]:
    from kpbench.analysis.replay import summed
    from kpbench.sampling.replay import looked_up
    from kpbench.sampling.schedulers import SCHEDULERS
    from kpbench.studies.replay import CONTROL, outcomes

    control: list[Outcome] = []
    for sampler, scheduler in dict.fromkeys([CONTROL, *names]):
        train = partial(looked_up, table, scheduler=SCHEDULERS[scheduler])
        until = budget * table.epochs
        mine = []
        for one in outcomes(table, sampler, train, replays=replays, near=near, seed=seed, until=until):
            mine.append(one)
            say(f"replaying {_name(sampler, scheduler)}", len(mine) / replays)
        control = control or mine
        yield summed((sampler, scheduler), mine, control, table, budget=budget)


def _name(sampler: str, scheduler: str) -> str:
    return f"{sampler} + {scheduler}"


def _judges(table: "Table") -> str:
    return "the other seeds" if len(table.seeds) > 1 else "its own seed"


def _as_good(table: "Table", near: float) -> tuple[int, int]:
    """The fewest and the most cells that are near the best, over the seeds that are replayed."""
    from kpbench.sampling.table import near_best

    counts = [len(near_best(table.truth(seed), near)) for seed in table.seeds]
    return min(counts), max(counts)


def _text(found: Sequence["Replays"], table: "Table", *, replays: int, near: float, budget: int) -> Iterator[str]:
    from kpbench.cli.lines import table as lines
    from kpbench.cli.lines import wrapped
    from kpbench.statistics.words import number, plural, short_count

    few, most = _as_good(table, near)
    size, within = len(table.cells), f"{100 * near:g}\N{NO-BREAK SPACE}%"
    head = (
        f"{plural(size, 'cell')}, {plural(len(table.seeds), 'seed')}, {plural(table.epochs, 'epoch')} of "
        f"{table.images:,} images; {replays:,} replays each. Best by the mean score over {_judges(table)}; within "
        f"{within} of it: {few if few == most else f'{few} to {most}'} of {plural(size, 'cell')}."
    )
    names = [_name(one.sampler, one.scheduler) for one in found]
    images = [
        (name, _shown(one.images, _count), f"{one.trials.value:.1f}", f"{100 * one.never:.0f} %")
        for name, one in zip(names, found, strict=True)
    ]
    regret = [(name, _shown(one.regret, _percent)) for name, one in zip(names, found, strict=True)]
    spent = short_count(budget * table.epochs * table.images)
    yield from (line.replace("\N{NO-BREAK SPACE}", " ") for line in wrapped(head, WIDTH))
    yield from ("", "until such a cell had its whole run (never: all stopped)")
    yield from lines(("", "images (95 %)", "trials", "never"), images, right=(2, 3), gap=1)
    yield from ("", f"regret after {plural(budget, 'whole trial')}, {spent} images")
    yield from lines(("", "% of the best score (95 %)"), regret, gap=1)
    yield ""
    for name, one in zip(names, found, strict=True):
        if one.ratio is not None:
            word = "undecided," if one.verdict == "undecided" else "needs"
            yield from wrapped(f"{name} {word} {_shown(one.ratio, number)} of the images of random search", WIDTH, 2)


def _shown(one: "Resampled", show: Callable[[float], str]) -> str:
    from kpbench.statistics.words import ends_text

    return f"{show(one.value)} ({ends_text((one.low, one.high), show)})"


def _count(value: float) -> str:
    from kpbench.statistics.words import short_count

    return short_count(round(value))


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
