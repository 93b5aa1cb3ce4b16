"""Where an ablation was done otherwise than planned, and how often the sealed test was opened, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.statistics.words import plural


def deviations(
    found: Analysis, sessions: Sequence[Mapping[str, object]], readings: Sequence[Mapping[str, object]]
) -> tuple[str, ...]:
    """Where what was done differs from the plan, or from one undisturbed run of it; empty for none."""
    notes = []
    if found.missing > 0:
        tried = f", {len(found.failures):,} of them after a failed attempt" if found.failures else ""
        notes.append(f"{found.missing:,} of {plural(found.planned_runs, 'planned run')} have no outcome{tried}.")
    lost = [row for row in found.rows if row.state == "failed"]
    if lost:
        blocks = ", ".join(f"{row.cell} seed {row.seed}" for row in lost[:12])
        more = f" and {len(lost) - 12:,} more" if len(lost) > 12 else ""
        counted = [row for row in lost if row.role == "ablation"]
        rule = " They count with the mean face's MSE." if counted else ""
        notes.append(f"{plural(len(lost), 'run')} diverged: {blocks}{more}.{rule}")
        aside = [row for row in lost if row.role == "control"]
        if aside:
            notes.append(f"{plural(len(aside), 'diverged run')} of the A/A arm: the pair is left out.")
    if len(sessions) > 1:
        notes.append(f"The study was done in {plural(len(sessions), 'session')}.")
    for what, values in (
        ("devices", {row.device for row in found.rows}),
        ("data digests", {row.data for row in found.rows}),
    ):
        if len(values) > 1:
            notes.append(f"The runs have several {what}: {', '.join(sorted(values))}.")
    taken = [row.taken_from for row in found.rows if row.taken_from is not None]
    if taken:
        plans = ", ".join(sorted(set(taken)))
        notes.append(
            f"{plural(len(taken), 'run')} of {found.design.runs:,} were trained and scored in another study of the "
            f"same task (plan {plans}) and taken over: the two studies are no independent witnesses."
        )
    if found.provenance.inherited:
        notes.append(
            f"The {plural(found.provenance.inherited, 'contrast')} planned there over the same rows count in this "
            "family."
        )
    notes += [f"Other versions: {drift}." for drift in found.provenance.drift]
    if found.provenance.older:
        notes.append(
            f"{plural(found.provenance.older, 'row')} are older than the plan ({found.provenance.made}): post hoc."
        )
    if found.confirmed and found.split == "val" and found.provenance.asked_later:
        notes.append(
            f"The confirmation on the sealed test was first asked for on {found.provenance.asked_later}: "
            "the verdicts on validation could be read before."
        )
    notes += [
        f"The sealed test had been read before: {plural(one.readings, 'time')} by {one.study} (plan {one.plan})."
        for one in found.provenance.test_before
    ]
    again = _models(readings) - sum(row.test_score is not None and row.taken_from is None for row in found.rows)
    if again > 0:
        notes.append(f"The sealed test was opened {plural(again, 'time')} more than once for each run that is counted.")
    return tuple(notes)


def readings_sentence(found: Analysis, readings: Sequence[Mapping[str, object]]) -> str:
    """How often the sealed test was opened and for what, for runs that were taken over too."""
    taken = sum(row.test_score is not None and row.taken_from is not None for row in found.rows)
    if not readings and not taken:
        return "The sealed test has not been opened."
    runs = _models(readings)
    there = f" ({taken:,} of them in the studies that runs were taken over from)" if taken else ""
    text = f"The sealed test was opened {plural(len(readings) + taken, 'time')}: {runs + taken:,} for a run's model"
    return f"{text}{there}, {len(readings) - runs:,} for the floor."


def _models(readings: Sequence[Mapping[str, Any]]) -> int:
    return sum(not str(reading.get("model", "")).startswith("floor:") for reading in readings)
