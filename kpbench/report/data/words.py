"""A data set's overview, at most 60 characters wide, and its findings, at most 80, unless a name is longer."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from kpbench.faces.checks.checks import CHECKS
from kpbench.faces.checks.overview import Overview, Range, SplitCounts
from kpbench.faces.checks.pool import SEVERITIES, Finding, Pool

WIDTH, NARROW = 80, 60

FIRST = 3
"""Findings of a check written as sentences."""

CONDITIONS = 12
"""Conditions listed; the built-in faces know 76."""

CHECKED = (
    "Every part is read for faults, the sealed test too: a leak shows in no other way. No model is involved, "
    "and no test face is drawn. Rows count from 0."
)

SHOWN = "Of the sealed test there are counts and missing labels only: no face, no mean, no grey value."


def check_lines(name: str, findings: Sequence[Finding], pool: Pool, notes: Sequence[str]) -> Iterator[str]:
    """What was found, worst first: a line a check with its first rows, then the first findings as sentences."""
    splits = split_counts(pool)
    yield from _wrapped(f"{name}: {sum(splits.values()):,} faces ({_listed(splits)})")
    for note in notes:
        yield from _wrapped(note, indent=2)
    yield from _wrapped(CHECKED, indent=2)
    yield ""
    found = by_check(findings)
    if found:
        yield f"{'severity':9} {'check':14} {'findings':>8} {'faces':>6}  first of them"
    for (severity, check), here in found.items():
        rows = "; ".join(", ".join(row.short for row in finding.rows[:2]) for finding in here[:FIRST] if finding.rows)
        line = f"{severity:9} {check:14} {len(here):8,} {faces_of(here) or '':>6}  {rows}"
        yield line if len(line) <= WIDTH else line[: WIDTH - 3].rstrip(" ,;") + "..."
    for (_, check), here in found.items():
        yield ""
        yield f"{check}: {CHECKS[check].title}"
        for finding in here[:FIRST]:
            yield from _wrapped(finding.text, indent=2)
        if len(here) > FIRST:
            yield f"  and {len(here) - FIRST:,} more; --json has all, --to FILE.html shows them"
    clean = [check for check in CHECKS if check not in {finding.check for finding in findings}]
    yield ""
    yield from _wrapped(f"nothing found by {', '.join(clean)}" if clean else "every check found something")
    yield count_by_severity(findings)


def count_by_severity(findings: Sequence[Finding]) -> str:
    """Findings by severity, counted: `2 errors, no warning, 3 notes`."""
    counts = Counter(finding.severity for finding in findings)
    words = [f"{counts[severity] or 'no'} {severity}{'s' if counts[severity] > 1 else ''}" for severity in SEVERITIES]
    return ", ".join(words)


def by_check(findings: Sequence[Finding]) -> dict[tuple[str, str], list[Finding]]:
    """Findings by (severity, check), in their order."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        found.setdefault((finding.severity, finding.check), []).append(finding)
    return found


def faces_of(findings: Sequence[Finding]) -> int:
    """How many faces findings are about, each counted once."""
    return len({row for finding in findings for row in finding.rows})


def split_counts(pool: Pool) -> dict[str, int]:
    """Faces by split, those that are left out last; empty ones are not there."""
    counts = Counter(pool.split.tolist())
    return {name or "left out": counts[name] for name in ("train", "val", "test", "") if counts[name]}


def show_lines(found: Overview) -> Iterator[str]:
    """The overview as tables."""
    yield from _wrapped(f"{found.name}: {sum(split.faces for split in found.splits):,} faces to use", width=NARROW)
    for note in (*found.notes, SHOWN):
        yield from _wrapped(note, indent=2, width=NARROW)
    yield ""
    yield f"{'split':6} {'faces':>7} {'people':>7}  source"
    for split in found.splits:
        people = "?" if split.people is None else f"{split.people:,}"
        counted = f"{split.split:6} {split.faces:7,} {people:>7}  {source_words(split)}"
        yield from textwrap.wrap(counted, NARROW, subsequent_indent=" " * 24, break_long_words=False)
    yield ""
    parts = list(found.keypoints[0].missing)
    yield f"{'':22}{'labels missing':>{6 * len(parts)}}  place in train, px"
    yield f"{'keypoint':22}{''.join(f'{part:>6}' for part in parts)}{'x':>5}{'y':>5}{'sd x':>5}{'sd y':>5}"
    for line in found.keypoints:
        gone = "".join(f"{line.missing[part] or '-':>6}" for part in parts)
        place = "".join(f"{value:5.1f}" for value in (*line.mean, *line.sd))
        yield f"{short(line.keypoint):22}{gone}{place}"
    yield ""
    ranges = {"brightness": found.grey_mean, "contrast (sd)": found.grey_sd}
    yield from _ranges("grey values in train", ranges)
    if found.conditions or found.kinds:
        yield ""
        some = dict(list(found.conditions.items())[:CONDITIONS])
        yield from _ranges("conditions in train", some)
        for condition, values in found.kinds.items():
            yield f"{condition[:22]:22} {values:,} different values"
        if len(found.conditions) > CONDITIONS:
            yield f"and {len(found.conditions) - CONDITIONS} more; --json has all"


def source_words(split: SplitCounts) -> str:
    """Where a split comes from, in a few words."""
    if split.made:
        return "split off train by kpbench"
    rows = f"{split.rows:,} rows"
    return f"{rows}, {split.left_out:,} left out (a label is missing)" if split.left_out else rows


def short(keypoint: str) -> str:
    """A keypoint's name in at most 22 characters: `left_eyebrow_inner_end` -> `left brow inner end`."""
    return keypoint.replace("eyebrow", "brow").replace("mouth_center", "mouth").replace("_", " ")


def _ranges(title: str, ranges: Mapping[str, Range]) -> Iterator[str]:
    yield f"{title:20}{'least':>8}{'median':>8}{'mean':>8}{'largest':>8}{'sd':>8}"
    for name, found in ranges.items():
        values = (found.least, found.median, found.mean, found.largest, found.sd)
        yield f"{name[:20]:20}" + "".join(f"{round(value, 4):8.3g}" for value in values)


def _listed(splits: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in splits.items())


def _wrapped(text: str, *, indent: int = 0, width: int = WIDTH) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2), break_long_words=False
    )
