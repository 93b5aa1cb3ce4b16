"""The design of an ablation: factors, levels, cells and blocks, fixed and hashed before the first run."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from kpbench.cell import Scalar, Value, cell_id, spoken
from kpbench.errors import UsageError, nearest
from kpbench.seeds import block_seed
from kpbench.space.space import Choice, Range, SearchSpace
from kpbench.space.tuning import Tuning

FIRST_BLOCK, CONTROL_BLOCKS = 1_000, 5_000
"""Where an ablation's blocks and those of its A/A cohort begin: no search trial has their seeds."""


Split = Literal["val", "test"]


class Compared(Value):
    """A contrast planned by name: a level against another of the same factor.

    Attributes:
        at: levels at which other factors are held; of a crossed design it is averaged over the rest.
    """

    factor: str
    level: Scalar
    baseline: Scalar
    at: dict[str, Scalar] = Field(default_factory=dict)


class Matched(Value):
    """The size-matched control of a contrast: the baseline with as many parameters as the level.

    Attributes:
        change: what differs from the baseline cell, by dotted name.
        parameters: the control's; `wanted` the level's.
    """

    factor: str
    level: Scalar
    change: dict[str, Scalar]
    parameters: int
    wanted: int


class Design(Value):
    """What will be run and compared.

    Attributes:
        factors: dotted name -> levels, the baseline's first.
        asked: the factors whose contrasts are planned.
        crossed: a full factorial of all factors; else one factor at a time, the others at the baseline.
        cells: for each cell its level of every factor.
        blocks: run seeds; every cell is trained with each.
        control: run seeds of the A/A arm, the baseline cell under another cohort.
        sesoi: smallest effect of interest, a share of MSE.
        shifts: pixels by which test faces are shifted for an extra measure; None where there is none.
        also: digest of other faces on whose val split every network is scored too.
        tuning: how each cell's recipe is found; None where it is fixed.
        matched: size-matched controls; None where none was asked for.
        split: faces that cells are judged on, `val`; None for the sealed test, as in plans of earlier versions.
        contrasts: planned beside those of `asked` with the baseline; None where none was asked for.
        looks: numbers of blocks at which a sequential design is looked at; None for one look at the end.
        resplit: whether train and val are drawn anew, by person, in each block; None where the data's own are kept.
    """

    factors: dict[str, tuple[Scalar, ...]]
    asked: tuple[str, ...]
    crossed: bool
    cells: tuple[dict[str, Scalar], ...]
    blocks: tuple[int, ...]
    control: tuple[int, ...]
    sesoi: float
    alpha: float
    power: float
    correction: str
    shifts: tuple[int, ...] | None = None
    also: str | None = None
    tuning: Tuning | None = None
    matched: tuple[Matched, ...] | None = None
    split: str | None = None
    contrasts: tuple[Compared, ...] | None = None
    looks: tuple[int, ...] | None = None
    resplit: bool | None = None

    @property
    def baseline(self) -> dict[str, Scalar]:
        """The baseline level of every factor."""
        return {name: levels[0] for name, levels in self.factors.items()}

    @property
    def runs(self) -> int:
        """The number of runs that are scored, the A/A arm and size-matched controls included."""
        return self.runs_of(len(self.blocks))

    def runs_of(self, blocks: int) -> int:
        """The same of the first blocks alone."""
        return (len(self.cells) + self.controls) * blocks + min(blocks, len(self.control))

    @property
    def judged_on(self) -> Split:
        """The faces on which the cells are judged: val, or the sealed test in plans of earlier versions."""
        return "val" if self.split == "val" else "test"

    @property
    def family_size(self) -> int:
        """The number of planned contrasts."""
        return sum(len(self.factors[name]) - 1 for name in self.asked) + len(self.contrasts or ())

    @property
    def controls(self) -> int:
        """The number of different size-matched controls; levels of one size share theirs."""
        return len({tuple(one.change.items()) for one in self.matched or ()})


def factorial(factors: Mapping[str, Sequence[Scalar]], *, crossed: bool) -> tuple[dict[str, Scalar], ...]:
    """The cells over factors whose first level is the baseline, the baseline cell first.

    Crossed, every combination; else the baseline and each other level of one factor at a time.
    """
    if crossed:
        return tuple(dict(zip(factors, levels, strict=True)) for levels in itertools.product(*factors.values()))
    base = {name: levels[0] for name, levels in factors.items()}
    single = [{**base, name: level} for name, levels in factors.items() for level in levels[1:]]
    return (base, *single)


