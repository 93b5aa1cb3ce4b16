"""Time and memory of reading, reporting and comparing a search of 100,000 trials: `python benchmarks/speed/reading.py`.

Each part runs in a process of its own, imports included. On a machine with other load look at the CPU seconds.
"""

import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from kpbench.cell import EpochRecord, RunResult, Scalar, cell_id
from kpbench.store.files import FLOOR, PLAN, READINGS, RESULT, ROWS, SESSIONS, adapter, as_line
from kpbench.store.plan import Plan
from kpbench.store.values import Reading, Session

ROOT = Path(__file__).parents[2]
TRIALS, EPOCHS, FACES, TRAIN = 100_000, 8, 300, 1546
FINALISTS, SEEDS = 5, 8
"""Cells that are trained again, and the fresh seeds of each: what a comparison compares."""

PARTS = ("load", "report", "compare")


def trial_rows(count: int) -> Iterator[RunResult]:
    """Rows of a search over nine parameters: half of them stopped early, one in twenty failed."""
    draw = random.Random(0)
    for trial in range(count):
        params = _params(draw)
        score, fate = _score(params, draw), draw.random()
        if fate < 0.05:
            yield _row(params, trial, trial, "failed", score, 2, draw, reason="nan", detail="the loss is not finite")
        else:
            stopped = fate < 0.5
            epochs = draw.choice((2, 4)) if stopped else EPOCHS
            yield _row(params, trial, trial, "pruned" if stopped else "complete", score, epochs, draw)


def final_rows() -> Iterator[RunResult]:
    """The cells of the first complete trials with fresh seeds, scored on every face of the sealed test."""
    draw = random.Random(1)
    complete = [row for row in trial_rows(10 * FINALISTS) if row.state == "complete"]
    for trial in complete[:FINALISTS]:
        for seed in range(SEEDS):
            row = _row(trial.params, None, TRIALS + seed, "complete", _score(trial.params, draw), EPOCHS, draw)
            faces = [round(row.val_mse * draw.lognormvariate(-0.2, 0.6), 8) for _ in range(FACES)]
            official = {"test_mse": row.val_mse, "test_score": row.val_score, "face_mse": faces}
            pixels = [round(draw.uniform(1.5, 4), 4) for _ in range(15)]
            yield replace(row, **official, keypoint_px=pixels)


def write_study(folder: Path, trials: int = TRIALS) -> tuple[str, str]:
    """Writes a finished search into an empty folder; gives two of its cells to compare."""
    texts = {name: (ROOT / path).read_text(encoding="utf-8") for name, path in _TEXTS.items()}
    plan = Plan(
        kind="search", space_name="cnn_tune", space="0" * 16, benchmark_name="facial_keypoints", benchmark="1" * 16,
        scorer=1, data_name="faces", data="2" * 16, epochs=EPOCHS, seeds=1, sampler="tpe", scheduler="asha", seed=0,
        device="cpu", precision="bf16", data_sizes={"train": TRAIN, "val": 298, "test": FACES}, data_notes=(), **texts,
    )  # fmt: skip
    session = Session(when=_WHEN, command="kpbench search", device="cpu", workers=2, versions={"kpbench": "0.1.0"})
    floor = {"mean face": {"val": 74.4, "test": 76.5}, "ridge on pixels": {"val": 166.6, "test": 163.0}}
    cells: dict[str, None] = {}
    (folder / PLAN).write_text(plan.model_dump_json())
    (folder / SESSIONS).write_bytes(as_line(session))
    (folder / FLOOR).write_text(json.dumps(floor))
    (folder / RESULT).write_text(json.dumps({"study": folder.name}))
    with (folder / ROWS).open("wb") as rows, (folder / READINGS).open("wb") as readings:
        for row in chain(trial_rows(trials), final_rows()):
            rows.write(as_line(row))
            if row.role == "final":
                cells[row.cell] = None
                reading = Reading(when=_WHEN, command="kpbench search", model=f"models/{row.cell}.safetensors")
                readings.write(as_line(reading))
        rows.flush()
        os.fsync(rows.fileno())  # a real study's rows lie on the disk long before it is read
    first, second, *_ = cells
    return first, second


