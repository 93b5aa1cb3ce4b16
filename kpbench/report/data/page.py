"""Pages on a data set: what is in it, and the faces that a check names, offline and without any script."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.checks.checks import CHECKS
from kpbench.faces.checks.overview import Overview
from kpbench.faces.checks.pool import Finding, Pool
from kpbench.faces.faces import KEYPOINTS
from kpbench.report.data import words
from kpbench.report.data.contact_sheet import side_of
from kpbench.report.face_pictures import data_uri
from kpbench.report.shell import TEMPLATES

FINDINGS = 40
"""Findings of a check reported on the page; the others are counted."""

PICTURES = 24
"""Faces drawn for a finding."""

ALL_PICTURES = 400
"""Faces drawn on the page, about 4 MB."""


@dataclass(frozen=True)
class Dot:
    """A keypoint: its place in pixels from the picture's top left corner, whose side it is on, whether it is meant."""

    x: float
    y: float
    side: str
    marked: bool


@dataclass(frozen=True)
class LabelledPicture:
    """A face with its labels, ready to be drawn; `image` is a data URI."""

    label: str
    image: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class FindingLine:
    """A finding with its faces; `hidden` of its rows are in the sealed test and are not drawn, `more` are too many."""

    text: str
    pictures: tuple[LabelledPicture, ...]
    hidden: int
    more: int


@dataclass(frozen=True)
class CheckSection:
    """What a check found with one severity; `more` findings are not reported."""

    check: str
    title: str
    severity: str
    count: int
    faces: int
    findings: tuple[FindingLine, ...]
    more: int


def check_page(name: str, findings: Sequence[Finding], pool: Pool, notes: Sequence[str]) -> str:
    """The page of `data check` as text; it draws no face of the sealed test."""
    sections = _sections(findings, pool)
    reported = {finding.check for finding in findings}
    return TEMPLATES.get_template("data_check.html").render(
        name=name,
        sections=sections,
        errors=any(finding.severity == "error" for finding in findings),
        verdict=words.count_by_severity(findings),
        counts=words.split_counts(pool),
        clean=[check.title for key, check in CHECKS.items() if key not in reported],
        notes=notes,
        words=words.CHECKED,
    )


def show_page(found: Overview, pool: Pool, rows: NDArray[np.intp], *, seed: int) -> str:
    """The page of `data show` as text, with the faces at `rows` of the pool; ValueError if one is sealed."""
    if not pool.open_rows()[rows].all():
        raise ValueError("a face of the sealed test must not be drawn")
    return TEMPLATES.get_template("data_show.html").render(
        found=found,
        seed=seed,
        pictures=[picture(pool, int(at)) for at in rows],
        words=words.SHOWN,
        short=words.short,
        source_words=words.source_words,
    )


def picture(pool: Pool, at: int, *, marked: Sequence[int] = ()) -> LabelledPicture:
    """Face `at` of a pool; a keypoint's whole-number coordinate is the middle of its pixel."""
    dots = tuple(
        Dot(round(float(x) + 0.5, 2), round(float(y) + 0.5, 2), side_of(KEYPOINTS[k]), k in marked)
        for k, (x, y) in enumerate(pool.keypoints[at])
        if np.isfinite(x) and np.isfinite(y)
    )
    return LabelledPicture(str(pool.place(at)), data_uri(np.ascontiguousarray(pool.images[at])), dots)


def _sections(findings: Sequence[Finding], pool: Pool) -> list[CheckSection]:
    may_show = pool.open_rows()
    places = {pool.place(at): at for at in range(len(pool))}
    left = ALL_PICTURES
    sections = []
    for (severity, check), here in words.by_check(findings).items():
        lines = []
        for finding in here[:FINDINGS]:
            rows = [places[row] for row in finding.rows if may_show[places[row]]]
            drawn = rows[: min(PICTURES, left)]
            left -= len(drawn)
            lines.append(
                FindingLine(
                    finding.text,
                    tuple(picture(pool, at, marked=finding.keypoints) for at in drawn),
                    hidden=len(finding.rows) - len(rows),
                    more=len(rows) - len(drawn),
                )
            )
        more = len(here) - len(lines)
        sections.append(
            CheckSection(check, CHECKS[check].title, severity, len(here), words.faces_of(here), tuple(lines), more)
        )
    return sections
