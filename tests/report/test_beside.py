from kpbench.report.beside import Beside, layer_table, progress_of
from kpbench.report.search.page import render
from tests.ablation_rows import study_folder
from tests.report.search.test_page import Page
from tests.study_rows import grid_rows, study


def test_layers_have_their_share_of_the_parameters():
    table = layer_table([("0", "Conv2d 3x3", (16, 96, 96), 25), ("1", "ReLU", (16, 96, 96), 0), ("", "X", (), 75)])
    assert table.rows[0] == ("0", "Conv2d 3x3", "16 × 96 × 96", "25", "25.0 %")
    assert table.rows[1][3:] == ("", "") and table.rows[2][:3] == ("(network)", "X", "")
    assert not layer_table([])
    page = Page(render(study(grid_rows()), Beside(network=table)))
    assert "layer by layer" in page.words and "16 × 96 × 96" in page.words
    assert "layer by layer" not in Page(render(study(grid_rows()))).words


def test_progress_is_told_only_of_what_is_not_done(tmp_path):
    study_folder(tmp_path / "whole")
    study_folder(tmp_path / "half", runs=14)
    assert progress_of(tmp_path / "whole") == ("", False)
    text, running = progress_of(tmp_path / "half")
    assert "14 of " in text and not running
    page = render(study(grid_rows()), Beside(progress="Running: 1 of 3 trials.", running=True))
    assert "Running: 1 of 3 trials. This page opens itself anew" in Page(page).words and 'content="30"' in page
    assert "opens itself anew" not in render(study(grid_rows()), Beside(progress=text))
