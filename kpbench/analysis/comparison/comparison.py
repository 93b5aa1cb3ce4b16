"""Two studies, or two cells, compared: refused where they do not compare, else one family of contrasts, A over B."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from kpbench.analysis.comparison.arms import Arm, arm_of, counted, default_arm, differing
from kpbench.analysis.comparison.named import named_arm
from kpbench.analysis.comparison.pairs import CellComparison, compare_pairs
from kpbench.analysis.comparison.study import StudyRows, on_one_split
from kpbench.cell import Scalar
from kpbench.errors import UsageError
from kpbench.space.design import Split
from kpbench.statistics.verdicts import needed_seeds
from kpbench.statistics.words import plural
from kpbench.store.files import no_collection

ACROSS = ("recipe",)
"""What may differ between the arms where it is asked for."""

LEAST_ALPHA = 1e-4
"""Below this the detectable effect of two seeds is past every number."""

NAMED = 3
"""Differing parameters of a recipe that a refusal names."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """The result of `compare`.

    Attributes:
        pairs: one family of contrasts; several only where two ablations are compared over their common cells.
        recipes: the two arms' digests (`recipe_digest`), of the first pair.
        unlike: parameters of the recipe that differ, with both values; empty unless that was asked for.
        alone: scored cells that only one of two ablations has, left out; (0, 0) where cells were picked.
    """

    first: StudyRows
    second: StudyRows
    pairs: tuple[CellComparison, ...]
    recipes: tuple[str, str]
    unlike: Mapping[str, tuple[Scalar | None, ...]]
    alone: tuple[int, int]
    across: tuple[str, ...]
    sesoi: float
    alpha: float

    @property
    def split(self) -> Split:
        """The faces that both sides were scored on."""
        return self.first.split

    @property
    def needed(self) -> int:
        """The seeds that a verdict needs in each arm."""
        return needed_seeds(len(self.pairs), self.alpha)

    @property
    def one(self) -> CellComparison | None:
        """The only pair, where one cell of each study was picked."""
        return self.pairs[0] if self.pairs[0].a.chosen != "common" else None


@no_collection()
def compare(
    first: StudyRows,
    second: StudyRows,
    *,
    cells: tuple[str | None, str | None] = (None, None),
    sesoi: float = 0.05,
    alpha: float = 0.05,
    across: Collection[str] = (),
) -> Comparison:
    """A cell of each study compared, or every cell that two ablations share.

    Both sides are judged on one split (`on_one_split`), over all their seeds (`overlapping`).

    Args:
        cells: what picks the cell of each study; without one the best of a search, the baseline of an ablation, and of
            two ablations all that they share.
        sesoi: smallest effect of interest as a share of MSE.
        alpha: error rate of the family of contrasts (Holm).
        across: what may differ, of `ACROSS`.

    Raises:
        UsageError: data, benchmark, scorer or recipe differ (both hashes are named), a word picks no cell or several,
            both are the same, or a number is out of range.
    """
    for option, value, most in (("--sesoi", sesoi, 1.0), ("--alpha", alpha, 0.5)):
        if not 0 < value < most:
            raise UsageError(f"{option} must lie between 0 and {most:g}, got {value:g}")
    for word in across:
        if word not in ACROSS:
            raise UsageError(f"unknown --across '{word}'. Known: {', '.join(ACROSS)}")
    refuse_other_task(first, second)
    first, second = on_one_split(first, second)
    pairs = _pairs(first, second, cells)
    if alpha / len(pairs) < LEAST_ALPHA:
        raise UsageError(
            f"--alpha {alpha:g} over {plural(len(pairs), 'cell')} is too small; give {LEAST_ALPHA * len(pairs):g}"
        )
    for one, other in pairs:
        refuse_other_recipe(one, other, across)
    alone = [len(counted(study)) - len(pairs) for study in (first, second)]
    return Comparison(
        first=first,
        second=second,
        pairs=compare_pairs(pairs, sesoi=sesoi, alpha=alpha),
        recipes=(recipe_digest(pairs[0][0]), recipe_digest(pairs[0][1])),
        unlike=differing([recipe(arm) for arm in pairs[0]]),
        alone=(alone[0], alone[1]) if pairs[0][0].chosen == "common" else (0, 0),
        across=tuple(dict.fromkeys(across)),
        sesoi=sesoi,
        alpha=alpha,
    )


def refuse_other_task(first: StudyRows, second: StudyRows) -> None:
    """Refuses two studies whose scores are of different things.

    Raises:
        UsageError: the faces with their split, the benchmark or the scorer differ; both hashes are named. Or one alone
            has train and val faces of its own in each block.
    """
    kinds = (("data", "faces or their split"), ("benchmark", "the benchmark"), ("scorer", "the scorer's version"))
    by_labels = first.plan.labels != second.plan.labels and first.plan.held_out == second.plan.held_out is not None
    wrong = [
        f"{words} ({kind} {before} against {after})"
        for kind, words in kinds
        if (before := getattr(first.plan, kind)) != (after := getattr(second.plan, kind))
        and not (kind == "data" and by_labels)  # scored on the same faces; how they were trained is the recipe's
    ]
    drawn_anew = [bool(study.plan.design and study.plan.design.resplit) for study in (first, second)]
    if drawn_anew[0] != drawn_anew[1]:
        wrong.append("whether train and val are drawn anew in each block (--resplit)")
    if wrong:
        raise UsageError(
            f"{first.name} and {second.name} do not compare, they differ in {' and '.join(wrong)}; "
            "compare studies of the same faces, split, benchmark and scorer"
        )


def recipe(arm: Arm) -> dict[str, Scalar]:
    """How a cell was trained: every `training.*` parameter, epochs, labels, precision, device, the code's recipe."""
    plan = arm.source.plan
    training = {name: value for name, value in sorted(arm.params.items()) if name.startswith("training.")}
    return {
        **training,
        "labels": plan.labels or "complete",
        "epochs": plan.epochs,
        "precision": plan.precision,
        "device": plan.device,
        "code": arm.source.versions.get("recipe", "1"),
    }