def measure(trials: int = TRIALS) -> dict[str, float]:
    """Seconds, CPU seconds and peak MB of each part of `PARTS`, and what lies on the disk, in MB."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        cells = write_study(folder, trials)
        found = {"rows_mb": (folder / ROWS).stat().st_size / 1e6}
        for part in PARTS:
            begun = time.perf_counter()
            words = [sys.executable, __file__, part, str(folder), *cells]
            done = subprocess.run(
                words, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True, check=True
            )
            cost = {"s": time.perf_counter() - begun, **json.loads(done.stdout.splitlines()[-1])}
            found |= {f"{part}_{name}": value for name, value in cost.items()}
        found["report_page_mb"] = (folder / "page.html").stat().st_size / 1e6
    return {name: round(value, 2) for name, value in found.items()}


def run(part: str, folder: Path, first: str, second: str) -> None:
    """Carries out one part and prints what it took."""
    if part == "load":
        from kpbench.store.files import read_lines

        assert len(read_lines(folder / ROWS, RunResult)) > FINALISTS * SEEDS
    else:
        from kpbench.cli.compare import compare
        from kpbench.cli.pages import write_report

        if part == "report":
            write_report(folder, folder / "page.html", faces=False)
        else:
            compare(f"{folder}:{first}", f"{folder}:{second}", across=["recipe"])
    print(json.dumps({"cpu_s": time.process_time(), "peak_mb": _peak()}))


def _peak() -> float:
    """Megabytes that this process had at most; on Linux not those of the process that it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


_WHEN = "2026-01-05T10:00:00+00:00"
_TEXTS = {"space_text": "search_spaces/cnn_tune.toml", "benchmark_text": "benchmarks/facial_keypoints.toml"}


def _params(draw: random.Random) -> dict[str, Scalar]:
    dropout = draw.choice(("none", "standard", "spatial"))
    return {
        "family": "cnn", "network.depth": draw.choice((2, 3, 4, 5)), "network.width": draw.choice((8, 12, 16, 24)),
        "network.kernel": draw.choice((3, 5)), "network.norm": draw.choice(("none", "batch", "spatial_batch")),
        "network.dropout": dropout, "network.dropout_rate": 0.1 if dropout == "none" else draw.uniform(0.02, 0.5),
        "network.activation": "relu", "network.head_width": 64, "training.lr": 10 ** draw.uniform(-3.5, -2),
        "training.weight_decay": 10 ** draw.uniform(-4, -1), "training.batch_size": 32, "training.shift": 4.0,
        "training.rotate": 8.0, "training.scale": 0.08, "training.brightness": 0.1, "training.contrast": 0.2,
        "training.flip": 0.0,
    }  # fmt: skip


def _score(params: dict[str, Scalar], draw: random.Random) -> float:
    gain = (
        0.3 * (params["network.norm"] == "spatial_batch") - 0.35 * (math.log10(float(params["training.lr"])) + 3) ** 2
    )
    return 140 * math.exp(gain + draw.gauss(0, 0.1))


def _row(
    params: dict[str, Scalar], trial: int | None, seed: int, state: str, score: float, epochs: int,
    draw: random.Random, **failure: str,
) -> RunResult:  # fmt: skip
    curve = []
    for epoch in range(1, epochs + 1):
        at = score * (0.2 + 0.8 * (epoch / EPOCHS) ** 0.6) * math.exp(draw.gauss(0, 0.02))
        mse = 1 / (2 * at)
        train = mse * (1.4 - 0.5 * epoch / EPOCHS)
        curve.append(EpochRecord(epoch=epoch, train_mse=train, val_mse=mse, val_score=at, seconds=draw.uniform(3, 9)))
    lost = state == "failed"
    return adapter(RunResult).validate_python(
        {
            "role": "final" if trial is None else "trial", "trial": trial, "cell": cell_id(params), "params": params,
            "seed": seed, "state": state, "epochs": epochs, "val_mse": None if lost else curve[-1].val_mse,
            "val_score": None if lost else curve[-1].val_score, "parameters": 41_870, "megabytes": 0.171,
            "seconds": 40.0, "device": "AMD EPYC, 2 threads", "data": "2" * 16, "curve": curve, "finished": _WHEN,
            **failure,
        }
    )  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:]:
        run(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
    else:
        print(json.dumps(measure(), indent=2))
