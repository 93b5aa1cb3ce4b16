"""The performance benchmarks run, on little."""

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
