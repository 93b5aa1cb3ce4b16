"""The performance benchmarks run, on little."""

from benchmarks.speed import overhead
from benchmarks.speed.reading import FINALISTS, SEEDS, run, write_study
from kpbench.cell import RunResult
from kpbench.store.files import ROWS, read_lines


def test_the_study_of_the_reading_benchmark_is_read_reported_and_compared(tmp_path, capsys):
    cells = write_study(tmp_path, trials=120)
    rows = read_lines(tmp_path / ROWS, RunResult)
    assert len(rows) == 120 + FINALISTS * SEEDS
    assert not hasattr(rows[0].curve[0], "__dict__")  # half a million of them are in memory
    run("report", tmp_path, *cells)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "images seen" in page and "Drawn: " not in page
    run("compare", tmp_path, *cells)
    assert "MSE ratio A/B" in capsys.readouterr().out


def test_trials_of_nothing_are_run_in_turn(monkeypatch):
    monkeypatch.setattr(overhead, "LAST", 2)
    costs = overhead.in_process((2, 5))
    assert list(costs) == ["in this process, 2 trials", "in this process, 5 trials"]
    assert all(0 < cost["cpu_ms"] < 10_000 for cost in costs.values())
