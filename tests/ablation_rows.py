"""Ablation study folders with planted effects, the same for the same arguments, without any training."""

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kpbench.analysis.ablation.analysis import Analysis, analyse
from kpbench.cell import EpochRecord, RunResult, Scalar, cell_id
from kpbench.space.design import Design, blocks_of, factorial
from kpbench.store.files import COSTS, FLOOR, READINGS, ROWS, SESSIONS, adapter, as_line
from kpbench.store.plan import Plan
from kpbench.store.study import open_study
from kpbench.store.values import Reading, Session
from tests.study_rows import some_metrics

NORM: dict[str, tuple[Scalar, ...]] = {"network.norm": ("none", "batch", "spatial_batch")}
CROSSED: dict[str, tuple[Scalar, ...]] = {**NORM, "network.dropout": ("none", "standard", "spatial")}

EFFECTS: dict[str, float] = {
    "network.norm=batch": -0.10,
    "network.norm=spatial_batch": -0.35,
    "network.dropout=standard": 0.16,
    "network.dropout=spatial": -0.012,
}
"""Planted changes of log MSE."""

TOGETHER = {frozenset({"network.norm=spatial_batch", "network.dropout=standard"}): 0.25}
"""Planted interactions of log MSE."""

MOUTH = range(11, 15)
KEYPOINT_EFFECTS: dict[str, float] = {"network.norm=spatial_batch": -0.4, "network.dropout=standard": 0.3}
"""Planted changes of log MSE at the four keypoints of the mouth, beside those of all keypoints."""

SHIFTS = (0, 2, 4, 8)
SHIFT_COST = {"network.norm=spatial_batch": 0.05, "network.dropout=spatial": 0.02}
"""Planted growth of log MSE a pixel of shift, beside the 0.04 of every cell."""

OTHER_DATA = "other_faces"
FACES = 24

FLOOR_SCORES = {"mean face": {"val": 110.0, "test": 114.0}, "ridge on pixels": {"val": 150.0, "test": 161.0}}


def study_folder(
    folder: Path,
    *,
    factors: Mapping[str, Sequence[Scalar]] = NORM,
    crossed: bool = False,
    asked: Sequence[str] | None = None,
    seeds: int = 8,
    control: bool = True,
    noise: float = 0.06,
    diverged: Sequence[tuple[int, int]] = (),
    missing: Sequence[tuple[int, int]] = (),
    runs: int | None = None,
    floor: bool = True,
    correction: str = "holm",
    details: bool = True,
    crashed: Sequence[tuple[int, int]] = (),
    command: str = "kpbench ablate norm --seeds 8",
) -> Path:
    """Writes an ablation; `diverged` and `missing` are (cell, block) by position, `runs` cuts it after so many.

    `crashed` ran out of memory twice; without `details` the rows hold one number a run, as they once did.
    """
    blocks, cohort = blocks_of(0, seeds, control=control)
    cells = factorial(factors, crossed=crossed)
    design = Design(
        factors={name: tuple(levels) for name, levels in factors.items()},
        asked=tuple(asked or factors),
        crossed=crossed,
        cells=cells,
        blocks=blocks,
        control=cohort,
        sesoi=0.05,
        alpha=0.05,
        power=0.8,
        correction=correction,
        shifts=SHIFTS if details else None,
    )
    wanted = [
        ("ablation", at, place, seed)
        for place, seed in enumerate(blocks)
        for at in range(len(cells))
        if (at, place) not in (*missing, *crashed)
    ]
    wanted += [("control", 0, seeds + place, seed) for place, seed in enumerate(cohort)]
    with open_study(folder, plan(design)) as study:
        study.append(SESSIONS, Session(when="2026-01-05T10:00:00+00:00", command=command, device="cpu, 2 threads",
                                       workers=2, versions={"kpbench": "0.1.0", "torch": "2.13.0"}))  # fmt: skip
        study.write(COSTS, json.dumps({cell_id(whole(cell)): _costs(cell) for cell in cells}))
        if floor:
            study.write(FLOOR, json.dumps(FLOOR_SCORES))
        rows, readings = [], []
        for role, at, place, seed in wanted[:runs]:
            lost = role == "ablation" and (at, place) in diverged
            found = row(role, cells[at], seed, place, lost=lost, noise=noise, details=details)
            if not lost:
                readings.append(Reading(when=found.finished, command=command, model=f"models/{found.cell}"))
            rows.append(found)
        rows += [crash(cells[at], blocks[place]) for at, place in [*crashed, *crashed]]
        for file, values in ((ROWS, rows), (READINGS, readings)):
            study.write(file, b"".join(map(as_line, values)))
    return folder


def analysis(folder: Path, **options: object) -> Analysis:
    """The analysis of such a study."""
    return analyse(study_folder(folder, **options))  # type: ignore[arg-type]


