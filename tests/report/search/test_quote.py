"""The paragraph of a search: its setting and no claim beyond the headline."""

from dataclasses import replace
from pathlib import Path

import pytest

from kpbench.report.search.quote import paragraph, setting
from kpbench.report.search.reader import read_report_input
from kpbench.space.reading import parameters_in
from kpbench.store.plan import read_plan
from tests.study_rows import bare, grid_rows, study

SEARCH = Path(__file__).parents[3] / "reports" / "keypoint"
SESSIONS = [{"device": "AMD EPYC, 1 thread a run"}, {"device": "AMD EPYC, 1 thread a run"}, {"device": "H100"}]


@pytest.fixture(scope="module")
def plan():
    return read_plan(SEARCH).model_copy(update={"sampler": "tpe", "scheduler": "asha"})


def test_a_published_search_says_space_sampler_training_faces_and_machine():
    text = paragraph(read_report_input(SEARCH, faces=False))
    for words in (
        "A search of 5 trials (0 stopped early, 0 failed)", "with 3 fresh seeds",
        "The space is keypoint (a continuum), cells chosen by additive, no early stopping, a run has at most 60 epochs "
        "(92,760 images), on facial_keypoints (1,546 faces to train, 298 to validate, 296 as sealed test). "
        "It ran on Intel Xeon, 1 thread a run, in bf16.", "661 (655 to 667) on the sealed test",
    ):  # fmt: skip
        assert words in text


def test_a_space_that_was_tried_whole_had_no_sampler(plan):
    finite = parameters_in('family = "cnn"\n[network]\ndepth = [2, 3]\nnorm = ["none", "batch", "layer"]\n')
    assert "(6 cells), every cell once, early stopping by asha" in setting(plan, finite, SESSIONS, 6)
    assert "(6 cells), cells chosen by tpe" in setting(plan, finite, SESSIONS, 5)
    constrained = plan.model_copy(update={"constraints": {"params": 1e5}})
    assert "(6 cells), early stopping by asha" in setting(constrained, finite, SESSIONS, 4)


def test_seeds_machines_and_no_early_stopping(plan):
    three = plan.model_copy(update={"seeds": 3, "scheduler": "none"})
    text = setting(three, {}, SESSIONS, 6)
    assert "no early stopping, 3 seeds a trial" in text
    assert text.endswith("It ran on AMD EPYC, 1 thread a run and H100, in bf16.")
    assert "It ran" not in setting(plan, {}, (), 6)


def test_nothing_is_quoted_before_a_final_run():
    assert paragraph(study(grid_rows(finals=0))) == "" == paragraph(bare(study(grid_rows())))
    done = study(grid_rows())
    assert paragraph(replace(done, setting="Where it ran.")).count("Where it ran.") == 1
