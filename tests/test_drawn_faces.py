"""The benchmark of data sets runs, on little."""

import benchmarks.drawn_faces as benchmark
from kpbench import read_space
from kpbench.engine.evaluate import known_parameters
from tests.course_files import blob_faces


def test_each_method_is_scored_on_both_sets(monkeypatch):
    monkeypatch.setattr(benchmark, "CELLS", {name: (*cell, 1) for name, (*cell, _) in benchmark.CELLS.items()})
    train, val, other = (blob_faces(n, seed=seed) for seed, n in enumerate((40, 12, 8)))
    rows = list(benchmark.measured(train, val, other, benchmark.CELLS))
    assert [row["method"] for row in rows] == ["mean face", "ridge on pixels", "cnn", "softargmax", "best"]
    assert all(row["val"] > 0 and row["other"] > 0 for row in rows)
    alone = next(benchmark.measured(train, val, None, ()))
    assert alone == {"method": "mean face", "val": rows[0]["val"], "seconds": 0.0}


def test_the_cells_are_those_of_the_spaces():
    cells = {name: benchmark.cell_of(space, changes) for name, (space, changes, _) in benchmark.CELLS.items()}
    assert cells["cnn"] in list(read_space("cnn_small").cells())
    assert cells["softargmax"] in list(read_space("heads").cells())
    prior = read_space("keypoint").prior
    assert prior.items() <= cells["best"].items()
    assert set(cells["best"]) <= known_parameters()["keypoint_net"].keys() | {"family"}
