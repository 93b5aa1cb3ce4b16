"""The options with which commands that train say what they may take: workers, CPUs, cards, a cluster, time."""

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kpbench.engine.limits import Limits
from kpbench.engine.resources import Resources
from kpbench.errors import UsageError

if TYPE_CHECKING:
    from kpbench.engine.cluster import Cluster
    from kpbench.training.device import Device

Workers = Annotated[
    str, typer.Option(help="Trials at once: a number, or auto, as many as there is room for; 0 trains in this process.")
]
Cpus = Annotated[
    int, typer.Option("--cpus-per-trial", help="CPUs, and so threads, of a trial; the numbers depend on it.")
]
Gpus = Annotated[
    str, typer.Option("--gpus-per-trial", help="auto (by the memory of a step), 0.25 for a quarter of a card, or 1.")
]
Address = Annotated[
    str | None,
    typer.Option(help="Join a running Ray cluster: auto, or HOST:PORT of its head.", show_default="this machine"),
]
AnyVersion = Annotated[
    bool, typer.Option("--any-version", help="Also use nodes with another kpbench or torch; their rows say so.")
]
TrialTimeout = Annotated[
    str | None, typer.Option(help="End a trial that takes longer (90s, 30m, 2h), and tell it as failed.")
]
TimeBudget = Annotated[
    str | None,
    typer.Option(help="Begin no trial after this time of training (30m, 2h); the same command continues later."),
]
MaxFailures = Annotated[
    int | None, typer.Option(help="Begin no trial after so many failed; divergence is an outcome and does not count.")
]

MaxParameters = Annotated[
    str | None,
    typer.Option(
        help="Rule for every cell instead of the course's 4,999,999: 10M; it never ranks with the course's. Cells are "
        "left out of a search by --max-params."
    ),
]
MaxMegabytes = Annotated[float | None, typer.Option(help="Likewise for the model file, instead of the course's 20 MB.")]

DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def resources_of(options: Mapping[str, Any]) -> Resources:
    """The options of a command as a value; one that the command does not have is left at its default.

    Raises:
        UsageError: one is not what it must be.
    """
    workers, gpus = options["workers"], options.get("gpus_per_trial", "auto")
    return Resources(
        workers=None if workers == "auto" else _whole(workers, "--workers must be auto or a number"),
        cpus=options.get("cpus_per_trial", 1),
        gpus=None if gpus == "auto" else _number(gpus, "--gpus-per-trial must be auto or a number such as 0.25 or 1"),
        address=options.get("address"),
        any_version=options.get("any_version", False),
        trial_timeout=seconds_of(options.get("trial_timeout"), option="--trial-timeout"),
    )


def limits_of(time_budget: str | None, max_failures: int | None) -> Limits:
    """The options as a value; the time runs from the first job.

    Raises:
        UsageError: one is not what it must be.
    """
    return Limits(seconds_of(time_budget, option="--time-budget"), max_failures)


def joined(cluster: "Cluster | None", resources: Resources, device: str) -> dict[str, Any]:
    """The workers and the device of a request; a cluster that was named is joined, and its nodes are looked at.

    Raises:
        UsageError: there is none, or its nodes cannot train this study.
    """
    if cluster is None or resources.address is None:
        return {"workers": resources.here, "device": device}
    from kpbench.engine.nodes import check_nodes

    found = check_nodes(cluster, device)
    return {"workers": cluster.workers(resources.gpus or 0.0), "device": found}


def check_cards(resources: Resources, device: "Device") -> None:
    """Refuses cards for trials that are trained on none.

    Raises:
        UsageError: --gpus-per-trial asks for some.
    """
    if resources.gpus and resources.address is None and device.kind != "cuda":
        raise UsageError(
            f"--gpus-per-trial {resources.gpus:g}: training is on {device.title} ({device.kind}), "
            "not on a CUDA card; leave it out"
        )


def asked(resources: Resources) -> dict[str, float | str | None]:
    """What a dry run says of the options that only a real run uses."""
    return {
        "gpus_per_trial": resources.gpus,
        "trial_timeout_s": resources.trial_timeout,
        "address": resources.address,
    }


def seconds_of(word: str | None, *, option: str) -> float | None:
    """`90s`, `30m`, `2h` or `1h30m` in seconds. A number alone is refused: it might be meant in any of them.

    Raises:
        UsageError: none of these, or no time at all.
    """
    if word is None:
        return None
    found = DURATION.fullmatch(word.strip())
    hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
    total = 3600 * hours + 60 * minutes + seconds
    if total <= 0:
        raise UsageError(f"{option} must be a time such as 90s, 30m or 2h, got '{word}'")
    return total


def _number(word: str, what: str) -> float:
    try:
        if math.isfinite(number := float(word)):
            return number
    except ValueError:
        pass
    raise UsageError(f"{what}, got '{word}'")


def _whole(word: str, what: str) -> int:
    number = _number(word, what)
    if number != int(number):
        raise UsageError(f"{what}, got '{word}'")
    return int(number)
