"""The scripts that train what the log tells of: they train what is missing, and nothing twice."""

import csv
import json
import shutil
import sys
from pathlib import Path
from statistics import mean

import pytest

from benchmarks import teacher
from benchmarks.search import table

ROOT = Path(__file__).parents[1]


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_table_is_trained_once_and_packed(tmp_path, monkeypatch, course):
    shutil.copy(table.HERE / "real_anew.toml", tmp_path)
    monkeypatch.setattr(table, "HERE", tmp_path)
    monkeypatch.setattr(table, "PLANS", {"real_anew": ((0, (1,)),)})
    runs = tmp_path / "runs.jsonl"
    table.train("real_anew", str(course), runs)
    first = runs.read_text()
    rows = lines(first)
    assert len({row["cell"] for row in rows}) == len(rows) == 18
    assert all(len(row["curve"]) == 1 and len(row["faces"]) == 8 for row in rows)
    assert all(sum(row["faces"]) / 8 == pytest.approx(row["curve"][0], rel=1e-3) for row in rows)
    runs.write_text("".join(first.splitlines(keepends=True)[:-1]))  # a run that was not finished
    table.train("real_anew", str(course), runs)
    assert runs.read_text() == first

    table.pack("real_anew", runs)
    packed = list(csv.DictReader((tmp_path / "real_anew.csv").open()))
    assert [float(row["mse_1"]) for row in packed] == [row["curve"][0] for row in rows]
    assert {row["network.norm"] for row in packed} == {"none", "batch", "spatial_batch"}


def test_the_teacher_averages_networks_that_are_trained_once(tmp_path, monkeypatch, capsys, course):
    def told(*more):
        monkeypatch.setattr(
            sys, "argv", ["teacher", str(course), str(tmp_path), "--seeds", "2", "--epochs", "1", *more]
        )
        teacher.main()
        return lines(capsys.readouterr().out)

    trained, other, alone, both = told()
    assert [trained["seed"], other["seed"], alone["networks"], both["networks"]] == [0, 1, 1, 2]
    assert alone["val"] == pytest.approx((trained["val"] + other["val"]) / 2, abs=0.11)
    assert not (tmp_path / "test_readings.jsonl").exists()
    *again, tested = told("--test")
    assert again == [alone, both]
    assert (tested["networks"], tested["parameters"]) == (2, 2 * 606_468)
    assert lines((tmp_path / "test_readings.jsonl").read_text())[0]["networks"] == 2


def test_what_the_log_says_of_the_teacher():
    kept = json.loads((ROOT / "benchmarks" / "teacher.json").read_text())
    log, ends = (
        (ROOT / "reports" / "LOG.md").read_text(),
        {name: found[-1] for name, found in kept["val_scores"].items()},
    )
    short = [score for name, score in ends.items() if name.endswith("epochs60")]
    assert f"{mean(short):.1f} ({min(short)} to {max(short)})" in log and len(short) == 6
    assert ", ".join(map(str, kept["averages_of_60_epochs"][1:])) in log
    assert f"| {ends['seed0-epochs60']}, {ends['seed0-epochs180']} |" in log
    one, six = (0.5 / kept["averages_of_60_epochs"][at] for at in (0, -1))
    assert f"to that of a score of {0.5 / ((6 * six - one) / 5):.0f}" in log  # where 1 / networks is 0
    for page in (log, (ROOT / "README.md").read_text(), (ROOT / "docs" / "findings.md").read_text()):
        assert str(kept["all_ten"]["val"]) in page and str(kept["all_ten"]["test"]) in page
