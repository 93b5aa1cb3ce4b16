"""`kpbench replay` from the command line."""

import json
import re
from pathlib import Path

import pytest

from kpbench.cli import main as command_line
from tests.ablation_rows import CROSSED, study_folder
from tests.replay_tables import search_folder

ROOT = Path(__file__).parents[2]

SPACE = """family = "cnn"
[network]
depth = [2, 3, 4]
norm = ["none", "batch", "spatial_batch"]
"""


def mse(cell, seed):
    norm = ["none", "batch", "spatial_batch"].index(cell["network.norm"])
    return 0.001 * (1 + cell["network.depth"] + 2 * norm) + 1e-5 * seed


@pytest.fixture
def study(tmp_path):
    return search_folder(tmp_path / "reports" / "grid", SPACE, mse, seeds=(0, 1, 2, 3), epochs=8)


def test_the_figures_fit_60_columns_and_say_what_they_are(kpbench, study):
    code, out, err = kpbench("replay", "grid", "--replays", "50", "-q")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 60
    words = " ".join(out.split())
    assert "9 cells, 4 seeds, 8 epochs of 2 images; 50 replays each" in words
    assert "Best by the mean score over the other seeds; within 1 % of it: 1 of 9 cells" in words
    assert "regret after 3 whole trials, 48 images" in words
    for name in ("random + asha_late", "additive + none", "additive + asha_late", "tpe + none", "tpe + asha_late"):
        assert out.count(name) == 3
        assert f"{name} needs " in words or f"{name} undecided, " in words
    assert out.count("random + none") == 2
    assert "of the images of random search" in words
    assert "warning" not in out


def test_json_has_the_same_and_the_seed_repeats_it(kpbench, study):
    words = ("replay", "grid", "--replays", "50", "--samplers", "random", "--schedulers", "asha_late", "--json")
    code, out, err = kpbench(*words, "--near", "20%", "--budget", "2", "--seed", "3")
    assert code == 0
    assert err.splitlines() == ["replaying random + none", "replaying random + asha_late"]
    found = json.loads(out)
    assert {name: found[name] for name in ("study", "cells", "seeds", "replays", "near", "budget", "seed")} == {
        "study": "grid", "cells": 9, "seeds": 4, "replays": 50, "near": 0.2, "budget": 2, "seed": 3,
    }  # fmt: skip
    control, other = found["searches"]
    assert (control["sampler"], control["scheduler"], control["ratio"]) == ("random", "none", None)
    assert other["ratio"]["low"] <= other["ratio"]["value"] <= other["ratio"]["high"] <= 1
    assert other["verdict"] in ("fewer", "undecided")
    assert json.loads(kpbench(*words, "--near", "20%", "--budget", "2", "--seed", "3")[1]) == found
    assert json.loads(kpbench(*words, "--near", "20%", "--budget", "2", "--seed", "4")[1]) != found


def test_a_page_is_written_beside_what_is_printed(kpbench, study, tmp_path):
    words = ("replay", "grid", "--replays", "50", "--samplers", "random", "--schedulers", "asha_late", "-q")
    _, plain, _ = kpbench(*words)
    code, out, err = kpbench(*words, "--to", "page.html")
    assert (code, err) == (0, "")
    assert out == f"{plain}written  page.html\n"
    assert plain.rstrip("\n") in (tmp_path / "page.html").read_text()
    found = json.loads(kpbench(*words, "--to", "page.html", "--json")[1])
    assert [images for images, _ in found["searches"][1]["curve"]] == [16 * trials for trials in range(1, 10)]


def test_the_example_of_the_page_is_what_the_command_prints(kpbench):
    found = re.search(r"```\n(18 cells.*?)```", (ROOT / "docs" / "samplers.md").read_text(), flags=re.S)
    out = kpbench("replay", ROOT / "reports" / "verify-facial_keypoints" / "facial_keypoints", "-q")[1]
    assert found is not None and out == found[1]


def test_one_seed_is_warned_of_and_judges_itself(kpbench, tmp_path):
    study_folder(tmp_path / "reports" / "crossed", factors=CROSSED, crossed=True, seeds=1)
    _, out, _ = kpbench("replay", "crossed", "--replays", "50", "--samplers", "random", "-q")
    words = " ".join(out.split())
    assert "Best by the mean score over its own seed" in words
    assert "warning: one seed" in words and "--seeds 3 or more" in words
    assert max(map(len, out.splitlines())) <= 60


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--samplers", "tpe,rondom"], "unknown sampler 'rondom'; did you mean 'random'?"),
        (["--schedulers", "ashe"], "unknown scheduler 'ashe'"),
        (["--near", "much"], "--near must be a share"),
        (["--near", "100%"], "--near must be at least 0 and below 1"),
        (["--near", "nan"], "--near must be at least 0 and below 1"),
        (["--budget", "10"], "--budget 10 is more than the 9 cells of grid"),
        (["--budget", "0"], "--budget"),
        (["--to", "page.pdf"], "a page ends in .html"),
        (["--to", "none/page.html"], "there is no such folder"),
        (["--replays", "2"], "--replays"),
    ],
)
def test_a_mistake_is_one_line(refused, study, words, says):
    assert says in refused("replay", "grid", *words)


def test_a_study_that_is_no_table_is_one_line(refused, tmp_path):
    study_folder(tmp_path / "reports" / "one", factors=CROSSED, seeds=2)
    assert "replay an ablation with --cross" in refused("replay", "one")
    assert "no study 'none'" in refused("replay", "none")


def test_an_interrupted_replay_leaves_with_130_and_writes_nothing(kpbench, study, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    before = sorted(path.name for path in study.iterdir())
    monkeypatch.setattr("kpbench.studies.replay.judged", interrupted)
    code, out, err = kpbench("replay", "grid")
    assert (code, out) == (command_line.INTERRUPTED, "")
    assert "Traceback" not in err and err.startswith("interrupted")
    assert sorted(path.name for path in study.iterdir()) == before
