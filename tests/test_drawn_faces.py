"""The benchmark of data sets runs, on little."""

import benchmarks.drawn_faces as benchmark
from tests.course_files import blob_faces


def test_each_method_is_scored_on_both_sets(monkeypatch):
    monkeypatch.setattr(benchmark, "EPOCHS", 1)
    train, val, other = (blob_faces(n, seed=seed) for seed, n in enumerate((40, 12, 8)))
    rows = list(benchmark.measured(train, val, other))
    assert [row["method"] for row in rows] == ["mean face", "ridge on pixels", "cnn", "softargmax"]
    assert all(row["val"] > 0 and row["other"] > 0 for row in rows)
    alone = next(benchmark.measured(train, val, None))
    assert alone == {"method": "mean face", "val": rows[0]["val"], "seconds": 0.0}


def test_the_larger_network_differs_in_parameters_that_exist():
    cell = benchmark.cell_of("heads", {})
    assert cell["network.head"] == "softargmax"
    known = set(cell) | {f"training.{name}" for name in ("brightness", "contrast", "blur", "strong_until")}
    assert set(benchmark.LARGER) <= known
