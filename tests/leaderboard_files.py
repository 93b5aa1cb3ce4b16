"""Studies and hand-ins of one task in a folder, for the tests of the leaderboard."""

import json
from dataclasses import replace

from kpbench.store.files import FLOOR, PLAN, RESULT, ROWS
from kpbench.store.plan import read_plan
from kpbench.store.study import open_study
from kpbench.task.benchmark import read_benchmark
from tests.ablation_rows import FLOOR_SCORES, study_folder
from tests.store.test_study import PLAN as BARE_PLAN
from tests.study_rows import row

BENCHMARK = read_benchmark()
DATA = "0123456789abcdef"
SPACE = 'family = "cnn"\n[network]\ndepth = [2, 3, 4]\n'
OF_TASK = {
    "benchmark": BENCHMARK.digest,
    "benchmark_text": BENCHMARK.text,
    "data": DATA,
    "data_name": "synthetic",
    "data_sizes": {"train": 2000, "val": 300, "test": 300},
}


def search_folder(folder, cells, *, done=True, rows=None, **plan):
    """A search; `cells` are depth -> (validation, test) scores of its final runs, seeds counted from 1000."""
    made = BARE_PLAN.model_copy(update={**OF_TASK, "space_text": SPACE, "space": folder.as_posix(), **plan})
    found = [trial(depth, 100.0 + depth) for depth in cells]
    found += [final(depth, at, *scores) for depth, runs in cells.items() for at, scores in enumerate(runs)]
    with open_study(folder, made) as study:
        study.write(FLOOR, json.dumps(FLOOR_SCORES))
        for one in found if rows is None else rows:
            study.append(ROWS, replace(one, data=made.data))
        if done:
            study.write(RESULT, json.dumps({"best": None}))
    return folder


def trial(depth, score):
    return row({"family": "cnn", "network.depth": depth}, trial=depth, score=score)


def final(depth, at, val, test, **more):
    return row({"family": "cnn", "network.depth": depth}, seed=1000 + at, trial=None, score=val, test=test, **more)


def ablation_folder(folder, **options):
    """An ablation of the same task (`tests.ablation_rows`)."""
    study_folder(folder, **options)
    plan = read_plan(folder).model_copy(update=OF_TASK)
    (folder / PLAN).write_text(plan.model_dump_json())
    return folder


def hand_in(path, *, score=200.0, **changes):
    """A hand-in of the same task."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "kind": "kpbench score", "model": "my.pt", "faces": 300, "score": score, "mse": 1 / (2 * score), "rmse_px": 2.4,
        "parameters": 2_000_000, "megabytes": 8.0, "pass_mark": 100.0, "pass": True, "data": "synthetic",
        "data_digest": DATA, "split": "test", "benchmark": BENCHMARK.digest,
        "rules": BENCHMARK.rules.model_dump(), "scorer_version": 1, "floor": {"mean face": 114.0},
        "notes": ["what these weights were trained on is not known"],
    }  # fmt: skip
    path.write_text(json.dumps(content | changes))
    return path
