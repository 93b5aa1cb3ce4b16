"""Validation faces that a search keeps for its page, with what the final networks predict on them."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kpbench.cell import RunResult
from kpbench.faces.faces import Faces
from kpbench.store.files import EXAMPLES
from kpbench.store.study import Study
from kpbench.task.benchmark import Coordinates
from kpbench.training.model_files import load_model
from kpbench.training.predict import predict

FACES, NETWORKS = 4, 5
"""Faces of a kind, and networks whose predictions are set beside each other, at most."""


def keep_faces(study: Study, val: Faces, coordinates: Coordinates, rows: Sequence[RunResult], model: str) -> None:
    """Keeps the faces that the best `model` does best, median and worst, and those on which final networks disagree.

    Raises:
        UsageError: a model file is missing or damaged.
    """
    network, _ = load_model(study.folder / model)
    predicted = predict(network, val, coordinates)
    error = np.sqrt(np.square(predicted - val.keypoints).mean(axis=(1, 2)))
    order = np.argsort(error, kind="stable")
    n = min(FACES, max(1, len(order) // 3))
    middle = (len(order) - n) // 2
    index = np.concatenate([order[:n], order[middle : middle + n], order[-n:]])
    arrays = {
        "images": val.images[index],
        "truth": val.keypoints[index],
        "predicted": predicted[index],
        "error": error[index],
        "label": np.array(["best"] * n + ["median"] * n + ["worst"] * n),
    }
    chosen = [row for row in beside_each_other(rows) if (study.folder / str(row.model)).is_file()]
    if len(chosen) > 1:
        networks = [load_model(study.folder / str(row.model))[0] for row in chosen]
        each = np.stack([predict(one, val, coordinates) for one in networks])
        apart = np.argsort(-spread(each), kind="stable")[:FACES]
        arrays |= {
            "apart_images": val.images[apart],
            "apart_truth": val.keypoints[apart],
            "apart_predicted": each[:, apart],
            "apart_cell": np.array([row.cell for row in chosen]),
            "apart_seed": np.array([row.seed for row in chosen]),
        }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    study.write(EXAMPLES, buffer.getvalue())


def beside_each_other(rows: Sequence[RunResult]) -> list[RunResult]:
    """Final runs whose predictions are compared: the best seed of each cell, or each seed where there is one cell."""
    finals = [row for row in rows if row.role == "final" and row.state == "complete" and row.model]
    finals.sort(key=lambda row: -(row.val_score or 0.0))
    best: dict[str, RunResult] = {}
    for row in finals:
        best.setdefault(row.cell, row)
    return (list(best.values()) if len(best) > 1 else finals)[:NETWORKS]


def spread(predicted: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far networks' points on a face lie apart: (C, N, 15, 2) in pixels to (N,), RMS distance from their mean."""
    squares = np.square(predicted - predicted.mean(axis=0)).sum(axis=3)
    return np.asarray(np.sqrt(squares.mean(axis=(0, 2))))