def blocks_of(seed: int, n: int, *, control: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Run seeds of `n` blocks and of the A/A cohort, which is empty without `control`.

    Raises:
        UsageError: more blocks than there are run seeds before those of the A/A cohort.
    """
    if n > (most := CONTROL_BLOCKS - FIRST_BLOCK):
        raise UsageError(f"an ablation has at most {most:,} seeds, got {n:,}")
    blocks = tuple(block_seed(seed, FIRST_BLOCK + block) for block in range(n))
    return blocks, tuple(block_seed(seed, CONTROL_BLOCKS + block) for block in range(n)) if control else ()


def read_contrast(space: SearchSpace, text: str, factors: Mapping[str, Sequence[Scalar]]) -> Compared:
    """`norm=spatial_batch:batch @ depth=4`: a level of a factor against another, others held where they are named.

    Raises:
        UsageError: another form, a factor that is none of the design's, or a level that the design does not have.
    """
    what, _, where = text.partition("@")
    name, equals, pair = what.partition("=")
    if not (equals and ":" in pair):
        raise UsageError(f"--contrast '{text}' is not of the form FACTOR=LEVEL:LEVEL @ FACTOR=LEVEL")
    held = [word.partition("=") for word in where.split(",") if word.strip()]
    own = _in_design(space, name, factors)
    ends = [at for at, letter in enumerate(pair) if letter == ":"]  # a level may have a colon, my_layers.py:MyNorm
    known = {spoken(level) for level in factors[own]}
    end = next((at for at in ends if {pair[:at].strip(), pair[at + 1 :].strip()} <= known), ends[0])
    return Compared(
        factor=own,
        level=_known_level(own, pair[:end], factors[own]),
        baseline=_known_level(own, pair[end + 1 :], factors[own]),
        at={
            at: _known_level(at, word, factors[at]) for key, _, word in held for at in [_in_design(space, key, factors)]
        },
    )


def _in_design(space: SearchSpace, word: str, factors: Mapping[str, Sequence[Scalar]]) -> str:
    name = find_factor(space, word.strip())
    if name not in factors:
        raise UsageError(f"--contrast names {name}, which is no factor of this ablation: {', '.join(factors)}")
    return name


def _known_level(name: str, word: str, levels: Sequence[Scalar]) -> Scalar:
    by_word = {spoken(level): level for level in levels}
    if word.strip() not in by_word:
        raise UsageError(f"--contrast: {name} has no level '{word.strip()}' here; {nearest(word.strip(), by_word)}")
    return by_word[word.strip()]


def find_factor(space: SearchSpace, word: str) -> str:
    """The dotted name of a parameter that may be called by its last part (`dropout`).

    Raises:
        UsageError: the space has no such parameter; the nearest name is shown.
    """
    if word in space.parameters:
        return word
    found = [name for name in space.parameters if name.rpartition(".")[2] == word]
    if len(found) == 1:
        return found[0]
    known = {name.rpartition(".")[2] for name in space.parameters} | set(space.parameters)
    problem = f"'{word}' is short for {' and '.join(found)}" if found else f"unknown factor '{word}'"
    raise UsageError(f"{problem}; {nearest(word, known)}")


def levels_of(
    space: SearchSpace, name: str, *, words: Sequence[str] | None, baseline: str | None
) -> tuple[Scalar, ...]:
    """The levels of a factor, its baseline first: the space's, or those named in `words`.

    Raises:
        UsageError: an unknown level (nearest shown), a range without named levels, a single level, a baseline outside.
    """
    parameter = space.parameters[name]
    if words is None and isinstance(parameter, Range):
        raise UsageError(f"{name} is a range; name its levels: --levels {name}=LOW,MIDDLE,HIGH")
    known = list(parameter.values) if isinstance(parameter, Choice) else []
    levels = [_level(name, parameter, word) for word in words] if words else known
    first = _level(name, parameter, baseline) if baseline is not None else space.baseline.get(name, levels[0])
    if first not in levels:
        if baseline is not None or words is None:
            raise UsageError(f"the baseline {name}={first} is not among its levels: {', '.join(map(str, levels))}")
        levels = [first, *levels]
    ordered = tuple(dict.fromkeys([first, *levels]))
    if len(ordered) < 2:
        raise UsageError(f"factor {name} has one level, {ordered[0]}; an ablation needs at least two")
    return ordered


def _level(name: str, parameter: Choice | Range, word: str) -> Scalar:
    if isinstance(parameter, Choice):
        by_word = {spoken(value): value for value in parameter.values}
        if word not in by_word:
            raise UsageError(f"{name} has no level '{word}'; {nearest(word, by_word)}")
        return by_word[word]
    whole = isinstance(parameter.low, int) and isinstance(parameter.high, int)
    try:
        value = int(word) if whole else float(word)
    except ValueError:
        raise UsageError(f"{name}: '{word}' is not a {'whole ' if whole else ''}number") from None
    if not parameter.low <= value <= parameter.high:
        raise UsageError(f"{name}: {value} is outside {parameter.low} to {parameter.high}")
    return value


def base_cell(space: SearchSpace) -> dict[str, Scalar]:
    """Every parameter that has one plain value: fixed, at the space's baseline, or the first of its choices."""
    return {
        name: space.baseline.get(name, parameter.values[0])
        for name, parameter in space.parameters.items()
        if isinstance(parameter, Choice)
    } | {name: value for name, value in space.baseline.items() if name in space.parameters}


def whole_cell(
    space: SearchSpace, levels: Mapping[str, Scalar], *, recipe: Mapping[str, Scalar] | None = None
) -> dict[str, Scalar]:
    """The space's base cell with these levels and this recipe, without what does not apply there.

    Raises:
        UsageError: a level has no effect in that cell because its condition is not met.
    """
    cell = space.settle({**base_cell(space), **levels, **(recipe or {})})
    for name in levels:
        if name not in cell:
            needs = ", ".join(f"{other} in {list(allowed)}" for other, allowed in space.parameters[name].when.items())
            raise UsageError(f"{name} means nothing at this baseline: it applies where {needs}; see --baseline")
    return cell


def refuse_same_cells(cells: Sequence[Mapping[str, Scalar]]) -> None:
    """Refuses a design in which two cells are the same network.

    Raises:
        UsageError: with the number of cells that differ.
    """
    different = len({cell_id(cell) for cell in cells})
    if different < len(cells):
        raise UsageError(f"only {different} of {len(cells)} cells differ; a level changes nothing at this baseline")
