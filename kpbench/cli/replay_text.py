"""Replayed searches in lines of at most 60 columns and as one JSON object."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from kpbench.analysis.replay import Replays, good_cells
from kpbench.cli.lines import table as lines
from kpbench.cli.lines import wrapped
from kpbench.sampling.table import Table
from kpbench.statistics.resampling import Resampled
from kpbench.statistics.words import ends_text, number, plural, short_count

WIDTH = 60
KEPT = "\N{NO-BREAK SPACE}"


def text(
    found: Sequence[Replays], table: Table, *, replays: int, near: float, budget: int, notes: Sequence[str]
) -> Iterator[str]:
    """The figures for a person: images, regret, verdicts, warnings."""
    few, most = good_cells(table, near)
    size = plural(len(table.cells), "cell")
    head = (
        f"{size}, {plural(len(table.seeds), 'seed')}, {plural(table.epochs, 'epoch')} of {table.images:,} images; "
        f"{replays:,} replays each. Best by the mean score over {_judges(table)}; within {100 * near:g}{KEPT}% of it: "
        f"{few if few == most else f'{few} to {most}'} of {size}."
    )
    yield from (line.replace(KEPT, " ") for line in wrapped(head, WIDTH))
    yield from ("", "until such a cell had its whole run (never: all stopped)")
    rows = [(one.name, _shown(one.images, _count), f"{one.trials.value:.1f}", _percent(one.never)) for one in found]
    yield from lines(("", "images (95 %)", "trials", "never %"), rows, right=(2, 3), gap=1)
    yield from (
        "",
        f"regret after {plural(budget, 'whole trial')}, {_count(budget * table.epochs * table.images)} images",
    )
    regret = [(one.name, _shown(one.regret, _percent)) for one in found]
    yield from lines(("", "% of the best score (95 %)"), regret, gap=1)
    yield ""
    for one in found:
        if one.ratio is not None:
            word = "undecided," if one.verdict == "undecided" else "needs"
            verdict = f"{one.name} {word} {_shown(one.ratio, number)} of the images of random search"
            yield from wrapped(verdict, WIDTH, 2)
    for note in notes:
        yield from wrapped(f"warning: {note}", WIDTH, 9)


def plain(found: Sequence[Replays], table: Table, *, near: float) -> dict[str, Any]:
    """What `kpbench replay --json` prints of the table and the figures."""
    return {
        "cells": len(table.cells),
        "seeds": len(table.seeds),
        "epochs": table.epochs,
        "images_per_epoch": table.images,
        "judged_by": _judges(table),
        "cells_near_best": good_cells(table, near),
        "searches": [{**asdict(one), "verdict": one.verdict} for one in found],
    }


def _judges(table: Table) -> str:
    return "the other seeds" if len(table.seeds) > 1 else "its own seed"


def _shown(one: Resampled, show: Callable[[float], str]) -> str:
    return f"{show(one.value)} ({ends_text((one.low, one.high), show)})"


def _count(value: float) -> str:
    return short_count(round(value))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
