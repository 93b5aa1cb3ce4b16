"""The checks of a data set, and how they are run."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from kpbench.errors import UsageError, plural
from kpbench.faces.checks import amounts, copies, orientation, outliers, pictures, places
from kpbench.faces.checks.pool import SEVERITIES, Finding, Pool, plain_pool
from kpbench.faces.parts import Parts, Progress, silent


@dataclass(frozen=True)
class Check:
    """What is looked for, in a few words, and how.

    Attributes:
        unless: checks above it in the table that explain a finding: rows that they name are not named again.
    """

    title: str
    find: Callable[[Pool], Iterator[Finding]]
    unless: tuple[str, ...] = ()


_WRONG_PLACES = ("scaled", "placeholder", "far_outside", "transposed", "swapped", "upside_down")

CHEAP = ("blank", *_WRONG_PLACES, "cut_off")
"""Checks of single faces, under a second for 10,000: whoever loads faces for training is told of them."""

CHECKS: dict[str, Check] = {
    "unusable": Check("cannot be loaded", amounts.unusable),
    "same_picture": Check("the same picture twice", copies.same_picture),
    "near_copy": Check("nearly the same picture", copies.near_copy),
    "shared_people": Check("a person in two splits", copies.shared_people),
    "blank": Check("nothing to see", pictures.blank),
    "scaled": Check("labels not in pixels", places.scaled),
    "placeholder": Check("placeholders for labels", places.placeholder),
    "same_labels": Check("the labels of another row", copies.same_labels, ("same_picture", "near_copy", "placeholder")),
    "far_outside": Check("keypoint far outside", places.far_outside),
    "outside": Check("keypoint cut off by the border", places.outside),
    "at_one_place": Check("keypoints at one place", places.at_one_place, ("placeholder",)),
    "cut_off": Check("many faces cut too tightly", places.cut_off),
    "transposed": Check("x and y exchanged", orientation.transposed, ("placeholder", "far_outside")),
    "swapped": Check("sides exchanged", orientation.swapped, ("placeholder", "far_outside", "transposed")),
    "upside_down": Check("upside down", orientation.upside_down, ("placeholder", "far_outside", "transposed")),
    "outlier": Check("labels unlike all others", outliers.outlier, (*_WRONG_PLACES, "at_one_place")),
    "missing": Check("missing labels", amounts.missing),
    "small": Check("few faces", amounts.small),
    "unlike_train": Check("split unlike train", amounts.unlike_train),
}


def run_checks(
    pool: Pool, progress: Progress = silent, *, names: Collection[str] = CHECKS.keys()
) -> tuple[Finding, ...]:
    """Everything that these of `CHECKS` find, errors first, then in the order of the table and of the rows."""
    found: dict[str, list[Finding]] = {}
    for at, name in enumerate(names):
        progress("checking faces", at / len(names))
        others = (other for other in CHECKS[name].unless if other in found)
        explained = {row for other in others for finding in found[other] for row in finding.rows}
        found[name] = [finding for finding in findings_of(name, pool) if not explained.intersection(finding.rows)]
    progress("checking faces", 1.0)
    return tuple(sorted(chain(*found.values()), key=lambda finding: SEVERITIES.index(finding.severity)))


def findings_of(name: str, pool: Pool) -> list[Finding]:
    """Everything that one check of `CHECKS` finds."""
    return [replace(finding, check=name) for finding in CHECKS[name].find(pool)]


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether one of the findings is an error."""
    return any(finding.severity == "error" for finding in findings)


def faults_in_words(parts: Parts, where: str) -> str:
    """What the cheap checks find, in a line: errors, counted, and faces cut too tightly; empty for nothing.

    Raises:
        UsageError: the labels of a part are not in pixels, so no score on them means anything. `where` is named.
    """
    findings = run_checks(plain_pool(parts), names=CHEAP)
    counts = Counter(finding.check for finding in findings if finding.severity == "error")
    if "scaled" in counts:
        raise UsageError(f"{where}: {next(finding.text for finding in findings if finding.check == 'scaled')}")
    told = [finding.text for finding in findings if finding.check == "cut_off"]
    if counts:
        each = ", ".join(f"{CHECKS[check].title} {count:,}" for check, count in counts.items())
        told = [f"data check finds {plural(counts.total(), 'error')} ({each})", *told]
    return "; ".join([*told, "`kpbench data check` names them"]) if told else ""
