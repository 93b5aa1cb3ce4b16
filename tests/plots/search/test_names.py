from kpbench.plots.search.names import cell_names, cut
from kpbench.plots.search.standings import standings
from tests.study_rows import row


def test_a_name_holds_what_differs_decimals_last():
    rows = [
        row({"lr": 0.1 / at, "norm": norm, "depth": 4}, score=100.0 / at) for at, norm in ((1, "batch"), (2, "none"))
    ]
    rows.append(row({"lr": 0.1, "norm": "batch", "depth": 5}, state="failed", score=None))
    cells = [cell for cell in standings(rows) if cell.tuning]
    assert list(cell_names(rows, cells).values()) == ["#1 norm batch, lr 0.1", "#2 norm none, lr 0.05"]


def test_a_name_is_cut_at_a_comma():
    assert cut("depth 4, norm batch", length=40) == "depth 4, norm batch"
    assert cut("depth 4, norm batch, width 32", length=20) == "depth 4, …"
    assert cut("w" * 30, length=10) == "w" * 9 + "…"
