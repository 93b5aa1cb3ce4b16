"""A study's journal opens in optuna-dashboard, which leaves it as it is."""

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FixedTrial, TrialState

from kpbench.sampling.journal import Journal
from kpbench.store.files import JOURNAL

DEPTHS, RATES = CategoricalDistribution((2, 3)), FloatDistribution(1e-4, 1e-1, log=True)


def suggested(depth, lr):
    trial = FixedTrial({"network.depth": depth, "training.lr": lr})
    trial.suggest_categorical("network.depth", DEPTHS.choices)
    trial.suggest_float("training.lr", RATES.low, RATES.high, log=True)
    return trial


def a_journal(path):
    """Three trials: complete, pruned, still running."""
    journal = Journal(path)
    for depth, state, score in ((2, TrialState.COMPLETE, 120.0), (3, TrialState.PRUNED, None), (3, None, None)):
        number = journal.start(suggested(depth, 0.01 * depth))
        journal.report(number, 80.0 + number, 1)
        if state is not None:
            journal.end(number, state, score)


@contextlib.contextmanager
def dashboard(journal):
    """The command of the documentation, on a free port; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("optuna-dashboard")), str(journal), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def get(address):
    with urllib.request.urlopen(address, timeout=30) as answer:
        return json.load(answer)


def test_the_dashboard_shows_the_study_and_its_trials(tmp_path):
    pytest.importorskip("optuna_dashboard", reason="pip install optuna-dashboard")
    path = tmp_path / JOURNAL
    a_journal(path)
    before = path.read_bytes()
    with dashboard(path) as address:
        (summary,) = get(f"{address}/api/studies")["study_summaries"]
        assert (summary["study_name"], summary["directions"]) == ("kpbench", ["maximize"])
        study = get(f"{address}/api/studies/{summary['study_id']}?after=0")
    states = [trial["state"] for trial in study["trials"]]
    assert states == ["Complete", "Pruned", "Running"]
    done = study["trials"][0]
    assert done["values"] == [120.0]
    assert {one["name"]: one["param_external_value"] for one in done["params"]} == {
        "network.depth": "2", "training.lr": "0.02",
    }  # fmt: skip
    assert done["intermediate_values"] == [{"step": 1, "value": 80.0}]
    assert study["trials"][1]["intermediate_values"][0]["value"] == 81.0
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
