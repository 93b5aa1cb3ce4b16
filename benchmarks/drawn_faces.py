"""How hard a data set is, and what training on it is worth elsewhere: `python benchmarks/drawn_faces.py synthetic`.

Trains a `cnn` and a soft-argmax network for 20 epochs with one seed on the faces of train, and scores them, the mean
face and ridge on pixels on val; with `--on FACES` on the val of other faces too. `--best` also trains the network at
which the space `keypoint` begins, for 60 epochs and with more of brightness and contrast. No test split is opened.
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from optuna.trial import FixedTrial

import kpbench
from kpbench.cell import Params, Scalar
from kpbench.faces.faces import Faces
from kpbench.sampling.points import settled
from kpbench.studies.floor import floors
from kpbench.task.benchmark import read_benchmark
from kpbench.task.score import score_from_mse
from kpbench.training.predict import predict

CELLS: dict[str, tuple[str, Params, int]] = {
    "cnn": ("cnn_small", {"network.norm": "spatial_batch"}, 20),
    "softargmax": ("heads", {}, 20),
    "best": ("keypoint", {"training.brightness": 0.2, "training.contrast": 0.5}, 60),
}
"""Network -> a search space, what differs from its baseline or prior, and epochs."""


def cell_of(name: str, changes: Params) -> dict[str, Scalar]:
    """The cell at the baseline or prior of a space but for the changes."""
    space = kpbench.read_space(name)
    point = settled(space, {**(space.prior or space.baseline), **changes})
    return {**space.suggest(FixedTrial(point)), **changes}


def measured(
    train: Faces, val: Faces, other: Faces | None, methods: Iterable[str], seed: int = 0
) -> Iterator[dict[str, Any]]:
    """One row a method, the floor's first: its scores on `val` and `other`, and the seconds of its training."""
    coordinates = read_benchmark().coordinates

    def row(method: str, network: torch.nn.Module, seconds: float) -> dict[str, Any]:
        scores = {}
        for name, faces in (("val", val), ("other", other)):
            if faces is not None:
                away = (predict(network, faces, coordinates) - faces.keypoints) / coordinates.scale
                scores[name] = round(score_from_mse(float(np.mean(away.astype(np.float64) ** 2))), 1)
        return {"method": method, **scores, "seconds": round(seconds, 1)}

    for method, network in floors(train, val, coordinates):
        yield row(method, network, 0.0)
    for method in methods:
        space, changes, epochs = CELLS[method]
        cell = cell_of(space, changes)
        begun, network = time.perf_counter(), kpbench.build(cell, seed=seed)
        recipe = {name.removeprefix("training."): cell[name] for name in cell if name.startswith("training.")}
        for _ in kpbench.fit(network, train, val, epochs=epochs, seed=seed, device="cpu", **recipe):
            pass
        yield row(method, network.eval(), time.perf_counter() - begun)


def main() -> None:
    """Prints one JSON object a line."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("data")
    words.add_argument("--on")
    words.add_argument("--best", action="store_true")
    words.add_argument("--seed", type=int, default=0)
    asked = words.parse_args()
    torch.set_num_threads(1)
    splits = kpbench.load_faces(asked.data)
    other = kpbench.load_faces(asked.on).val if asked.on else None
    methods = CELLS if asked.best else ("cnn", "softargmax")
    for found in measured(splits.train, splits.val, other, methods, asked.seed):
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
