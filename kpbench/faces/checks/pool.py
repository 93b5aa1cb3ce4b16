"""What a check reads and writes: all faces of a source in one value, and findings, sentences on some of them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kpbench.errors import UsageError
from kpbench.faces.checks.near_copies import copies_in
from kpbench.faces.parts import PARTS, Parts, complete_only
from kpbench.faces.split import split

_AT = "place in the pool"

Severity = Literal["error", "warning", "note"]
"""error: scores on this data mislead or labels are certainly wrong; warning: look at it; note: good to know."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Row:
    """A face's place in the source: the part that the source brings it in, and its row there, counted from 0.

    Attributes:
        split: in which it is used; empty where it is left out.
        picture, label: the picture file and where its label stands; empty where the source has no such.
    """

    part: str
    row: int
    split: str = field(default="", compare=False)
    picture: str = field(default="", compare=False)
    label: str = field(default="", compare=False)

    def __str__(self) -> str:
        used = self.split or "left out"
        if self.picture:
            return f"{self.picture} ({self.label}, {used})"
        return f"{self.part} row {self.row}" + (f" ({used})" if used != self.part else "")

    def as_json(self) -> dict[str, object]:
        """Plain values; picture and label only where the source has such."""
        return {name: value for name, value in asdict(self).items() if value or name not in ("picture", "label")}

    @property
    def short(self) -> str:
        """Without the place of the label."""
        return self.picture or str(self)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or worth knowing.

    Attributes:
        check: name of the check in `checks.CHECKS`.
        text: one sentence; it names the rows where there are at most two.
        rows: the faces it is about, in the order of the text; empty where it is about a whole part.
        numbers: what was measured, by name, with the unit in the name.
        keypoints: indices into `faces.KEYPOINTS` of those it is about.
    """

    check: str
    severity: Severity
    text: str
    rows: tuple[Row, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    keypoints: tuple[int, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Plain values for a JSON object, without the keypoints."""
        plain = {name: value for name, value in asdict(self).items() if name != "keypoints"}
        return plain | {"rows": [row.as_json() for row in self.rows]}


@dataclass(frozen=True, eq=False)
class Pool:
    """The N faces of a source, part after part, as they are before rows with missing labels are dropped.

    Attributes:
        images: uint8 (N, 96, 96).
        keypoints: float64 (N, 15, 2) in pixels; NaN where a label is missing.
        part: (N,) the part that the source brings a face in: train, val or test.
        row: (N,) its row there, from 0.
        split: (N,) the split that `datasets.load` puts it in; empty where it is dropped.
        made: the splits that the source does not bring and that are split off its train part.
        subjects: (N,) or None where they are not known for every face.
        conditions: name -> (N,), those that are known for every face.
        origins: (N, 2) picture file and place of the label, where the source has such.
        problem: why the source cannot be loaded for training; then `split` is the part. Empty where it can.
    """

    images: NDArray[np.uint8]
    keypoints: NDArray[np.float64]
    part: NDArray[np.str_]
    row: NDArray[np.intp]
    split: NDArray[np.str_]
    made: frozenset[str] = frozenset()
    subjects: NDArray[np.int64] | None = None
    conditions: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    problem: str = ""
    origins: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def place(self, at: int) -> Row:
        """Where face `at` is in the source."""
        picture, label = ("", "") if self.origins is None else self.origins[at].tolist()
        return Row(str(self.part[at]), int(self.row[at]), str(self.split[at]), picture, label)

    def finding(
        self,
        severity: Severity,
        text: str,
        at: Iterable[int] = (),
        numbers: Mapping[str, float] | None = None,
        keypoints: Iterable[int] = (),
    ) -> Finding:
        """A finding on the faces `at` some places; `run_checks` adds the name of the check."""
        rows = tuple(self.place(one) for one in at)
        return Finding("", severity, text, rows, numbers or {}, tuple(int(keypoint) for keypoint in keypoints))

    def open_rows(self) -> NDArray[np.bool_]:
        """(N,) whether a face may be shown: not one of the sealed test."""
        return ~(np.isin(self.split, "test") | np.isin(self.part, "test"))

    def complete(self) -> NDArray[np.bool_]:
        """(N,) whether a face has all its labels."""
        return np.asarray(~self.lacks().any(axis=1), dtype=np.bool_)

    def lacks(self) -> NDArray[np.bool_]:
        """(N, 15) whether a label is missing."""
        return np.asarray(np.isnan(self.keypoints).any(axis=2), dtype=np.bool_)


def pool_of(name: str, parts: Parts, *, val_share: float, test_share: float, seed: int) -> Pool:
    """The faces of `parts`, split as `datasets.load` would split them; the sealed test is not opened.

    Args:
        val_share, test_share, seed: how a split that is missing is made, as in `split.split`.
    """
    named = parts.items()
    plain = replace(plain_pool(parts), made=frozenset(PARTS) - {part for part, _ in named})
    placed = {part: replace(faces, conditions={_AT: np.flatnonzero(plain.part == part)}) for part, faces in named}
    try:
        kept = complete_only(name, Parts(placed["train"], placed.get("val"), placed.get("test")))
        copies = copies_in(kept) if len(named) < len(PARTS) else None
        made = split(name, kept, val_share=val_share, test_share=test_share, seed=seed, copies=copies)
    except UsageError as error:
        return replace(plain, problem=str(error))
    found = np.full(len(plain), "", dtype="<U5")
    # What is complete and in neither train nor val must be in the test.
    for where, faces in (*(("test", faces) for _, faces in kept.items()), ("train", made.train), ("val", made.val)):
        found[faces.conditions[_AT]] = where
    return replace(plain, split=found)


def plain_pool(parts: Parts) -> Pool:
    """The faces of `parts`, each in the split that is called as its part."""
    named = parts.items()
    part = np.repeat([part for part, _ in named], [len(faces) for _, faces in named])
    subjects = [faces.subjects for _, faces in named if faces.subjects is not None]
    origins = [faces.origins for _, faces in named if faces.origins is not None]
    return Pool(
        images=np.concatenate([faces.images[:, 0] for _, faces in named]),
        keypoints=np.concatenate([faces.keypoints for _, faces in named]).astype(np.float64),
        part=part,
        row=np.concatenate([np.arange(len(faces)) for _, faces in named]),
        split=part,
        subjects=np.concatenate(subjects) if len(subjects) == len(named) else None,
        conditions={
            condition: np.concatenate([faces.conditions[condition] for _, faces in named])
            for condition in parts.train.conditions
            if all(condition in faces.conditions for _, faces in named)
        },
        origins=np.concatenate(origins) if len(origins) == len(named) else None,
    )
