"""Every speed that kpbench claims, as ratios from one run: `python benchmarks/speed/run.py --json`.

The parts, each in a file of its own: `step` (training against a course's loop, its layers, batch sizes, cohorts:
`kpbench bench`), `search` (against a plain Ray Tune script), `overhead` (of a trial that trains nothing) and `reading`
(a study of 100,000 rows). `--device cuda` prints the same for a card, where `step` needs torch and kpbench alone.
"""

import argparse
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("kpbench", "torch", "numba", "numpy", "ray", "optuna", "pandas", "plotly")


def step(device: str, rounds: int) -> list[dict[str, Any]]:
    from kpbench.studies.bench import bench

    found = []
    for one in bench(device, rounds=rounds):
        print(f"{one.median:6.2f}x [{one.low:.2f}, {one.high:.2f}]  {one.what} against {one.against}", flush=True)
        found.append(asdict(one))
    return found


def search(device: str, rounds: int) -> dict[str, float]:
    import peer

    return dict(peer.measure(rounds=rounds))


def overhead(device: str, rounds: int) -> dict[str, float]:
    import overhead as trials

    return dict(trials.measure())


def reading(device: str, rounds: int) -> dict[str, float]:
    import reading as rows

    return dict(rows.measure())


PARTS: Mapping[str, Callable[[str, int], Any]] = {
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
        result[name] = PARTS[name](asked.device, asked.rounds)
    if asked.json:
        print(json.dumps(result, indent=2))
    else:
        print(json.dumps({name: result[name] for name in asked.only.split(",") if name != "step"}, indent=2))


if __name__ == "__main__":
    main()