def plan(design: Design) -> Plan:
    """A plan around a design."""
    return Plan(
        kind="ablation", space_name="cnn_small", space="5f1d0c77a4e2b9d3", benchmark_name="facial_keypoints",
        benchmark="9a0be2f0c1d44e11", scorer=1, data_name="synthetic", data="0123456789abcdef", epochs=12,
        seeds=len(design.blocks), sampler="planned", scheduler="none", seed=0, device="cpu", precision="float32",
        data_sizes={"train": 2000, "val": 300, "test": 300}, data_notes=("2,000 train faces drawn",), design=design,
        space_text="", benchmark_text="",
    )  # fmt: skip


def whole(cell: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The cell with the parameters that every run of the study shares."""
    return {"family": "cnn", "network.depth": 4, "training.lr": 1e-3, "training.batch": 64, **cell}


def log_mse(cell: Mapping[str, Scalar], seed: int, place: int, noise: float) -> float:
    """The planted log MSE of a run: cell effects, a block effect and noise of its own."""
    words = {f"{name}={level}" for name, level in cell.items()}
    value = math.log(1 / (2 * 210)) + sum(EFFECTS.get(word, 0.0) for word in words)
    value += sum(extra for pair, extra in TOGETHER.items() if pair <= words)
    block = random.Random(f"block {place}").gauss(0, noise)
    return value + block + random.Random(f"{sorted(words)} {seed}").gauss(0, noise)


def crash(cell: Mapping[str, Scalar], seed: int) -> RunResult:
    """A run that ended without an outcome."""
    found = row("ablation", cell, seed, 0, lost=True)
    return replace(found, reason="oom", detail="13.2 GB of 16 GB in use", curve=[], epochs=0)


def row(
    role: str,
    cell: Mapping[str, Scalar],
    seed: int,
    place: int,
    *,
    lost: bool = False,
    noise: float = 0.06,
    details: bool = True,
) -> RunResult:
    """One run of an ablation; a lost one diverged in epoch 4."""
    params = whole(cell)
    mse = math.exp(log_mse(cell, seed, place, noise))
    wobble = random.Random(f"{sorted(cell.items())} {seed} curve")
    curve = []
    for epoch in range(1, 4 if lost else 13):
        at = 1 / (2 * mse) * (0.2 + 0.75 * (epoch / 12) ** 0.5) * math.exp(wobble.gauss(0, 0.02))
        curve.append(
            EpochRecord(epoch=epoch, train_mse=0.8 / (2 * at), val_mse=1 / (2 * at), val_score=at, seconds=1.5)
        )
    score = None if lost else 1 / (2 * mse)
    return adapter(RunResult).validate_python(
        {
            "role": role, "cell": cell_id(params), "params": params, "seed": seed,
            "state": "failed" if lost else "complete", "reason": "nan" if lost else None,
            "detail": "loss is NaN in epoch 4" if lost else None, "epochs": len(curve),
            "val_mse": None if lost else mse / 0.95, "val_score": None if score is None else 0.95 * score,
            "test_mse": None if lost else mse, "test_score": score,
            "parameters": 40_000 + (9_000 if "batch" in cell.values() else 0), "megabytes": 0.2, "seconds": 18.0,
            "device": "cpu", "data": "0123456789abcdef", "curve": curve, "finished": "2026-01-05T11:00:00+00:00",
            **(_details(cell, seed, mse, noise) if details and not lost else {}),
        }
    )  # fmt: skip


def _details(cell: Mapping[str, Scalar], seed: int, mse: float, noise: float) -> dict[str, object]:
    """Errors of faces whose mean is `mse`, errors of keypoints, and further measures."""
    words = sorted(f"{name}={level}" for name, level in cell.items())
    luck = random.Random(f"{words} {seed} details")
    faces = []
    for face in range(FACES):
        hard = random.Random(f"face {face}").gauss(0, 0.6) + random.Random(f"{words} face {face}").gauss(0, 0.2)
        faces.append(math.exp(hard + luck.gauss(0, noise)))
    mouth = sum(KEYPOINT_EFFECTS.get(word, 0.0) for word in words)
    keypoints = [math.exp(0.02 * at + mouth * (at in MOUTH) + luck.gauss(0, noise / 2)) for at in range(15)]
    growth = 0.04 + sum(SHIFT_COST.get(word, 0.0) for word in words)
    return {
        "face_mse": [mse * value * FACES / sum(faces) for value in faces],
        "keypoint_px": [48 * math.sqrt(mse * value) for value in keypoints],
        "metrics": some_metrics(48 * math.sqrt(mse)),
        "measures": {f"shift {shift}": mse * math.exp(growth * shift) for shift in SHIFTS}
        | {f"val of {OTHER_DATA}": mse * 1.4 * math.exp(luck.gauss(0, noise))},
    }


def _costs(cell: Mapping[str, Scalar]) -> dict[str, float]:
    normed = "spatial_batch" in cell.values()
    return {"flops": 12_000_000 + (200_000 if normed else 0), "step_megabytes": 110.0 if normed else 74.0}
