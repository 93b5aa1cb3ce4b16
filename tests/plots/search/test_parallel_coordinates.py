import math

from kpbench.cell import cell_id
from kpbench.plots.drawing import Marks
from kpbench.plots.search.parallel_coordinates import draw_parallel_coordinates, parallel_lines
from tests.study_rows import grid_rows, row, tuned_rows


def test_one_line_a_cell_through_every_factor_to_its_score():
    axes, lines, notes = parallel_lines(grid_rows(seeds=2))
    assert [title for title, _ in axes] == ["depth", "dropout", "norm", "score"]
    assert len(lines) == 36 and notes == []
    assert all(len(line.places) == 4 and all(0 <= place <= 1 for place in line.places) for line in lines)
    assert [line.rank for line in lines] == list(range(36, 0, -1))


def test_lines_of_one_level_stay_in_its_part_of_the_axis():
    rows = grid_rows()
    depth = {found.cell: found.params["network.depth"] for found in rows}
    for line in parallel_lines(rows)[1]:
        assert math.floor(4 * line.places[0]) == depth[line.cell] - 2


def test_cells_that_lack_a_ranged_parameter_lie_below_its_range_at_a_tick():
    rows = tuned_rows(200)
    axes, lines, _ = parallel_lines(rows)
    at = [title for title, _ in axes].index("dropout_rate")
    lacking = {row.cell for row in rows if "network.dropout_rate" not in row.params}
    low = {line.places[at] for line in lines if line.cell in lacking}
    others = {line.places[at] for line in lines if line.cell not in lacking}
    assert max(low) < min(others)
    assert "absent" in [text for _, text in axes[at][1]]


def test_many_cells_are_thinned_but_the_first_and_the_chosen_stay():
    rows = [row({"a": value}, trial=value, score=50.0 + value) for value in range(100)]
    _, lines, _ = parallel_lines(rows, most=10, keep=cell_id({"a": 37}))
    assert len(lines) == 11
    assert {lines[-1].cell, cell_id({"a": 37})} <= {line.cell for line in lines}
    assert lines[-1].rank == 1


def test_pruned_and_infinite_cells_are_not_drawn():
    rows = [row({"a": 1}, score=5.0), row({"a": 2}, state="pruned"), row({"a": 3}, score=math.inf)]
    assert [line.cell for line in parallel_lines(rows)[1]] == [cell_id({"a": 1})]


def test_nothing_that_varies_is_said_in_a_sentence():
    drawing = draw_parallel_coordinates([row({"a": 1})], Marks(100.0))
    assert not drawing.panels and drawing.notes
