"""Lines fit the terminal that they go to, and are whole in a pipe."""

import pytest

from kpbench.cli import lines


@pytest.fixture
def terminal(monkeypatch):
    return lambda columns: monkeypatch.setattr(lines, "terminal_columns", lambda: columns)


TABLE = ("contrast", "ratio", "verdict"), [("norm batch against none", "1.38", "worse"), ("dropout", "12", "better")]


def test_a_table_is_aligned_and_whole_in_a_pipe(terminal):
    terminal(None)
    assert lines.table(*TABLE, right=(1,)) == [
        "contrast                 ratio  verdict",
        "norm batch against none   1.38  worse",
        "dropout                     12  better",
    ]


def test_in_a_narrow_terminal_a_row_has_its_name_above_it(terminal):
    terminal(30)
    found = lines.table(*TABLE, right=(1,))
    assert found[2:4] == ["norm batch against none", "   1.38  worse"]
    assert max(map(len, found)) <= 30
    terminal(39)
    assert len(lines.table(*TABLE)) == 3


def test_entries_are_broken_under_their_text_but_no_path_is(terminal):
    path = "reports/" + "x" * 60
    found = [("best", "depth=3 norm=spatial_batch dropout=none"), ("report", path)]
    terminal(30)
    assert lines.entries(found) == [
        "best     depth=3", "         norm=spatial_batch", "         dropout=none", "report", f"         {path}",
    ]  # fmt: skip
    terminal(None)
    assert lines.entries(found)[1] == f"report   {path}"
