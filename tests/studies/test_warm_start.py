"""A search that starts from what another study found."""

from dataclasses import replace

import pytest

from kpbench.cli.dry_runs import search_lines
from kpbench.errors import UsageError
from kpbench.store.files import JOURNAL, WARM, read_lines
from kpbench.store.plan import read_plan
from kpbench.studies.search import dry_run
from kpbench.studies.search_request import SearchRequest, prepare_search
from kpbench.studies.warm_start import Known
from tests.scripted import quiet, rows
from tests.studies.test_search import SPACE, asked, run

__all__ = ["asked"]


@pytest.fixture
def first(asked):
    """A study of all four cells."""
    return run(asked, name="first", final_cells=0)


def trial_rows(folder):
    return [row for row in rows(folder) if row.role == "trial"]


def wider(asked, tmp_path, old="depth = [2, 3]", new="depth = [2, 3, 4]"):
    path = tmp_path / "wider.toml"
    path.write_text(SPACE.replace(old, new))
    return {**asked, "space": str(path), "n_trials": 2, "final_cells": 0}


def test_the_cells_of_another_study_are_shown_and_never_counted(asked, first, tmp_path):
    folder = run(wider(asked, tmp_path), name="second", warm_start="first", seed=1)
    known = read_lines(folder / WARM, Known)
    scores = {row.cell: row.val_score for row in trial_rows(first)}
    assert sorted(cell.score for cell in known) == pytest.approx(sorted(scores.values()))
    assert all(set(cell.params) == {"network.depth", "network.norm"} for cell in known)
    assert len(trial_rows(folder)) == 2
    assert read_plan(folder).warm_start == read_plan(first).digest
    assert read_plan(first).warm_start is None
    assert "warm_start" not in read_plan(first).identity()
    journal = (folder / JOURNAL).read_text()
    assert journal.count('"op_code":4') == 2


def test_it_continues_from_what_it_was_begun_with(asked, first, tmp_path):
    request = {**wider(asked, tmp_path), "name": "second", "warm_start": "first"}
    folder = run(request)
    before = (folder / WARM).read_bytes()
    text = (first / "rows.jsonl").read_text()
    (first / "rows.jsonl").write_text(text.splitlines(keepends=True)[0])  # the other study is another now
    run({**request, "n_trials": 3})
    assert (folder / WARM).read_bytes() == before
    assert len(trial_rows(folder)) == 3
    with pytest.raises(UsageError, match="warm_start"):
        run({**request, "warm_start": None})


def test_a_dry_run_says_what_the_sampler_knows(asked, first, tmp_path):
    request = SearchRequest(**{**wider(asked, tmp_path), "warm_start": "first"})
    said = dry_run(prepare_search(request), quiet)
    assert said["warm_start"]["cells"] == 4
    options = {"gpus_per_trial": None, "trial_timeout_s": None, "address": None}
    knows = f"trials      2, chosen by additive, which knows 4 cells of {first}"
    assert knows in list(search_lines(said | options))
    every = dry_run(prepare_search(replace(request, n_trials=6)), quiet)
    nothing = f"trials      6, every cell once, so that the 4 cells of {first} change nothing"
    assert nothing in list(search_lines(every | options))


@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_a_sampler_that_learns_nothing_takes_no_warm_start(asked, first, tmp_path, sampler):
    with pytest.raises(UsageError, match=f"'{sampler}' looks at nothing: leave it out, or use additive"):
        run({**wider(asked, tmp_path), "sampler": sampler}, warm_start="first", name="second")
    assert not (asked["out"] / "second").exists()


@pytest.mark.parametrize(
    ("more", "old", "new", "message"),
    [
        ({"warm_start": "frist"}, "", "", "no study 'frist'"),
        ({"epochs": 1}, "", "", "epochs is 2 there and 1 here"),
        ({}, "width = 4", "width = 8", r"none of its 4 cells lies in space 'wider': network.width is 4 there"),
        ({}, "depth = [2, 3]", "depth = [4, 5]", "network.depth is [23] there"),
        ({}, "batch_size = 8", "batch_size = 8\nema = 0.9", "training.ema is not set there"),
    ],
)
def test_what_does_not_match_is_refused_in_a_line(asked, first, tmp_path, more, old, new, message):
    with pytest.raises(UsageError, match=message) as caught:
        run({**wider(asked, tmp_path, old, new), "warm_start": "first", "name": "second", **more})
    assert "\n" not in str(caught.value)
    assert not (asked["out"] / "second").exists()
