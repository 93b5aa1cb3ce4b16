"""The faces of a study, found again by whoever needs them without being told where they lie."""

import shlex
from pathlib import Path

from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.faces.faces import Splits
from kpbench.store.files import SESSIONS, read_lines
from kpbench.store.plan import VERSIONED, Plan
from kpbench.store.values import Session
from kpbench.studies.preflight import Say
from kpbench.task.benchmark import SplitShares


def faces_of_study(folder: Path, plan: Plan, shares: SplitShares, data: str | None, say: Say) -> Splits:
    """The faces that a study was trained on: as named, or by its own name, or where its commands had them.

    Raises:
        UsageError: they are not found, or are others; the message says to name them.
    """
    name = folder.name
    commands = [one.command for one in read_lines(folder / SESSIONS, Session)]
    sources = [plan.data_name, VERSIONED.get(plan.data_name), *map(_data_option, reversed(commands))]
    other, unread = list[Splits](), ""
    for source in dict.fromkeys(filter(None, sources if data is None else [data])):
        try:
            splits = load(source, **shares.model_dump(), labels=plan.labels or "complete", progress=say)
        except UsageError as error:
            if data is not None:
                raise
            unread = unread or f": {error}"
            continue
        if splits.digest() == plan.data:
            return splits
        other.append(splits)
    if not other:
        raise UsageError(
            f"the faces of {name}, {plan.data_name} {plan.data}, are not found; --data says where they are{unread}"
        )
    found = ", ".join(f"{one.name} {one.digest()}" for one in other)
    raise UsageError(
        f"these are not the faces that {name} was trained on: it had {plan.data_name} {plan.data}, found is {found}; "
        "name its faces with --data"
    )


def _data_option(command: str) -> str | None:
    """What a command had as `--data`."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--data":
            return following
        if word.startswith("--data="):
            return word.partition("=")[2]
    return None
