"""Trains the fixed table on which searches are replayed: every cell, several seeds, short and long complete schedules.

`python benchmarks/search/table.py RUNS.jsonl` trains what is missing there, one run after the other, and may be stopped
at any time; `--pack` writes `table.csv` beside this file from it.
"""

import argparse
import csv
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kpbench.cell import EpochRecord, Scalar, cell_id
from kpbench.engine.evaluate import prepare, work
from kpbench.engine.jobs import Job, model_name
from kpbench.studies.preflight import prepare_task
from kpbench.training.model_files import load_model
from kpbench.training.predict import predict

HERE = Path(__file__).parent
SPACE, TABLE = HERE / "space.toml", HERE / "table.csv"
LONG, SHORT = 8, (1, 2, 4)
"""Epochs of a whole run, and of short runs that go through their own whole schedule."""

PLAN = ((0, (LONG, *SHORT)), (1, (LONG,)), (2, (LONG,)), (1, SHORT))
"""Run seeds with schedules, in the order of training."""


def wanted(cells: list[dict[str, Scalar]]) -> Iterator[tuple[dict[str, Scalar], int, int]]:
    """Cell, seed and epochs of every run; cells in a shuffled order, so that a part is a fair part."""
    cells = random.Random(0).sample(cells, len(cells))
    for seed, schedules in PLAN:
        for epochs in schedules:
            for cell in cells:
                yield cell, seed, epochs


def train(out: Path) -> None:
    """Appends a line for each run that is not in `out` yet: its curve, and the error of each validation face."""
    task = prepare_task(str(SPACE), "cpu", LONG)
    splits = task.read_faces("synthetic@2", lambda *said: None)
    ready = prepare(task.stage(splits))
    done = {(r["cell"], r["seed"], r["epochs"]) for r in map(json.loads, out.open())} if out.is_file() else set()
    for cell, seed, epochs in wanted(list(task.space.cells())):
        if (cell_id(cell), seed, epochs) in done:
            continue
        with tempfile.TemporaryDirectory() as folder:
            job = Job(number=0, role="trial", params=task.complete(cell), seeds=(seed,), epochs=epochs, models=folder)
            records = [progress.seeds[0] for progress in work(job, ready)]
            row = {"cell": cell_id(cell), "params": cell, "seed": seed, "epochs": epochs, "data": splits.digest()}
            if isinstance(records[-1], EpochRecord):
                network, _ = load_model(Path(folder) / f"{model_name(job.params, seed)}.safetensors")
                predicted = predict(network, splits.val, task.benchmark.coordinates)
                error = (np.square(predicted - splits.val.keypoints) / 48**2).mean(axis=(1, 2))
                row["faces"] = [float(f"{value:.4g}") for value in error]
            row["curve"] = [float(f"{r.val_mse:.5g}") for r in records if isinstance(r, EpochRecord)]
            with out.open("a") as file:
                file.write(json.dumps(row) + "\n")


def pack(runs: Path) -> None:
    """Writes the table: a line a run, its varying parameters, seed, epochs and the MSE after each epoch."""
    rows = [json.loads(line) for line in runs.open()]
    names = list(prepare_task(str(SPACE), "cpu", LONG).space.factors)
    with TABLE.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*names, "seed", "epochs", *(f"mse_{epoch}" for epoch in range(1, LONG + 1))])
        for row in rows:
            table.writerow(
                [*(row["params"].get(name, "") for name in names), row["seed"], row["epochs"], *row["curve"]]
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--pack", action="store_true")
    asked = parser.parse_args()
    pack(asked.runs) if asked.pack else train(asked.runs)
