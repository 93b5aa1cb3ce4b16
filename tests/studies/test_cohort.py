"""`kpbench verify cohort`: every cell in both ways, and a difference that is no rounding is found."""

import json

import pytest

from kpbench.engine import evaluate
from kpbench.errors import UsageError
from kpbench.studies import cohort
from kpbench.studies.cohort import TOLERANCE, cohort_differences
from tests.scripted import quiet

SPACE = """
family = "cnn"
[network]
depth = 2
width = 4
head_width = 8
norm = ["none", "spatial_batch"]
[training]
batch_size = 8
"""


@pytest.fixture
def asked(tmp_path, course):
    (tmp_path / "tiny.toml").write_text(SPACE)
    return {"space": str(tmp_path / "tiny.toml"), "data": str(course), "seeds": 2, "epochs": 1, "device": "cpu"}


def found(asked, **more):
    options = {**asked, **more}
    return list(cohort_differences(options.pop("space"), options.pop("data"), **options, say=quiet))


def test_both_ways_agree(asked):
    cells = found(asked)
    assert ["norm=none" in one.cell for one in cells] == [True, False]
    assert all(one.agrees and max(one.train, one.val) == 0 for one in cells)
    assert all(one.alone > 0 and one.together > 0 for one in cells)


def test_other_seeds_in_the_cohort_are_found(asked, monkeypatch):
    monkeypatch.setattr(
        cohort, "as_cohort", lambda job, ready: evaluate.as_cohort(job.model_copy(update={"seeds": (7, 8)}), ready)
    )
    assert [one.agrees for one in found(asked)] == [False, False]


def test_what_cannot_be_compared_is_refused(asked, tmp_path):
    with pytest.raises(UsageError, match="--seeds must be at least 2"):
        found(asked, seeds=1)
    with pytest.raises(UsageError, match="continuous range"):
        found(asked, space="cnn_tune")


def test_the_command_prints_each_cell_and_says_by_its_code_whether_all_agree(kpbench_json, asked):
    result = kpbench_json("verify", "cohort", "--space", asked["space"], "--data", asked["data"], "--seeds", "2")
    assert result["tolerance"] == TOLERANCE
    assert len(result["cells"]) == 2


@pytest.fixture
def kpbench_json(capsys, monkeypatch):
    from kpbench.cli import main as command

    def run(*words):
        monkeypatch.setattr("sys.argv", ["kpbench", *words, "--epochs", "1", "--device", "cpu", "--json", "-q"])
        with pytest.raises(SystemExit) as left:
            command.main()
        assert left.value.code == 0
        return json.loads(capsys.readouterr().out)

    return run
