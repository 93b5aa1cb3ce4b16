"""Rows that a study's own commands cannot have written are refused in one line, and by every reader of the study."""

import json
import shutil
from pathlib import Path

import pytest

from kpbench.analysis.ablation.analysis import analyse
from kpbench.cell import cell_id
from kpbench.errors import UsageError

PUBLISHED = Path(__file__).parents[3] / "reports" / "norm-start"


def other_cell(row):
    row["params"]["network.norm"] = "none" if row["params"]["network.norm"] != "none" else "batch"


def consistent(row):
    other_cell(row)
    row["cell"] = cell_id(row["params"])
    row["seed"] = 5


CHANGES = {
    "its parameters are those of cell": other_cell,
    "3 epochs, where the plan has 8": lambda row: row.update(epochs=3),
    "the plan has no such seed": consistent,
    "an error of 0 or less": lambda row: row.update(val_mse=-0.1),
}


@pytest.mark.parametrize("told", CHANGES)
def test_a_row_that_does_not_belong_to_the_plan_is_refused_in_one_line(tmp_path, told):
    study = tmp_path / "norm-start"
    shutil.copytree(PUBLISHED, study)
    analyse(study)
    rows = [json.loads(line) for line in (study / "rows.jsonl").read_text().splitlines()]
    row = next(row for row in reversed(rows) if row["role"] == "ablation" and row["val_mse"] is not None)
    CHANGES[told](row)
    (study / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UsageError, match="a row of norm-start is damaged") as refused:
        analyse(study)
    assert told in str(refused.value) and str(refused.value).endswith("run the study's command again")
