"""Adding seeds in looks that were planned: a sequential design whose error rate is spent look by look."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from kpbench.errors import UsageError
from kpbench.statistics.blocks import BlockTable, complete_blocks, first_blocks
from kpbench.statistics.contrasts import Contrast, compare
from kpbench.statistics.decisions import Terms
from kpbench.statistics.plan import PlannedContrast
from kpbench.statistics.simple_effects import SimpleEffects, all_with_direction

FINAL = ("better", "worse", "mixed", "equivalent", "present", "negligible")
"""Words with which a contrast is decided; it is not tested again at a later look."""


def check_looks(looks: Sequence[int]) -> tuple[int, ...]:
    """Looks as planned: numbers of seeds that rise.

    Raises:
        UsageError: fewer than two, one below 2, or one that does not rise.
    """
    if len(looks) < 2 or looks[0] < 2 or any(later <= earlier for earlier, later in pairwise(looks)):
        given = ",".join(map(str, looks))
        raise UsageError(f"--looks must be at least two rising numbers of seeds such as 8,16,32, got '{given}'")
    return tuple(looks)


def spent_alpha(looks: Sequence[int], at: int, alpha: float) -> float:
    """The share of alpha that the look at a position may spend: in proportion to the seeds it adds.

    A linear spending function (Kim & DeMets 1987, Biometrika 74, 149, with exponent 1). The shares add up to alpha, so
    by the union bound the whole family keeps its error rate whatever the dependence between looks, at a little power.
    """
    before = looks[at - 1] if at else 0
    return alpha * (looks[at] - before) / looks[-1]


def at_look(terms: Terms, looks: Sequence[int], n: int) -> Terms:
    """The terms of the look at n seeds: its own share of alpha. A design ends at one look, so one share is spent.

    Without looks, and at a number of seeds that is none of them, the terms as they are.
    """
    return replace(terms, alpha=spent_alpha(looks, looks.index(n), terms.alpha)) if n in looks else terms


def reached(table: BlockTable, looks: Sequence[int]) -> int:
    """How many looks have all their blocks complete."""
    return sum(complete_blocks(first_blocks(table, n)).shape[1] == n for n in looks)


def compare_with_direction(
    table: BlockTable, family: Sequence[PlannedContrast], terms: Terms, looks: Sequence[int] = ()
) -> tuple[tuple[Contrast, ...], tuple[SimpleEffects | None, ...]]:
    """Every contrast with its direction over the other factors' levels checked, and the effects at each.

    In a sequential design each is as the first look found it at which it was decided, else as the last look that is
    complete did; each look tests the whole family at its share of alpha, on its own blocks alone. While the first look
    is not complete, contrasts are as its blocks so far give them, and those that lack a block are `incomplete`.

    Args:
        looks: rising numbers of blocks, the last all that are planned; none for one look at the end.
    """
    if not looks:
        return all_with_direction(table, compare(table, family, terms), terms)
    found: list[tuple[Contrast, SimpleEffects | None]] = []
    for at in range(max(1, reached(table, looks))):
        share, blocks = at_look(terms, looks, looks[at]), first_blocks(table, looks[at])
        seen = zip(*all_with_direction(blocks, compare(blocks, family, share), share), strict=True)
        found = (
            [old if old[0].word in FINAL else new for old, new in zip(found, seen, strict=True)] if found else [*seen]
        )
    return tuple(one for one, _ in found), tuple(simple for _, simple in found)


def next_look(table: BlockTable, contrasts: Sequence[Contrast], looks: Sequence[int]) -> int | None:
    """The number of blocks to run up to: of the next look; None where all are decided or the last one is complete."""
    done = reached(table, looks)
    if done == len(looks) or (done and all(one.word in FINAL for one in contrasts)):
        return None
    return looks[done]
