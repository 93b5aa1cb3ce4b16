"""The search against a plain Ray Tune script: `python -m benchmarks.speed.peer`, from the checkout's top.

The peer (`peer_script.py`) is what a competent person writes for this question: OptunaSearch proposes, ASHAScheduler
stops, a function trains the course's way (a DataLoader over tensors parsed once, fp32) and reports each epoch; two
trials at a time. Both are timed as commands, start-up included. kpbench's time has its final runs, the floor and the
report in it; the epochs of final runs count as trained, and of trials stopped early those that they trained.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from kpbench.studies.preflight import prepare_task

CHECKOUT = Path(__file__).parents[2]
PEER = Path(__file__).with_name("peer_script.py")


def measure(data: str = "synthetic", *, trials: int = 6, epochs: int = 10, workers: int = 2) -> dict[str, Any]:
    """Wall seconds and epochs trained of both, the peer first, and the peer's seconds an epoch over kpbench's.

    Raises:
        CalledProcessError: one of the commands failed; what it said is on stderr.
    """
    source = str(Path(data).absolute()) if Path(data).exists() else data
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        splits = Path(folder) / "faces.pt"
        stage(source, str(splits))
        begun = time.perf_counter()
        out = _run([str(PEER), str(splits), str(trials), str(epochs), str(workers)])
        found["peer"] = {"seconds": time.perf_counter() - begun, "epochs": json.loads(out.splitlines()[-1])["epochs"]}
        words = ["--data", source, "--n-trials", str(trials), "--epochs", str(epochs), "--workers", str(workers)]
        begun = time.perf_counter()
        _run(["-m", "kpbench", "search", "--space", "cnn_small", *words, "--out", folder, "--name", "s", "--quiet"])
        seconds = time.perf_counter() - begun
        rows = (Path(folder) / "s" / "rows.jsonl").read_text(encoding="utf-8").splitlines()
        found["kpbench"] = {"seconds": seconds, "epochs": sum(json.loads(row)["epochs"] for row in rows)}
    for one in found.values():
        one["seconds_an_epoch"] = one["seconds"] / one["epochs"]
    return found | {"ratio": found["peer"]["seconds_an_epoch"] / found["kpbench"]["seconds_an_epoch"]}


def _run(words: list[str]) -> str:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return done.stdout


def stage(source: str, path: str) -> None:
    """Writes train and val as the peer's script would keep them once parsed: float tensors."""
    splits = prepare_task("cnn_small", "cpu", None).read_faces(source, lambda *_: None)
    tensors = [
        tensor
        for part in (splits.train, splits.val)
        for tensor in (torch.tensor(part.images) / 255, (torch.tensor(part.keypoints) - 48) / 48)
    ]
    torch.save(tensors, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    print(json.dumps(measure(**vars(parser.parse_args())), indent=2))
