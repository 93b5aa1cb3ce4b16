"""Trains a fixed table on which searches are replayed: every cell, several seeds, short and long complete schedules.

`python benchmarks/search/table.py RUNS.jsonl` trains what is missing there, one run after the other, and may be stopped
at any time; `--pack` writes `table.csv` beside this file from it. `--table real_anew --data FACES` and `real_cooled`
are for the other spaces here, on real faces; their runs may be in one file.
"""

import argparse
import csv
import json
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

import kpbench
from kpbench.cell import Scalar, cell_id
from kpbench.space.space import SearchSpace
from kpbench.task.benchmark import read_benchmark
from kpbench.training import recipe as recipes
from kpbench.training.fit import DivergedError
from kpbench.training.predict import predict

HERE = Path(__file__).parent
LONG, SHORT = 8, (1, 2, 4)
"""Epochs of a whole run, and of short runs that go through their own whole schedule."""

PLANS = {
    "table": ((0, (LONG, *SHORT)), (1, (LONG,)), (2, (LONG,)), (1, SHORT)),
    "real_anew": tuple((seed, (LONG, *SHORT)) for seed in range(3)),
    "real_cooled": tuple((seed, (LONG, *SHORT)) for seed in range(3)),
}
"""Table, which has its space beside this file -> run seeds with schedules, in the order of training."""


def space_of(table: str) -> SearchSpace:
    """The space whose cells a table holds."""
    return kpbench.read_space(HERE / f"{table}.toml")


def wanted(table: str, cells: list[dict[str, Scalar]]) -> Iterator[tuple[dict[str, Scalar], int, int]]:
    """Cell, seed and epochs of every run; cells in a shuffled order, so that a part is a fair part."""
    cells = random.Random(0).sample(cells, len(cells))
    for seed, schedules in PLANS[table]:
        for epochs in schedules:
            for cell in cells:
                yield cell, seed, epochs


def train(table: str, data: str, out: Path) -> None:
    """Appends a line for each run that is not in `out` yet: its curve, and the error of each validation face."""
    torch.set_num_threads(1)
    splits, coordinates = kpbench.load_faces(data), read_benchmark().coordinates
    done = {(r["cell"], r["seed"], r["epochs"]) for r in map(json.loads, out.open())} if out.is_file() else set()
    for cell, seed, epochs in wanted(table, list(space_of(table).cells())):
        if (cell_id(cell), seed, epochs) in done:
            continue
        row = {"cell": cell_id(cell), "params": cell, "seed": seed, "epochs": epochs, "data": splits.digest()}
        network = kpbench.build(cell, seed=seed)
        recipe = {name.removeprefix("training."): cell[name] for name in cell if name.startswith("training.")}
        curve = []
        # One warm-up for all runs of a cell, that of the whole one: only so a short run is its beginning, cooled down.
        warm_up = recipes.WARM_UP * (LONG / epochs if cell.get("training.schedule") == "flat_cosine" else 1)
        with suppress(DivergedError), patch.object(recipes, "WARM_UP", warm_up):
            for epoch in kpbench.fit(
                network, splits.train, splits.val, epochs=epochs, seed=seed, device="cpu", **recipe
            ):
                curve.append(float(f"{epoch.val_mse:.5g}"))
            error = (predict(network.eval(), splits.val, coordinates) - splits.val.keypoints) / coordinates.scale
            row["faces"] = [float(f"{value:.4g}") for value in np.square(error).mean(axis=(1, 2))]
        with out.open("a") as file:
            file.write(json.dumps({**row, "curve": curve}) + "\n")


def pack(table: str, runs: Path) -> None:
    """Writes the table: a line a run, its varying parameters, seed, epochs and the MSE after each epoch."""
    space = space_of(table)
    mine, names = {cell_id(cell) for cell in space.cells()}, list(space.factors)
    rows = [row for row in map(json.loads, runs.open()) if row["cell"] in mine]
    with (HERE / f"{table}.csv").open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow([*names, "seed", "epochs", *(f"mse_{epoch}" for epoch in range(1, LONG + 1))])
        for row in rows:
            lines.writerow(
                [*(row["params"].get(name, "") for name in names), row["seed"], row["epochs"], *row["curve"]]
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--table", choices=PLANS, default="table")
    parser.add_argument("--data", default="synthetic@2")
    parser.add_argument("--pack", action="store_true")
    asked = parser.parse_args()
    pack(asked.table, asked.runs) if asked.pack else train(asked.table, asked.data, asked.runs)
