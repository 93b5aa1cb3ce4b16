"""`kpbench rows`: what is written is read back with the same numbers."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from kpbench.analysis.rows import flat_rows

STUDY = Path("reports/keypoint").absolute()


@pytest.fixture(scope="module")
def frame():
    return flat_rows(STUDY)


def test_csv_and_json_on_stdout_keep_every_digit(kpbench, frame):
    code, out, err = kpbench("rows", STUDY)
    assert (code, err) == (0, "")
    read = pd.read_csv(io.StringIO(out))
    assert list(read.columns) == list(frame.columns)
    assert read.val_mse.tolist() == frame.val_mse.tolist()
    assert read.trial.dropna().tolist() == frame.trial.dropna().tolist()
    assert ",1.0," not in out.splitlines()[1].partition("AMD")[0]  # the trial's number is whole

    code, out, _ = kpbench("rows", STUDY, "--format", "json")
    records = json.loads(out)
    assert [one["val_mse"] for one in records] == frame.val_mse.tolist()
    assert records[0]["test_mse"] is None


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_a_file_by_its_suffix(kpbench, tmp_path, frame, suffix):
    code, out, _ = kpbench("rows", STUDY, "--curves", "--to", f"curves.{suffix}")
    assert (code, out) == (0, f"curves.{suffix}\n")
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[suffix](tmp_path / out.strip())
    assert len(read) == frame.epochs.sum()
    assert read.val_mse.sum() == pytest.approx(flat_rows(STUDY, "epoch").val_mse.sum())
    if suffix == "parquet":
        pd.testing.assert_frame_equal(read, flat_rows(STUDY, "epoch"))
    assert [path.name for path in tmp_path.iterdir()] == [f"curves.{suffix}"]


def test_what_cannot_be_written_is_refused_in_a_line(refused, tmp_path):
    assert "its suffix must be one of .csv, .json, .parquet" in refused("rows", STUDY, "--to", "x.txt")
    assert "x.csv is no .json file; write x.json" in refused("rows", STUDY, "--to", "x.csv", "--format", "json")
    assert "parquet is no text: --to FILE.parquet" in refused("rows", STUDY, "--format", "parquet")
    assert "cannot write nowhere/x.csv: No such file" in refused("rows", STUDY, "--to", "nowhere/x.csv")
    assert "give one of them" in refused("rows", STUDY, "--curves", "--faces")
    assert "no study 'keypont'" in refused("rows", "keypont")
    assert list(tmp_path.iterdir()) == []
