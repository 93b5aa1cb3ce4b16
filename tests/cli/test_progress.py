import io
import sys

import pytest

from kpbench.cli.progress import View
from kpbench.engine.events import Ended, Notice, Stage
from kpbench.engine.jobs import Job
from kpbench.space.space import Choice


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stderr", [Terminal, io.StringIO])
def test_a_notice_stays_and_a_stage_in_a_terminal_does_not(monkeypatch, stderr):
    seen = stderr()
    monkeypatch.setattr(sys, "stderr", seen)
    monkeypatch.setenv("TERM", "xterm")
    with View(quiet=False) as view:
        view.notify(Notice("no verdict from [3] seeds"))
        view.notify(Stage("training", 4))
    lines = seen.getvalue().splitlines()
    assert "no verdict from [3] seeds" in [line.rpartition("\x1b[2K")[2] for line in lines]
    assert ("training" in lines) is not seen.isatty()


def test_quiet_is_quiet_but_for_a_line_each_kind_of_failure(monkeypatch):
    seen = Terminal()
    monkeypatch.setattr(sys, "stderr", seen)
    with View(quiet=True) as view:
        view.notify(Notice("no verdict from 3 seeds"))
        view.notify(Ended(job(), "complete", 161.84))
        assert seen.getvalue() == ""
        for detail in ("the loss is not finite in epoch 1", "my.py:3: no", "the loss is not finite in epoch 2", None):
            view.notify(Ended(job(), "failed", None, detail))
    assert seen.getvalue().splitlines() == [
        "failed: the loss is not finite in epoch 1",
        "failed: my.py:3: no",
        "failed: no reason is known",
    ]


CELL = {"family": "cnn", "network.dropout": "none", "network.dropout_rate": 0.1, "network.norm": "spatial_batch",
        "training.lr": 0.004445046217937025}  # fmt: skip
SPACE = {"network.dropout": Choice(("none", "spatial"), {}),
         "network.dropout_rate": Choice((0.1, 0.2), {"network.dropout": ("spatial",)})}  # fmt: skip


def job(role="trial", seeds=(0,), **params):
    return Job(number=0, role=role, params={**CELL, **params}, seeds=seeds, budget=2)


def test_in_a_pipe_each_run_has_its_place_its_seed_and_named_values(monkeypatch):
    seen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", seen)
    names = ("network.norm", "network.dropout", "network.dropout_rate", "training.lr")
    with View(quiet=False) as view:
        view.notify(Stage("search", 12, 8, None, names, SPACE))
        view.notify(Ended(job(), "complete", 12399.6))
        view.notify(Ended(job(), "complete", 161.84))
        view.notify(Ended(job(seeds=(3, 4), **{"network.dropout": "spatial"}), "pruned", 11.0))
        view.notify(Ended(job("control", seeds=(5,)), "failed", None, "the loss is not finite in epoch 1"))
    assert seen.getvalue().splitlines() == [
        "search: 4 of 12 to train",
        " 9/12 complete 12399.6  seed 0  norm=spatial_batch dropout=none lr=0.00445",
        "10/12 complete  161.8  seed 0  norm=spatial_batch dropout=none lr=0.00445",
        "11/12 pruned     11.0  seeds 3, 4  norm=spatial_batch dropout=spatial dropout_rate=0.1 lr=0.00445",
        "12/12 failed           seed 5  A/A  norm=spatial_batch dropout=none lr=0.00445: "
        "the loss is not finite in epoch 1",
    ]


def test_of_an_ablation_a_job_counts_as_many_runs_as_it_has_seeds(monkeypatch):
    seen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", seen)
    with View(quiet=False) as view:
        view.notify(Stage("training", 24, 8, None, (), SPACE, runs=True))
        view.notify(Ended(job("ablation", tuple(range(8))), "complete", 160.0))
        view.notify(Ended(job("ablation", (8,)), "complete", 161.0))
    assert [line.split("  ")[0] for line in seen.getvalue().splitlines()] == [
        "training: 16 of 24 to train", "16/24 complete", "17/24 complete"]  # fmt: skip
    assert "8 seeds" in seen.getvalue()
