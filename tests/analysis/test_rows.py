"""The rows of a study as frames for other programs: one type a column, nothing lost."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from kpbench.analysis.rows import flat_rows, read_rows
from kpbench.cell import RunResult
from kpbench.errors import UsageError
from kpbench.store.files import PLAN, ROWS, as_line, read_lines
from tests.study_rows import row

STUDY = "reports/norm-dropout-60"


@pytest.fixture(scope="module")
def rows():
    """Every run once: the file has each twice, before and after the sealed test was opened for it."""
    lines = read_lines(Path(STUDY) / ROWS, RunResult)
    found = {(row.role, row.cell, row.seed): row for row in lines}
    assert (len(lines), len(found)) == (160, 80)
    return list(found.values())


def test_a_line_a_run_with_every_number_of_the_row(rows):
    frame = flat_rows(STUDY)
    assert len(frame) == len(rows) == 80
    assert frame["test_mse"].notna().all()
    assert not frame.map(lambda value: isinstance(value, list | dict)).any().any()
    assert str(frame.dtypes["seed"]) == str(frame.dtypes["trial"]) == "Int64"  # whole, though none has a trial
    assert str(frame.dtypes["network.norm"]) == "string"
    for at in (0, 77):
        assert frame["val_mse"][at] == rows[at].val_mse
        assert frame["keypoint_px.nose_tip"][at] == rows[at].keypoint_px[10]
        params = dict(rows[at].params)
        if params["network.dropout"] == "none":
            assert pd.isna(frame["network.dropout_rate"][at])  # it has no part there
            del params["network.dropout_rate"]
        assert {name: frame[name][at] for name in params} == params


def test_a_line_an_epoch_names_what_varies(rows):
    frame = flat_rows(STUDY, "epoch")
    assert list(frame.columns) == [
        "role", "trial", "cell", "seed", "state", "network.norm", "network.dropout",
        "epoch", "train_mse", "val_mse", "val_score", "seconds",
    ]  # fmt: skip
    assert len(frame) == sum(len(row.curve) for row in rows)
    last = frame[(frame.cell == rows[3].cell) & (frame.seed == rows[3].seed) & (frame.role == rows[3].role)].iloc[59]
    assert last.val_mse == rows[3].curve[-1].val_mse


@pytest.mark.parametrize(("study", "split"), [(STUDY, "val"), ("reports/keypoint", "test")])
def test_a_line_a_face_says_on_which_split(study, split):
    frame, runs = flat_rows(study, "face"), read_rows(study)
    assert set(frame["split"]) == {split}
    means = frame.groupby(["role", "cell", "seed"]).mse.mean()
    one = runs[runs.face_mse.notna()].iloc[0]
    assert set(frame.groupby(["role", "cell", "seed"]).size()) == {len(one.face_mse)}
    assert means[one.role, one.cell, one.seed] == pytest.approx(one[f"{split}_mse"], rel=1e-4)


@pytest.fixture
def study(tmp_path):
    """Fills a study's folder with rows."""
    shutil.copy("reports/keypoint/plan.json", tmp_path / PLAN)

    def fill(rows):
        (tmp_path / ROWS).write_bytes(b"".join(map(as_line, rows)))
        return tmp_path

    return fill


def test_mappings_are_spread_and_mixed_values_are_text(study, tmp_path):
    first, second = row({"a": 1, "b": 0.5, "c": True}), row({"a": "none", "b": 2, "d": "x"}, trial=1, seed=3)
    rows = [
        replace(first, measures={"shift 4": 0.25}, costs={"flops": 7.0}),
        replace(second, measures={"shift 8": 0.5}),
    ]
    frame = flat_rows(study(rows))
    assert "measures" not in frame and "costs" not in frame
    assert frame["measures.shift 4"].tolist()[0] == 0.25 and pd.isna(frame["measures.shift 4"][1])
    assert frame["costs.flops"][0] == 7.0
    assert frame["a"].tolist() == ["1", "none"]
    assert frame["b"].tolist() == [0.5, 2.0]
    assert frame["c"].tolist() == [True, pd.NA]
    frame.to_parquet(tmp_path / "frame.parquet")  # which wants one type a column
    assert pd.read_parquet(tmp_path / "frame.parquet")["d"].tolist()[1] == "x"
    assert read_rows(tmp_path)["costs.flops"][0] == 7.0


@pytest.mark.parametrize("each", ["run", "epoch", "face"])
def test_a_study_without_a_row_has_columns(study, each):
    frame = flat_rows(study([]), each)
    assert len(frame) == 0
    assert {"role", "cell", "seed"} <= set(frame.columns)


def test_damage_is_named(study):
    folder = study([row({"a": 1})])
    (folder / ROWS).write_text(json.dumps({"role": "trial"}) + "\n")
    with pytest.raises(UsageError, match=r"line 1 is damaged"):
        flat_rows(folder)
