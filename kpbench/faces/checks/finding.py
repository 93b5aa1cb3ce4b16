"""What a check found: one sentence on some faces, and how bad it is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

Severity = Literal["error", "warning", "note"]
"""error: scores on this data mislead or labels are certainly wrong; warning: look at it; note: good to know."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Row:
    """A face's place in the source: the part that the source brings it in, and its row there, counted from 0."""

    part: str
    row: int

    def __str__(self) -> str:
        return f"{self.part} row {self.row}"


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
        return plain | {"rows": list(plain["rows"])}
