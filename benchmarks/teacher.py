"""A teacher beyond the rules: `python benchmarks/teacher.py FACES FOLDER` averages networks of one cell.

The cell is the best one of `reports/keypoint`. Each network's weights and its scores by epoch are kept in FOLDER; what
is there is not trained again, so the command may be stopped at any time. Then the networks' points are averaged, and a
line is printed for each number of networks: the mean validation score over the ways to choose them. `--test` scores the
average of all on the sealed test too, and writes down that it was read.
"""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import kpbench
from kpbench.cell import Params
from kpbench.faces.split import Splits
from kpbench.task.benchmark import read_benchmark
from kpbench.task.score import score_from_mse
from kpbench.training.predict import predict

FOUND = Path(__file__).parents[1] / "reports" / "keypoint" / "result.json"


class Averaged(nn.Module):
    """The mean of several networks' points."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 1, 96, 96) -> (N, 30)."""
        return torch.stack([network(images) for network in self.networks]).mean(dim=0)


def trained(cell: Params, faces: Splits, seed: int, epochs: int, file: Path) -> nn.Module:
    """The network of a run seed, from its file or trained into it."""
    network = kpbench.build(cell, seed=seed)
    if not file.is_file():
        recipe = {name.removeprefix("training."): value for name, value in cell.items() if name.startswith("training.")}
        scores = []
        for epoch in kpbench.fit(network, faces.train, faces.val, epochs=epochs, seed=seed, device="cpu", **recipe):
            scores.append(round(epoch.val_score, 1))
            print(json.dumps({"seed": seed, "epoch": epoch.epoch, "val": scores[-1]}), flush=True)
        file.with_suffix(".json").write_text(json.dumps(scores))
        save_file({name: one.contiguous() for name, one in network.state_dict().items()}, file)
    network.load_state_dict(load_file(file))
    return network.eval()


def main() -> None:
    """Trains what is missing, then prints one JSON object a line."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("faces")
    words.add_argument("folder", type=Path)
    words.add_argument("--seeds", type=int, default=9, help="run seeds, from 0")
    words.add_argument("--epochs", type=int, default=60)
    words.add_argument("--test", action="store_true")
    asked = words.parse_args()
    torch.set_num_threads(1)
    asked.folder.mkdir(parents=True, exist_ok=True)
    cell, faces = json.loads(FOUND.read_text())["best"]["cell"], kpbench.load_faces(asked.faces)
    networks = [
        trained(cell, faces, seed, asked.epochs, asked.folder / f"seed{seed}-epochs{asked.epochs}.safetensors")
        for seed in range(asked.seeds)
    ]
    coordinates = read_benchmark().coordinates
    points = np.stack([predict(network, faces.val, coordinates) for network in networks])
    for count in range(1, len(points) + 1):
        errors = [points[list(chosen)].mean(axis=0) for chosen in combinations(range(len(points)), count)]
        scores = [
            score_from_mse(float(np.square((found - faces.val.keypoints) / coordinates.scale).mean()))
            for found in errors
        ]
        print(json.dumps({"networks": count, "val": round(float(np.mean(scores)), 1)}))
    if asked.test:
        teacher = Averaged(networks)
        size = sum(parameter.numel() for parameter in teacher.parameters())

        def record() -> None:
            with (asked.folder / "test_readings.jsonl").open("a") as file:
                file.write(json.dumps({"at": datetime.now(UTC).isoformat(), "networks": len(networks)}) + "\n")

        score = kpbench.evaluate_model(teacher, faces.test.open(record))
        print(json.dumps({"networks": len(networks), "parameters": size, "test": round(score, 1)}))


if __name__ == "__main__":
    main()
