"""Every speed that kpbench claims, as ratios from one run: `python benchmarks/speed/run.py --json`.

The parts, each in a file of its own: `step` (training against a course's loop, its layers, batch sizes, cohorts:
`kpbench bench`), `search` (against a plain Ray Tune script), `overhead` (of a trial that trains nothing) and `reading`
(a study of 100,000 rows). `--device cuda` prints the same for a card, where `step` needs torch and kpbench alone.
"""

import argparse
import json
import platform
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("kpbench", "torch", "numba", "numpy", "ray", "optuna", "pandas", "plotly")


def step(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """The ratios of `kpbench bench`."""
    from kpbench.studies.bench import bench

    found = []
    for one in bench(asked.device, rounds=asked.rounds):
        found.append(asdict(one))
        print(json.dumps(found[-1]), file=sys.stderr, flush=True)  # a long run that is cut leaves what it had
    return found


def search(asked: argparse.Namespace) -> dict[str, Any]:
    """The plain script's seconds an epoch over kpbench's, both started `search-rounds` times in turn."""
    import peer

    rounds = [peer.measure(asked.data) for _ in range(asked.search_rounds)]
    ratios = [one["ratio"] for one in rounds]
    return {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios), "rounds": rounds}


def overhead(asked: argparse.Namespace) -> dict[str, Any]:
    """What a trial costs besides its training, in ms."""
    import overhead as trials

    return {**trials.in_process((200, 1000, 2000)), **trials.with_ray(200)}


def reading(asked: argparse.Namespace) -> dict[str, float]:
    """A study of 100,000 rows: seconds and peak memory of each part."""
    import reading as rows

    return dict(rows.measure())


PARTS: Mapping[str, Callable[[argparse.Namespace], Any]] = {
    "step": step,
    "search": search,
    "overhead": overhead,
    "reading": reading,
}


def versions() -> dict[str, str]:
    """What is installed of what counts; a GPU machine may lack what only a search needs."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def main() -> None:
    from kpbench.training.device import find_device

    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--json", action="store_true", help="one object at the end")
    words.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    words.add_argument("--rounds", type=int, default=5, help="rounds of each ratio")
    words.add_argument("--search-rounds", type=int, default=3, help="how often both searches are started")
    words.add_argument("--data", default="synthetic", help="faces of the searches")
    words.add_argument("--only", default=",".join(PARTS), help="parts, by commas")
    asked = words.parse_args()
    device = find_device(asked.device)
    result: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{device.title}, {device.kind}, {device.precision}",
        "versions": versions(),
        "rounds": asked.rounds,
    }
    for name in asked.only.split(","):
        result[name] = PARTS[name](asked)
        if not asked.json:
            print(json.dumps({name: result[name]}, indent=2), flush=True)
    if asked.json:
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