def recipe_digest(arm: Arm) -> str:
    """Sixteen hex digits over `recipe`; a whole number and the same decimal are one value."""
    plain = {name: float(v) if type(v) in (int, float) else v for name, v in recipe(arm).items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def refuse_other_recipe(first: Arm, second: Arm, across: Collection[str] = ()) -> None:
    """Refuses two cells that were trained differently, unless that is asked for.

    Raises:
        UsageError: both hashes, and the first parameters that differ with both values.
    """
    digests = recipe_digest(first), recipe_digest(second)
    if digests[0] == digests[1] or "recipe" in across:
        return
    apart = differing([recipe(first), recipe(second)])
    shown = [f"{name} {_shown(a)} against {_shown(b)}" for name, (a, b) in list(apart.items())[:NAMED]]
    more = f" and {len(apart) - NAMED} more" if len(apart) > NAMED else ""
    raise UsageError(
        f"{first.study} and {second.study} were trained by other recipes ({digests[0]} against "
        f"{digests[1]}): {', '.join(shown)}{more}; train both alike, or compare network plus recipe with "
        "--across recipe"
    )


def _pairs(first: StudyRows, second: StudyRows, words: tuple[str | None, str | None]) -> list[tuple[Arm, Arm]]:
    same = first.place == second.place
    if words == (None, None) and first.plan.design is not None and second.plan.design is not None:
        if same:
            raise UsageError(f"both sides are {first.name}; name a cell of each: {first.name}:NAME=LEVEL, or its id")
        return _common(first, second)
    arms = [
        default_arm(study) if word is None else named_arm(study, word)
        for study, word in zip((first, second), words, strict=True)
    ]
    if same and arms[0].cell == arms[1].cell:
        raise UsageError(f"both sides are cell {arms[0].cell} of {first.name}; name two different ones")
    return [(arms[0], arms[1])]


def _common(first: StudyRows, second: StudyRows) -> list[tuple[Arm, Arm]]:
    here, there = counted(first), counted(second)
    common = [cell for cell in here if cell in there]
    if not common:
        apart = _never_alike([rows[0].params for rows in here.values()], [rows[0].params for rows in there.values()])
        why = f" ({apart})" if apart else ""
        raise UsageError(
            f"{first.name} and {second.name} have no scored cell in common{why}; name one of each: "
            f"{first.name}:NAME=LEVEL {second.name}:NAME=LEVEL"
        )
    planned = first.plan.design.cells if first.plan.design else ()
    places = {cell: [levels.items() <= here[cell][0].params.items() for levels in planned] for cell in common}
    common.sort(key=lambda cell: (*places[cell], True).index(True))  # as planned, not as trained
    return [(arm_of(first, here[cell], "common"), arm_of(second, there[cell], "common")) for cell in common]


def _never_alike(first: Sequence[Mapping[str, Scalar]], second: Sequence[Mapping[str, Scalar]]) -> str:
    """The first parameter in which no cell of one study is like one of the other's."""
    for name in sorted({name for params in (*first, *second) for name in params}):
        one, other = ({_shown(params.get(name)) for params in cells} for cells in (first, second))
        if not one & other:
            return f"{name} is {'|'.join(sorted(one))} against {'|'.join(sorted(other))}"
    return ""


def _shown(value: Scalar | None) -> str:
    return "not there" if value is None else str(value)
