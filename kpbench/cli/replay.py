"""`kpbench replay`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

LEAST = 50
"""Replays below which a bootstrap interval of their mean is too short."""


def replay(
    study: Annotated[str, typer.Argument(help="A study with every cell trained in full: its folder, or its name.")],
    samplers: Annotated[
        str, typer.Option(help="Who chooses cells (`kpbench ls samplers`); gp takes seconds a trial, hours in all.")
    ] = "random,additive,tpe",
    schedulers: Annotated[str, typer.Option(help="Early stopping, each with each sampler.")] = "none,asha_late",
    replays: Annotated[int, typer.Option(min=LEAST, help="Searches of each.")] = 200,
    near: Annotated[str, typer.Option(help="How far below the best score a cell is as good: 1% or 0.01.")] = "1%",
    budget: Annotated[
        int | None,
        typer.Option(min=1, help="Whole trials after which regret is taken.  [default: a third of the cells]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the samplers.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    to: Annotated[Path | None, typer.Option(help="Also write a page, X.html, with regret over images seen.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> int:
    """Say which sampler and early stopping need fewer images, by searches replayed on a study's runs.

    Nothing is trained: a search with --scheduler none over all cells, or a crossed ablation, is the table in which
    scores are looked up. The control is random search without stopping.
    """
    from kpbench.analysis.replay import cautions, read_table
    from kpbench.cli.options import share
    from kpbench.cli.pages import refuse_place, write_file
    from kpbench.cli.progress import View
    from kpbench.cli.replay_text import plain, text
    from kpbench.errors import UsageError, lookup
    from kpbench.sampling.samplers import SAMPLERS
    from kpbench.sampling.schedulers import SCHEDULERS
    from kpbench.store.finding import find_study
    from kpbench.store.plan import read_plan
    from kpbench.studies.replay import replayed

    samplers, schedulers = (",".join(word.strip() for word in words.split(",")) for words in (samplers, schedulers))
    for words, table_of, what in ((samplers, SAMPLERS, "sampler"), (schedulers, SCHEDULERS, "scheduler")):
        for word in words.split(","):
            lookup(table_of, word, what)
    if not 0 <= (within := share(near, option="--near")) < 1:
        raise UsageError(f"--near must be at least 0 and below 1, got {near}")
    if to is not None and to.suffix.lower() != ".html":
        raise UsageError(f"--to {to}: a page ends in .html; --json prints JSON")
    refuse_place(to)
    folder = find_study(study, out)
    table = read_table(folder)
    trials = budget or max(1, round(len(table.cells) / 3))
    if trials > len(table.cells):
        raise UsageError(f"--budget {trials} is more than the {len(table.cells)} cells of {folder.name}")
    searches = [(sampler, scheduler) for sampler in samplers.split(",") for scheduler in schedulers.split(",")]
    with View(quiet=quiet) as view:
        asked: dict[str, Any] = {"replays": replays, "near": within, "budget": trials, "seed": seed}
        found = list(replayed(table, searches, view.say, **asked, whole=to is not None))
    notes = cautions(table, read_plan(folder).seeds)
    lines = list(text(found, table, replays=replays, near=within, budget=trials, notes=notes))
    if to is not None:
        from kpbench.report.replay import replay_page

        write_file(to, replay_page(folder.name, found, lines))
    if as_json:
        typer.echo(json.dumps({"study": folder.name, **plain(found, table, near=within), **asked, "notes": notes}))
        return 0
    typer.echo("\n".join([*lines, *([f"written  {to}"] if to else [])]))
    return 0
