"""How hard a data set is, and what training on it is worth elsewhere: `python benchmarks/drawn_faces.py synthetic`.

Trains a `cnn` and a soft-argmax network for 20 epochs with one seed on the faces of train, and scores them, the mean
face and ridge on pixels on val; with `--on FACES` on the val of other faces too; `--larger` trains a larger network for
30 epochs. No test split is opened.
"""

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

import kpbench
from kpbench.cell import Params
from kpbench.engine.evaluate import predict
from kpbench.faces.faces import Faces
from kpbench.studies.floor import floors
from kpbench.task.benchmark import read_benchmark
from kpbench.task.score import score_from_mse

EPOCHS = 20

CELLS: dict[str, tuple[str, dict[str, Any]]] = {
    "cnn": ("cnn_small", {"network.norm": "spatial_batch"}),
    "softargmax": ("heads", {}),
}
"""Network -> a search space, and what differs from its baseline."""

LARGER = {
    "network.blocks": 2,
    "network.width": 24,
    "network.head_width": 48,
    "training.shift": 10.0,
    "training.rotate": 30.0,
    "training.scale": 0.25,
    "training.cutout": 0.5,
    "training.blur": 0.5,
    "training.brightness": 0.2,
    "training.contrast": 0.5,
    "training.strong_until": 0.85,
}
"""What differs from `softargmax` in the larger network and its recipe."""


def cell_of(space: str, changes: Params) -> Params:
    """The cell of a finite space that has its baseline's levels but for the changes."""
    found = kpbench.read_space(space)
    wanted = {**found.baseline, **changes}
    return next(cell for cell in found.cells() if all(cell.get(name) == value for name, value in wanted.items()))


def measured(train: Faces, val: Faces, other: Faces | None, *, larger: bool = False) -> Iterator[dict[str, Any]]:
    """One row a method: its scores on `val` and `other`, and the seconds of its training."""
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
    cells = {name: (cell_of(*where), EPOCHS) for name, where in CELLS.items()}
    if larger:
        cells["larger softargmax"] = ({**cells["softargmax"][0], **LARGER}, 30)
    for method, (cell, epochs) in cells.items():
        begun, network = time.perf_counter(), kpbench.build(cell, seed=0)
        recipe = {name.removeprefix("training."): cell[name] for name in cell if name.startswith("training.")}
        for _ in kpbench.fit(network, train, val, epochs=epochs, seed=0, device="cpu", **recipe):
            pass
        yield row(method, network.eval(), time.perf_counter() - begun)


def main() -> None:
    """Prints one JSON object a line."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("data")
    words.add_argument("--on")
    words.add_argument("--larger", action="store_true")
    asked = words.parse_args()
    torch.set_num_threads(1)
    splits = kpbench.load_faces(asked.data)
    other = kpbench.load_faces(asked.on).val if asked.on else None
    for found in measured(splits.train, splits.val, other, larger=asked.larger):
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
