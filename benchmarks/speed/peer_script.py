"""The peer: a plain Ray Tune, OptunaSearch and ASHA script for the space of `cnn_small`; `peer.py` beside runs it."""

import json
import sys
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def network(depth: int, norm: str, dropout: str) -> nn.Module:
    """The network of a cell, plain torch layers."""
    layers: list[nn.Module] = []
    width, size = 1, 96
    for out in (16 * 2**block for block in range(depth)):
        layers.append(nn.Conv2d(width, out, 3, padding=1))
        if norm == "spatial_batch":
            layers.append(nn.BatchNorm2d(out))
        elif norm == "batch":
            layers += [nn.Flatten(), nn.BatchNorm1d(out * size * size), nn.Unflatten(1, (out, size, size))]
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
        if dropout != "none":
            layers.append((nn.Dropout if dropout == "standard" else nn.Dropout2d)(0.1))
        width, size = out, size // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * size * size, 128), nn.ReLU(), nn.Linear(128, 30))


def trainable(config: dict[str, Any], path: str, epochs: int) -> None:
    """Trains one network the course's way and reports each epoch."""
    torch.set_num_threads(1)
    images, keypoints, val_images, val_keypoints = torch.load(path)
    loader = DataLoader(TensorDataset(images, keypoints), batch_size=32, shuffle=True)
    val_loader = DataLoader(TensorDataset(val_images, val_keypoints), batch_size=64)
    model = network(**config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    steps = epochs * len(loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    loss_of = nn.MSELoss()
    for _ in range(epochs):
        model.train()
        for pictures, points in loader:
            optimiser.zero_grad()
            loss_of(model(pictures), points.flatten(1)).backward()
            optimiser.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            losses = [loss_of(model(pictures), points.flatten(1)).item() for pictures, points in val_loader]
        tune.report({"val": sum(losses) / len(losses)})


def main(path: str, trials: int, epochs: int, workers: int) -> int:
    """Searches; returns the number of epochs trained."""
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable, path=path, epochs=epochs), {"cpu": 1}),
        param_space={
            "depth": tune.choice([2, 3, 4, 5]),
            "norm": tune.choice(["none", "batch", "spatial_batch"]),
            "dropout": tune.choice(["none", "standard", "spatial"]),
        },
        tune_config=tune.TuneConfig(
            metric="val",
            mode="min",
            search_alg=OptunaSearch(seed=0),
            scheduler=ASHAScheduler(max_t=epochs, grace_period=max(1, epochs // 3), reduction_factor=3),
            num_samples=trials,
            max_concurrent_trials=workers,
        ),
        run_config=tune.RunConfig(storage_path=str(Path(path).parent / "tune"), verbose=0),
    )
    results = tuner.fit()
    return sum(len(result.metrics_dataframe) for result in results if result.metrics_dataframe is not None)


if __name__ == "__main__":
    print(json.dumps({"epochs": main(sys.argv[1], *map(int, sys.argv[2:]))}))
