"""Where an ablation's rows come from: trained to its plan, or looked at before the plan was made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kpbench.cell import RunResult
from kpbench.store.files import READ_BEFORE, READINGS, REUSED, SESSIONS, read_lines
from kpbench.store.finding import every_study, readable
from kpbench.store.plan import Plan
from kpbench.store.study import now
from kpbench.store.values import ReadBefore, Reading, Reused, Session


@dataclass(frozen=True)
class Provenance:
    """What a reader must know before a contrast is called planned.

    Attributes:
        made: when the plan was written, UTC; the first session where an older kpbench wrote none; empty if unknown.
        older: rows that ended before that, or that another study had when this plan was made: looking at them came
            first, so the study is post hoc.
        inherited: contrasts of the studies that these rows were taken from; they count in this study's family.
        drift: versions in which those studies were trained, where they differ from this study's.
        test_before: other studies that had opened the same sealed test before this one did.
        asked_later: when the confirmation on the sealed test was first asked for, where an earlier session had not.
    """

    made: str
    older: int
    inherited: int
    drift: tuple[str, ...]
    test_before: tuple[ReadBefore, ...] = ()
    asked_later: str = ""


def is_for_network(reading: Reading) -> bool:
    """Whether the sealed test was opened for a network, not for the floor."""
    return not reading.model.startswith("floor:")


def read_before(folder: Path, plan: Plan, out: Path) -> list[ReadBefore]:
    """The studies in `out`, but for the one in `folder`, that have opened the sealed test of a plan for a network."""
    found = []
    for other, theirs in readable(every_study(out)):
        if other.resolve() == folder.resolve() or plan.held_out is None or theirs.held_out != plan.held_out:
            continue
        if readings := sum(map(is_for_network, read_lines(other / READINGS, Reading))):
            found.append(ReadBefore(when=now(), study=other.name, plan=theirs.digest, readings=readings))
    return found


def reused_studies(folder: Path) -> list[Reused]:
    """The studies whose rows a study looks at again, each once."""
    return list({one.plan: one for one in read_lines(folder / REUSED, Reused)}.values())


def provenance(folder: Path, plan: Plan, rows: Sequence[RunResult]) -> Provenance:
    """The provenance of a study's rows from its plan, its sessions and what it took over."""
    sessions = read_lines(folder / SESSIONS, Session)
    reused = reused_studies(folder)
    made = plan.made or (sessions[0].when if sessions else "")
    here = sessions[-1].versions if sessions else {}
    drift = [
        f"{name} {theirs} in {one.study}, {ours} here"
        for one in reused
        for name, first in (("torch", "unknown"), ("recipe", "1"))  # sessions of earlier versions name no recipe
        if (theirs := one.versions.get(name, first)) != (ours := here.get(name, first))
    ]
    return Provenance(
        made=made,
        older=max(
            sum(row.taken_from is not None if not made else row.finished < made for row in rows),
            sum(one.runs for one in reused),
        ),
        inherited=sum(one.contrasts for one in reused),
        drift=tuple(drift),
        test_before=tuple(read_lines(folder / READ_BEFORE, ReadBefore)),
        asked_later=_asked_later(sessions),
    )


def _asked_later(sessions: Sequence[Session]) -> str:
    asking = ["--confirm" in session.command.split() for session in sessions]
    return sessions[asking.index(True)].when if any(asking) and not asking[0] else ""
