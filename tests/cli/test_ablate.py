"""`kpbench ablate` and `kpbench power` from the command line."""

import json

import pytest

from kpbench.analysis.ablation.analysis import analyse
from kpbench.analysis.ablation.json import as_json
from kpbench.cli.ablate import interval_levels, outcome
from kpbench.cli.options import named_levels, share
from kpbench.errors import UsageError
from tests.ablation_rows import study_folder
from tests.cli.spaces import SPACE


@pytest.fixture
def options(tmp_path, course):
    (tmp_path / "tiny.toml").write_text(SPACE.replace("width = 4", 'width = 4\ndropout = ["none", "spatial"]'))
    return ["--space", "tiny.toml", "--data", course, "--seeds", 2, "--epochs", 1, "--workers", 0]


def test_ablate_report_and_power(kpbench, options, tmp_path):
    code, out, err = kpbench("ablate", "dropout", *options, "--json", "-q")
    assert (code, err) == (0, "")
    result = json.loads(out)
    (contrast,) = result["contrasts"]
    assert set(contrast) >= {
        "factor", "level", "baseline", "ratio", "ci", "p", "p_adjusted", "verdict", "detectable",
    }  # fmt: skip
    assert (contrast["factor"], contrast["level"], contrast["verdict"]) == ("network.dropout", "spatial", "withheld")
    assert [level["level"] for level in result["levels"]] == ["none", "spatial"]
    assert result["plan"]["blocks"] == [1000, 1001]
    assert (result["plan"]["epochs"], result["plan"]["images"]) == (1, 24)
    page = tmp_path / result["report"]
    assert page.stat().st_size > 1_000_000

    code, out, _ = kpbench("ablate", "dropout", *options)  # again: nothing left to run
    assert code == 0
    assert "withheld" in out
    page.unlink()
    assert kpbench("report", result["study"])[0] == 0
    assert page.exists()
    code, out, _ = kpbench("power", result["study"], "--effect", "10%", "--json")
    assert code == 0
    assert json.loads(out)["contrasts"][0]["seeds"] >= 5
    out = kpbench("power", result["study"])[1]
    assert "seeds needed" in out and "2 seeds say little of the sd itself" in out
    assert result["study"] in kpbench("ls", "studies")[1]


def test_a_dry_run_prints_cells_and_runs(kpbench, options, tmp_path):
    code, out, _ = kpbench("ablate", "dropout", "--cross", "depth", *options, "--dry-run", "-q")
    assert code == 0
    assert "10: 4 cells x 2 seeds, 2 A/A" in out and "1 epoch, 24 images" in out
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["ablate", "dropot"], "did you mean 'dropout'"),
        (["ablate"], "factors"),
        (["ablate", "dropout", "--levels", "none,spatal"], "did you mean 'spatial'"),
        (["ablate", "dropout", "norm", "--levels", "none"], "does not say whose level"),
        (["ablate", "dropout", "--baseline", "norm=none"], "no factor of this ablation"),
        (["ablate", "dropout", "--sesoi", "much"], "--sesoi must be a share"),
        (["ablate", "kernel"], "one level"),
        (["ablate", "dropout", "--cross", "dropout"], "--cross dropout crosses the factor with itself"),
        (["ablate", "dropout", "--name=-rf"], "would be read as an option"),
        (["ablate", "dropout", "--cross", "norm,depth", "--seeds", "32"], "--yes"),
        (["power", "nothing"], "no study 'nothing'"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(refused, words, names, tmp_path):
    assert names in refused(*words)
    assert list(tmp_path.iterdir()) == []


def test_power_of_a_search_is_refused(kpbench, refused, options, course):
    assert kpbench("search", *options[:4], "--n-trials", 1, "--epochs", 1, "--workers", 0, "--name", "s", "-q")[0] == 0
    assert "not an ablation" in refused("power", "s")


def test_the_levels_of_the_intervals_are_said_under_the_table(tmp_path):
    """Holm's steps give two contrasts two levels; one contrast has the study's own; looks share the error rate."""

    def said(**options):
        found = as_json(analyse(study_folder(tmp_path / str(len(list(tmp_path.iterdir()))), **options)))
        return interval_levels(found), outcome({**found, "conclusion": "So.", "report": "r"})

    note, lines = said()
    assert note == "intervals at 95 to 97.5 %, each as wide as its step of Holm asks"
    assert lines[lines.index(note) - 2].startswith("norm batch against none")
    assert said(factors={"network.norm": ("none", "batch")})[0] == "intervals at 95 %"
    assert said(correction="none")[0] == "intervals at 95 %"
    assert interval_levels({"contrasts": [], "plan": {}}) == ""


def test_words_of_levels():
    assert named_levels(["none,spatial"], ["dropout"]) == {"dropout": ("none", "spatial")}
    assert named_levels(["norm=none,batch", "depth=2,3"], ["norm", "depth"]) == {
        "norm": ("none", "batch"), "depth": ("2", "3"),
    }  # fmt: skip
    with pytest.raises(UsageError, match="names no level"):
        named_levels(["norm="], ["norm"])
    with pytest.raises(UsageError, match="write FACTOR=none"):
        named_levels(["none"], ["all"])


def test_shares():
    assert share("5%") == share("0.05") == 0.05
    with pytest.raises(UsageError, match="such as 5%"):
        share("five")
