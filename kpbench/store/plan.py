"""The plan of a study: what was asked of it, and so its identity."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kpbench.cell import Value
from kpbench.errors import UsageError
from kpbench.space.design import Design
from kpbench.store.files import PLAN, newer_version

VERSIONED = {"synthetic": "synthetic@2"}
"""Data sets that were others once, with the name of those that earlier studies have."""

KEPT_TOGETHER = "was kept in one split"
"""How the note of a split ends that keeps near-copies together (`faces.split`); earlier versions did not."""

MOST_LISTED = 6
"""A list that is longer is not printed whole where two plans differ."""


class Plan(Value):
    """What was asked of a study; its identity. Totals (trials, final cells and seeds) may grow and stand elsewhere.

    Attributes:
        space, benchmark: the definitions' digests, their texts beside them.
        design: of an ablation; None for a search.
        data: digest of the three splits; `data_name` and `data_notes` are for people.
        precision: of the training steps, as found on the device.
        held_out: digest of val and test alone; None in plans made before there was one.
        objectives: of a search with several, the score first; None for the score alone.
        constraints: the most that a cell of a search may have, by the objective's name; None for none.
        labels: `partial` where training faces may lack keypoints; None where all are complete.
        threads: of a run on CPUs, where they are more than one; None for one, and in plans of earlier versions.
        own: files of a person's own that the space names, with their digests; `own_texts` are what stands in them.
        warm_start: digest of the plan of the study whose cells the sampler was shown; None for none.
        made: when it was written, UTC to the second; no part of the identity. None in plans of earlier versions.
    """

    kind: str
    space_name: str
    space: str
    benchmark_name: str
    benchmark: str
    scorer: int
    data_name: str
    data: str
    epochs: int
    seeds: int
    sampler: str
    scheduler: str
    seed: int
    device: str
    precision: str
    objectives: tuple[str, ...] | None = None
    constraints: dict[str, float] | None = None
    labels: str | None = None
    held_out: str | None = None
    warm_start: str | None = None
    data_sizes: dict[str, int]
    data_notes: tuple[str, ...]
    design: Design | None = None
    made: str | None = None
    threads: int | None = None
    own: dict[str, str] | None = None
    own_texts: dict[str, str] | None = None
    space_text: str
    benchmark_text: str

    def identity(self) -> dict[str, Any]:
        """The fields that make it this study and no other."""
        loose = {
            "held_out",
            "made",
            "space_text",
            "benchmark_text",
            "data_notes",
            "data_sizes",
            "space_name",
            "data_name",
            "own_texts",
        }
        return self.model_dump(exclude=loose, exclude_none=True, mode="json")

    @property
    def digest(self) -> str:
        """Sixteen hex digits over `identity`."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:16]


def read_plan(folder: Path) -> Plan:
    """The plan of the study in `folder`.

    Raises:
        UsageError: there is no study, or its plan cannot be read.
    """
    path = folder / PLAN
    if not path.is_file():
        raise UsageError(f"no study at {folder}: it has no {PLAN}; `kpbench ls studies` lists what is there")
    try:
        return Plan.model_validate_json(path.read_bytes())
    except ValidationError as error:
        if newer := newer_version(str(path), folder, error):
            raise newer from error
        raise UsageError(
            f"{path} is damaged: {error.errors()[0]['msg']}; put it back from a copy, or move the study away"
        ) from error


def bare(data_name: str) -> str:
    """The name of a data set without its version (`synthetic@2`), as in the names of studies of that version."""
    return data_name.partition("@")[0]


def refuse_other_plan(folder: Path, old: Plan, new: Plan, *, kept: bool = True) -> None:
    """Refuses a plan that differs from the study's own, naming each difference.

    Args:
        kept: whether the study has anything to lose.

    Raises:
        UsageError: with `field old -> new` for each.
    """
    differences = list(_changes(old.identity(), new.identity()))
    if len(differences) == 1 and old.data != new.data and old.data_name == new.data_name:
        if new.data_name in VERSIONED:
            raise UsageError(
                f"study {folder} has faces of an earlier version of {new.data_name} ({differences[0]}): continue it "
                f"with --data {VERSIONED[new.data_name]}, or give another --name"
            )
        if any("kept together as one person's" in note for note in old.data_notes):  # what earlier versions noted
            raise UsageError(
                f"study {folder} began on a split of {new.data_name} that took each picture for a person; kpbench "
                f"splits these faces otherwise now ({differences[0]}): `kpbench report` reads it, another --name "
                "begins anew"
            )
        if any(note.endswith(KEPT_TOGETHER) for note in set(new.data_notes) - set(old.data_notes)):
            raise UsageError(
                f"study {folder} began on a split of {new.data_name} that put near-copies into two splits; kpbench "
                f"keeps them in one now ({differences[0]}): `kpbench report` reads it, another --name begins anew"
            )
        raise UsageError(
            f"the faces of {new.data_name} have changed since study {folder} began ({differences[0]}): put the files "
            "back to continue it, or give another --name"
        )
    if differences:
        options = "give the study's own options to continue it, or another --name"
        raise UsageError(
            f"study {folder} exists with another plan ({'; '.join(differences)}); "
            + (
                options
                if kept
                else "no run in it is complete: delete that folder to begin anew, or give another --name"
            )
        )


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """`field old -> new` for each difference, inside mappings too; of long lists their lengths."""
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _changes(before, after)
        elif isinstance(before, list) and isinstance(after, list) and max(len(before), len(after)) > MOST_LISTED:
            yield f"{key} {len(before)} -> {len(after)} of them" if len(before) != len(after) else f"other {key}"
        else:
            yield f"{key} {before} -> {after}"
