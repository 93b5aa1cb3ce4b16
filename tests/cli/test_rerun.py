"""`kpbench rerun` on the command line: what it prints, and how it leaves."""

import json

import pytest

from kpbench.store.files import ROWS
from tests.cli.spaces import SPACE


@pytest.fixture
def study(kpbench, tmp_path, course):
    (tmp_path / "tiny.toml").write_text(SPACE)
    code, out, _ = kpbench(
        "search", "--space", "tiny.toml", "--data", course, "--n-trials", 1, "--epochs", 2, "--workers", 0,
        "--final-seeds", 1, "--name", "mine", "--json", "-q",
    )  # fmt: skip
    assert code == 0, out
    return tmp_path / "reports" / "mine"


def test_an_equal_run_and_one_that_differs(kpbench, refused, study):
    code, out, err = kpbench("rerun", "mine", "best", "-q", "--require-equal")
    assert (code, err) == (0, "")
    assert out.startswith("run        final of mine, cell ")
    assert "\ncurve      2 epochs: equal, bit for bit\nresult     equal, bit for bit\n" in out

    rows = [json.loads(line) for line in (study / ROWS).read_text().splitlines()]
    rows[-1]["val_mse"] *= 1.01
    rows[-1]["curve"][0]["val_mse"] *= 1.01
    (study / ROWS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, _ = kpbench("rerun", "mine", "best", "-q")
    assert code == 0
    assert "curve      differs from epoch 1 on: val_mse" in out
    assert "result     not equal, though device and versions are the same" in out
    code, out, _ = kpbench("rerun", "mine", "best", "-q", "--json", "--require-equal")
    assert code == 3
    found = json.loads(out)
    assert not found["equal"] and found["differs"] == {}
    (run,) = found["runs"]
    assert run["first_epoch_that_differs"] == 1
    assert run["val_mse"]["again"] == pytest.approx(run["val_mse"]["stored"] / 1.01)

    assert "did you mean 'mine'" in refused("rerun", "mien", "best", "-q")
    assert "has no run with seed 9" in refused("rerun", "mine", "best", "--seed", 9, "-q")


def test_code_of_ones_own_runs_where_it_is_trusted(kpbench, refused, tmp_path, course):
    (tmp_path / "nets.py").write_text(
        "from torch import nn\ndef make(width=4):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(9216, width), nn.ReLU(), nn.Linear(width, 30))\n"
    )
    code, *_ = kpbench(
        "search", "--network", "nets.py:make", "--data", course, "--epochs", 1, "--workers", 0, "--final-seeds", 1,
        "--name", "own", "-q",
    )  # fmt: skip
    assert code == 0
    (tmp_path / "nets.py").unlink()  # the study has its text
    assert "--trust-code runs it, if you trust it" in refused("rerun", "own", "best", "-q")
    code, out, _ = kpbench("rerun", "own", "best", "--trust-code", "-q")
    assert code == 0 and "result     equal, bit for bit" in out
