"""Folders of `kpbench verify faces` with planted truths in both studies, without any training."""

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kpbench.analysis.verify import Asked
from kpbench.cell import Scalar
from kpbench.space.design import Design, blocks_of, factorial
from kpbench.store.files import ASKED, FLOOR, ROWS, SESSIONS
from kpbench.store.study import open_study
from kpbench.store.values import Session
from tests.ablation_rows import FLOOR_SCORES, plan, row

REAL = "real_faces"

FACTORS: dict[str, tuple[Scalar, ...]] = {
    "network.norm": ("none", "batch", "spatial_batch"),
    "network.dropout": ("none", "standard", "spatial"),
    "network.depth": (4, 2),
}

EFFECTS = {
    "batch": -0.20, "spatial_batch": -0.42, "standard": 0.09, "spatial": -0.05, 2: 0.16,
}  # fmt: skip
"""Changes of log MSE by level."""

Truth = Callable[[Mapping[str, Scalar]], float]


def planted(cell: Mapping[str, Scalar], effects: Mapping[Scalar, float] = EFFECTS) -> float:
    """The log MSE of a cell: the sum of its levels' effects and a little that is its own."""
    own = random.Random(str(sorted(cell.items()))).gauss(0, 0.02)
    return math.log(1 / 400) + own + sum(effects.get(level, 0.0) for level in cell.values())


def verify_folder(
    folder: Path,
    *,
    truths: Sequence[Truth] = (planted, planted),
    seeds: Sequence[int] = (9, 9),
    noise: float = 0.04,
    missing: Sequence[int] = (0, 0),
    diverged: Sequence[int] = (),
    begun: int = 2,
    measured: bool = True,
    split: str | None = None,
) -> Path:
    """Writes both studies; `missing` runs are left off each study's end, cells in `diverged` lose their first seed in
    the built-in study, and only the first `begun` studies exist. Judged on `val` they have no score on the test."""
    cells = factorial(FACTORS, crossed=True)
    folder.mkdir(parents=True, exist_ok=True)
    asked = Asked(
        built_in="synthetic", real=REAL, runs=tuple(len(cells) * n for n in seeds), mean_face_mse=1 / (2 * 58.0)
    )
    (folder / ASKED).write_text(asked.model_dump_json())
    for at, (name, truth) in list(enumerate(zip(("synthetic", REAL), truths, strict=True)))[:begun]:
        blocks, _ = blocks_of(0, seeds[at], control=False)
        design = Design(
            factors=FACTORS, asked=tuple(FACTORS), crossed=True, cells=cells, blocks=blocks, control=(), sesoi=0.05,
            alpha=0.05, power=0.8, correction="holm", also=None if at else "real_faces 00",
            split=split,
        )  # fmt: skip
        found = plan(design).model_copy(update={"data_name": name, "data": f"{at}" * 16})
        with open_study(folder / name, found) as study:
            study.append(SESSIONS, Session(when="2026-01-05T10:00:00+00:00", command="kpbench verify faces", device="c",
                                           workers=2, versions={"kpbench": "0.1.0"}))  # fmt: skip
            floor = {name: {"val": one["val"]} if split else one for name, one in FLOOR_SCORES.items()}
            study.write(FLOOR, json.dumps(floor))
            wanted = [(seed, place, index) for place, seed in enumerate(blocks) for index in range(len(cells))]
            for seed, place, index in wanted[: len(wanted) - missing[at]]:
                lost = at == 0 and place == 0 and index in diverged
                made = row("ablation", cells[index], seed, place, lost=lost)
                luck = random.Random(f"{name} {seed}").gauss(0, 0.1)
                luck += random.Random(f"{name} {seed} {index}").gauss(0, noise)
                mse = math.exp(truth(cells[index]) + luck)
                change = {"val_mse": mse, "val_score": 1 / (2 * mse)}
                test = None if split else mse
                change |= {"test_mse": test, "test_score": test and 1 / (2 * test)}
                if at == 0 and measured:
                    change["measures"] = {f"val of {REAL}": math.exp(0.5 * math.log(mse) - 2.2)}
                study.append(ROWS, made if lost else replace(made, **change))
    return folder
