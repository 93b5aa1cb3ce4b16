from dataclasses import replace

import numpy as np
import pytest

from kpbench.plots.search.standings import standings
from kpbench.report.search.apart import apart_faces, network_names
from kpbench.report.search.page import render
from tests.study_rows import apart, examples, grid_rows, study


def test_each_network_has_its_points_and_its_error_on_each_face():
    found = apart(["a", "b"], [1, 2])
    first = apart_faces(found)[0]
    x, y = found.predicted[1, 0, 4]
    assert first.guesses[1][4] == (round(float(x) + 0.5, 2), round(float(y) + 0.5, 2))
    off = found.predicted[1, 0].astype(np.float64) - found.truth[0]
    assert first.rmse_px[1] == pytest.approx(float(np.sqrt(np.mean(off**2))), rel=1e-12)


def test_a_keypoint_without_label_counts_in_no_error():
    found = apart(["a"], [1])
    found.truth[0, 3:] = np.nan
    off = found.predicted[0, 0, :3].astype(np.float64) - found.truth[0, :3]
    assert apart_faces(found)[0].rmse_px[0] == pytest.approx(float(np.sqrt(np.mean(off**2))), rel=1e-12)
    assert apart_faces(found)[0].truth[3] is None


def test_networks_are_called_by_their_cells_or_by_the_seeds_of_one():
    rows = grid_rows()
    first, second = (cell.cell for cell in standings(rows)[:2])
    assert network_names(apart([first, first], [7, 8]), rows) == ("seed 7", "seed 8")
    assert [name[:2] for name in network_names(apart([second, first], [7, 8]), rows)] == ["#2", "#1"]


def test_the_page_draws_them_and_pages_of_older_studies_do_without():
    found = replace(study(grid_rows()), examples=examples())
    assert "networks disagree" not in render(found)
    html = render(replace(found, apart=apart(["a"] * 3, [1, 2, 3])))
    assert "final networks disagree" in html
    assert html.count('<use href="#net-diamond" x=') == 3 * 15


def test_arrays_of_other_shapes_are_refused():
    found = apart(["a", "b"], [1, 2])
    with pytest.raises(ValueError, match="must have the shapes"):
        replace(found, predicted=found.predicted[:1])
