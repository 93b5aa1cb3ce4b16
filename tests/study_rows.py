"""Plausible rows of a study, the same for the same arguments, for the tests of plots and reports."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from kpbench.cell import EpochRecord, RunResult, Scalar, State, cell_id
from kpbench.report.search.study_input import Apart, Best, Examples, ReportInput
from kpbench.statistics.keypoint_errors import SCALARS
from kpbench.store.files import adapter

NORM_GAIN = {"none": 0.0, "batch": 0.14, "spatial_batch": 0.3}
DROPOUT_GAIN = {"none": 0.0, "standard": -0.07, "spatial": 0.06}
BACKBONES = (
    "mobilenetv3_small_050.lamb_in1k",
    "tf_efficientnet_lite0.in1k",
    "regnetx_002.pycls_in1k",
    "semnasnet_075.rmsp_in1k",
    "resnet10t.c3_in1k",
    "lcnet_050.ra2_in1k",
)


def row(
    params: dict[str, Scalar],
    *,
    seed: int = 0,
    trial: int | None = 0,
    state: State = "complete",
    score: float | None = 100.0,
    test: float | None = None,
    epochs: int = 8,
    reason: str | None = None,
    detail: str | None = None,
    noise: random.Random | None = None,
    metrics: dict[str, float] | None = None,
) -> RunResult:
    """One row, a final run for `trial=None`; its curve climbs to `score` where that is positive and finite."""
    wobble = noise or random.Random(0)
    curve = []
    if score is not None and 0 < score < math.inf:
        for epoch in range(1, epochs + 1):
            at = score * (0.22 + 0.78 * (epoch / epochs) ** 0.6) * math.exp(wobble.gauss(0, 0.02) * (epoch < epochs))
            mse = 1 / (2 * at)
            curve.append(
                EpochRecord(
                    epoch=epoch, train_mse=mse * (1.4 - 0.7 * epoch / epochs), val_mse=mse, val_score=at, seconds=1.5
                )
            )
    return adapter(RunResult).validate_python(
        {
            "role": "final" if trial is None else "trial",
            "trial": trial,
            "cell": cell_id(params),
            "params": params,
            "seed": seed,
            "state": state,
            "reason": reason,
            "detail": detail,
            "epochs": epochs,
            "val_mse": None if not score else 1 / (2 * score),
            "val_score": score,
            "test_mse": None if not test else 1 / (2 * test),
            "test_score": test,
            "metrics": metrics,
            "parameters": 40_000 * (1 + len(str(params)) % 7),
            "megabytes": 0.4,
            "seconds": 12.5,
            "device": "cpu",
            "data": "0123456789abcdef",
            "curve": curve,
            "finished": "2026-01-05T10:00:00Z",
        }
    )


def grid_rows(*, seeds: int = 1, finals: int = 3) -> list[RunResult]:
    """The 36 cells of depth x norm x dropout, the best of them trained again with fresh seeds."""
    noise = random.Random(7)
    rows = []
    for depth, norm, dropout in product((2, 3, 4, 5), NORM_GAIN, DROPOUT_GAIN):
        params = _cnn(depth, norm, dropout, 0.001)
        for seed in range(seeds):
            rows.append(row(params, seed=seed, trial=len(rows), score=_score(params, noise), epochs=12, noise=noise))
    best = max(rows, key=lambda found: found.val_score or 0)
    for seed in range(finals):
        score = _score(best.params, noise)
        rows.append(
            row(dict(best.params), seed=1000 + seed, trial=None, score=score, test=1.12 * score, epochs=12, noise=noise)
        )
    return rows


def tuned_rows(count: int, *, epochs: int = 12, finals: int = 3) -> list[RunResult]:
    """A search over seven parameters with early stopping, failures of every kind and a backbone with long names."""
    noise = random.Random(11)
    rows: list[RunResult] = []
    for trial in range(count):
        depth, width = noise.choice((2, 3, 4, 5)), noise.choice((16, 24, 32, 48))
        lr = 10 ** noise.uniform(-4.3, -1.7)
        params = _cnn(depth, noise.choice(list(NORM_GAIN)), noise.choice(list(DROPOUT_GAIN)), lr)
        params |= {"network.width": width, "network.backbone": noise.choice(BACKBONES)}
        params |= {"training.weight_decay": 10 ** noise.uniform(-6, -2)}
        if params["network.dropout"] != "none":
            params["network.dropout_rate"] = round(noise.uniform(0.05, 0.5), 3)
        score = _score(params, noise)
        fate = noise.random()
        if fate < 0.06:
            reason, detail = noise.choice(
                [
                    ("nan", "loss is NaN in epoch 2"),
                    ("oom", "CUDA out of memory: tried to allocate 2.3 GiB"),
                    ("crash", "the worker process died with signal 9"),
                    (
                        "error",
                        "RuntimeError: Given groups=1, weight of size [64, 32, 3, 3], expected input[256, 16, 24, 24]",
                    ),
                ]
            )
            rows.append(row(params, trial=trial, state="failed", score=None, epochs=2, reason=reason, detail=detail))
        elif fate < 0.5 and count > 1:
            stopped = noise.choice((2, 4, 6))
            rows.append(row(params, trial=trial, state="pruned", score=0.55 * score, epochs=stopped, noise=noise))
        else:
            rows.append(row(params, trial=trial, score=score, epochs=epochs, noise=noise))
    complete = [found for found in rows if found.state == "complete"]
    best = max(complete, key=lambda found: found.val_score or 0)
    for seed in range(finals):
        score = _score(best.params, noise)
        rows.append(
            row(
                dict(best.params),
                seed=1000 + seed,
                trial=None,
                score=score,
                test=1.1 * score,
                epochs=epochs,
                noise=noise,
            )
        )
    return rows


def some_metrics(rmse: float) -> dict[str, float]:
    """The metrics of a run whose RMSE is `rmse` px, plausible beside it."""
    px = {"rmse_px": rmse, "radial_mean_px": 1.2 * rmse, "radial_median_px": rmse, "radial_p90_px": 2.2 * rmse}
    shares = {"nme": 0.035 * rmse, "nme_outer": 0.025 * rmse, "auc_08": 0.2, "failure_08": 0.3, "pck_05": 0.4}
    rest = {"radial_p99_px": 4 * rmse, "pck_10": 0.8, "bias_x_px": -0.125, "bias_y_px": 0.25}
    return {name: {**px, **shares, **rest}[name] for name in SCALARS}


def _cnn(depth: int, norm: str, dropout: str, lr: float) -> dict[str, Scalar]:
    return {
        "family": "cnn",
        "network.depth": depth,
        "network.norm": norm,
        "network.dropout": dropout,
        "network.kernel": 3,
        "training.lr": lr,
        "training.batch": 64,
    }


def _score(params: dict[str, Scalar], noise: random.Random) -> float:
    gain = 0.09 * (float(params["network.depth"]) - 2)
    gain += NORM_GAIN[str(params["network.norm"])] + DROPOUT_GAIN[str(params["network.dropout"])]
    gain -= 0.35 * (math.log10(float(params["training.lr"])) + 3) ** 2
    return 140 * math.exp(gain + noise.gauss(0, 0.07))


FLOOR = {"mean face": {"val": 74.2, "test": 76.1}, "ridge on pixels": {"val": 96.4, "test": 101.8}}


def examples(*, each: int = 1) -> Examples:
    """`each` times three shaded ovals with keypoints and predictions that miss by about 1, 2 and 6 pixels."""
    noise = np.random.default_rng(3)
    y, x = np.mgrid[0:96, 0:96]
    oval = np.clip(1.25 - np.hypot((x - 48) / 36, (y - 48) / 46), 0, 1)
    images = np.stack([(255 * oval * light).astype(np.uint8) for light in (1.0, 0.75, 0.5)])[:, None]
    shape = [
        (66, 36),
        (30, 36),
        (60, 37),
        (73, 37),
        (37, 37),
        (23, 37),
        (57, 28),
        (79, 29),
        (39, 28),
        (17, 29),
        (48, 56),
    ]
    shape += [(63, 75), (33, 75), (48, 72), (48, 83)]
    truth = np.repeat(np.array(shape, dtype=np.float32)[None], 3, axis=0)
    predicted = truth + noise.normal(0, 1, truth.shape).astype(np.float32) * np.array([0.8, 1.6, 4.5])[:, None, None]
    error = np.sqrt(np.mean((truth - predicted) ** 2, axis=(1, 2)))
    repeated = [np.repeat(array, each, axis=0) for array in (images, truth, predicted, error)]
    return Examples(*repeated, label=[label for label in ("best", "median", "worst") for _ in range(each)])


def apart(cells: Sequence[str], seeds: Sequence[int]) -> Apart:
    """The faces of `examples` with the points of so many networks, each about 3 pixels off."""
    found = examples()
    noise = np.random.default_rng(5).normal(0, 3, (len(cells), *found.truth.shape)).astype(np.float32)
    return Apart(found.images, found.truth, found.truth + noise, cells, seeds)


def study(rows: list[RunResult], *, name: str = "cnn-small", with_examples: bool = True) -> ReportInput:
    """A study page's input around the rows, with all that a finished study has."""
    trials = [found for found in rows if found.role == "trial" and found.state == "complete" and found.val_score]
    best = None
    if trials:
        chosen = max(trials, key=lambda found: found.val_score or 0)
        tests = [found.test_score for found in rows if found.role == "final" and found.test_score]
        best = Best(
            cell=chosen.cell,
            params=chosen.params,
            val_score=chosen.val_score or 0,
            test_score=tests[0] if tests else None,
            model=f"models/{chosen.cell}-1000.safetensors" if tests else None,
            seeds=len(tests),
            test_mean=math.exp(sum(map(math.log, tests)) / len(tests)) if tests else None,
            test_interval=(0.93 * min(tests), 1.05 * max(tests)) if len(tests) > 2 else None,
        )
    plan = {
        "space": "cnn_small",
        "space hash": "5f1d0c77a4e2b9d3",
        "benchmark": "facial_keypoints",
        "benchmark hash": "9a0be2f0c1d44e11",
        "data": "synthetic",
        "data digest": "0123456789abcdef",
        "notes": ["2,000 train, 300 val and 300 test faces drawn", "test split off by subject"],
        "n_trials": len(rows),
        "epochs": 12,
        "seeds": 1,
        "sampler": "tpe",
        "scheduler": "asha",
        "seed": 0,
        "device": "cpu",
        "precision": "bf16",
        "final": {"cells": 1, "seeds": 3},
    }
    session = {
        "when": "2026-01-05T10:00:00Z",
        "command": f"kpbench search --space cnn_small --n-trials {len(rows)} --epochs 12 --name {name} --seed 0",
        "versions": {"kpbench": "0.1.0", "torch": "2.13.0", "optuna": "5.0.0", "ray": "3.0.0", "timm": "1.0.31"},
        "device": "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz, 2 threads",
    }
    reading = {"when": "2026-01-05T10:20:00Z", "command": "kpbench search", "model": best.model if best else ""}
    return ReportInput(
        name=name,
        rows=rows,
        pass_mark=100.0,
        floor=FLOOR,
        best=best,
        plan=plan,
        train_faces=2000,
        sessions=(session, replace_when(session)),
        readings=(reading,) if best and best.test_mean else (),
        examples=examples() if with_examples and best else None,
    )


def replace_when(session: dict[str, object]) -> dict[str, object]:
    """The same session an hour later."""
    return {**session, "when": "2026-01-05T11:00:00Z"}


def bare(found: ReportInput) -> ReportInput:
    """The study with everything that may be missing taken away."""
    return replace(found, floor={}, best=None, plan={}, sessions=(), readings=(), examples=None)
