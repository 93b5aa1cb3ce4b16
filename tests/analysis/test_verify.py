"""Two studies in a folder become one comparison, or a statement of what is missing."""

import json

import numpy as np
import pytest

from kpbench.analysis.verify import as_json, read_verification
from kpbench.errors import UsageError
from kpbench.store.files import ASKED, PLAN, ROWS
from tests.verify_rows import EFFECTS, REAL, planted, verify_folder


def turned(cell):
    """Standard dropout helps here, and one corner of the design is far worse."""
    corner = cell["network.norm"] == "spatial_batch" and cell["network.dropout"] == "none"
    return planted(cell, {**EFFECTS, "standard": -0.12}) + 0.4 * corner


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {
        name: verify_folder(tmp_path_factory.mktemp(name) / "verify-real_faces", **options)
        for name, options in {
            "alike": {},
            "turned": {"truths": (planted, turned)},
            "diverged": {"diverged": (0, 5), "noise": 0.02},
            "few": {"seeds": (7, 8)},
        }.items()
    }


def test_one_truth_in_both_studies(folders):
    found = read_verification(folders["alike"])
    result = found.result
    assert found.missing == (0, 0)
    assert found.names == ("synthetic", REAL)
    assert result.agreement.tau > 0.8
    assert result.agreement.corrected > 0.9
    assert result.agreement.ceiling.p > 0.05
    assert [sign.word for sign in result.contrasts] == ["agree"] * 5
    assert [sign.factor.rpartition(".")[2] for sign in result.contrasts] == [
        "norm", "norm", "dropout", "dropout", "depth",
    ]  # fmt: skip
    assert not any(cell.apart for cell in result.ranks)
    assert not any(sign.word == "disagree" for sign in result.simple_contrasts)


def test_planted_disagreement_is_found(folders):
    result = as_json(read_verification(folders["turned"]))
    flips = [(one["factor"], one["level"]) for one in result["contrasts"] if one["word"] == "disagree"]
    assert flips == [("network.dropout", "standard")]
    assert result["signs"]["disagree"] == 1
    apart = [tuple(cell.values()) for cell in result["apart"]]
    assert ("spatial_batch", "none", 4) in apart
    assert ("spatial_batch", "none", 2) in apart
    assert result["agreement"]["ceiling"]["p"] < 0.01
    assert result["agreement"]["tau"] < result["agreement"]["ceiling"]["low"]


def test_signs_are_withheld_where_a_study_has_too_few_seeds(folders):
    """Five contrasts want eight seeds in both studies, twelve simple ones nine."""
    result = read_verification(folders["few"]).result
    assert (result.needed_seeds, result.simple_needed_seeds) == (8, 9)
    assert (result.signs, result.simple_signs) == (None, None)
    assert {one.word for one in (*result.contrasts, *result.simple_contrasts)} == {"withheld"}
    assert all(one.intervals[0][0] < one.ratios[0] < one.intervals[0][1] for one in result.contrasts)
    figures = json.loads(json.dumps(as_json(read_verification(folders["few"])), allow_nan=False))
    assert (figures["signs"], figures["needed_seeds"]) == (None, 8)


def test_eight_seeds_give_signs_of_the_planned_contrasts(tmp_path):
    result = read_verification(verify_folder(tmp_path / "v", seeds=(8, 8))).result
    assert [one.word for one in result.contrasts] == ["agree"] * 5
    assert (result.signs["agree"], result.simple_signs) == (5, None)


def test_studies_judged_on_val(tmp_path, folders):
    """The same rows without a look at the sealed test: the same agreement, and the floor's val score counts."""
    found = read_verification(verify_folder(tmp_path / "v", split="val", diverged=(0, 5), noise=0.02))
    on_test = read_verification(folders["diverged"])
    assert (as_json(found)["split"], as_json(on_test)["split"]) == ("val", "test")
    failed = np.log(found.studies[0].table.mse)[[0, 5], 0]
    assert failed == pytest.approx(np.log(1 / (2 * found.studies[0].floor["mean face"]["val"])))
    assert found.result.agreement.tau == pytest.approx(on_test.result.agreement.tau, abs=0.05)
    assert found.result.transfer.real_cells == on_test.result.transfer.real_cells


def test_no_run_counts_as_worse_than_the_mean_face(tmp_path):
    folder = verify_folder(tmp_path / "v")
    path = folder / ASKED
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mean_face_mse": 1e-6}))
    transfer = read_verification(folder).result.transfer
    assert transfer.cells.score == pytest.approx(1 / 2e-6)


def test_simple_contrasts_are_those_of_the_first_two_factors(folders):
    result = as_json(read_verification(folders["turned"]))
    simple = [(one["factor"], one["level"], tuple(one["at"].values())) for one in result["simple_contrasts"]]
    assert len(simple) == len(set(simple)) == 12
    assert ("network.norm", "batch", ("spatial",)) in simple
    assert ("network.dropout", "standard", ("spatial_batch",)) in simple
    by_name = dict(zip(simple, result["simple_contrasts"], strict=True))
    # Averaged over depth: the planted effects of the corner and of standard dropout, and the cells' own little.
    found = by_name["network.dropout", "standard", ("spatial_batch",)]["ratios"]
    assert found == pytest.approx([np.exp(0.09), np.exp(-0.52)], rel=0.1)


def test_the_figures_are_json_and_complete(folders):
    result = json.loads(json.dumps(as_json(read_verification(folders["alike"])), allow_nan=False))
    assert (result["cells"], result["seeds"], result["epochs"], result["missing"]) == (18, [9, 9], 12, 0)
    assert [study["digest"] for study in result["studies"]] == ["0" * 16, "1" * 16]
    assert [study["runs"] for study in result["studies"]] == [162, 162]
    assert {len(one["cell"]) for one in result["ranks"]} == {3}
    assert sorted(one["ranks"][0] for one in result["ranks"]) == list(range(1, 19))
    assert str(folders["alike"]) not in json.dumps(result)


def test_the_transfer_by_hand(folders):
    found = read_verification(folders["alike"])
    transfer = found.result.transfer
    lines = [json.loads(line) for line in (folders["alike"] / "synthetic" / ROWS).read_text().splitlines()]
    logs = [np.log(line["measures"][f"val of {REAL}"]) for line in lines]
    assert transfer.cells.score == pytest.approx(1 / (2 * np.exp(np.mean(logs))))
    assert transfer.cells.low < transfer.cells.score < transfer.cells.high
    assert transfer.cells.n == 9
    home = {}
    for line in lines:
        home.setdefault(line["cell"], []).append(np.log(line["val_mse"]))
    best = min(home, key=lambda cell: np.mean(home[cell]))
    there = [np.log(line["measures"][f"val of {REAL}"]) for line in lines if line["cell"] == best]
    assert transfer.best.score == pytest.approx(1 / (2 * np.exp(np.mean(there))))
    assert transfer.mean_face == pytest.approx(58)
    assert transfer.real_mean_face == 110
    real = [json.loads(line) for line in (folders["alike"] / REAL / ROWS).read_text().splitlines()]
    assert transfer.real_cells.score == pytest.approx(1 / (2 * np.exp(np.mean([np.log(r["val_mse"]) for r in real]))))
    # The planted transfer keeps the built-in order, so its tau is that of the studies.
    assert transfer.agreement.tau == pytest.approx(found.result.agreement.tau)


def test_diverged_runs_count_with_the_mean_face(folders):
    found = read_verification(folders["diverged"])
    study = found.studies[0]
    assert found.missing == (0, 0)
    assert as_json(found)["studies"][0]["diverged"] == 2
    worst = np.log(study.table.mse)[[0, 5], 0]
    assert worst == pytest.approx(np.log(1 / (2 * study.floor["mean face"]["test"])))
    assert found.result.transfer is not None
    assert found.result.agreement.reliability[0].share < found.result.agreement.reliability[1].share


def test_without_the_measure_there_is_no_transfer(tmp_path):
    found = read_verification(verify_folder(tmp_path / "v", measured=False))
    assert found.result.transfer is None
    assert as_json(found)["transfer"] is None


def test_one_study_may_have_more_seeds(tmp_path):
    found = read_verification(verify_folder(tmp_path / "v", seeds=(4, 6)))
    assert [study.table.mse.shape for study in found.studies] == [(18, 4), (18, 6)]
    assert [contrast.n for contrast in found.studies[1].contrasts] == [6] * 5
    assert len(found.result.contrasts) == 5
    assert found.result.transfer.real_cells.n == 6
    assert as_json(found)["seeds"] == [4, 6]


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"missing": (0, 3)}, (0, 3)),
        ({"missing": (162, 162)}, (162, 162)),
        ({"begun": 1}, (0, 162)),
        ({"begun": 0}, (162, 162)),
    ],
)
def test_partial_studies_give_no_tau(tmp_path, options, missing):
    found = read_verification(verify_folder(tmp_path / "v", **options))
    assert found.missing == missing
    assert found.result is None
    result = json.loads(json.dumps(as_json(found)))
    assert result["agreement"] is None
    assert result["missing"] == sum(missing)
    assert [study["missing"] for study in result["studies"]] == list(missing)


def test_what_is_no_verification_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no verification at .*run kpbench verify"):
        read_verification(tmp_path)
    (tmp_path / ASKED).write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        read_verification(tmp_path)
    (tmp_path / ASKED).write_text('{"built_in": "synthetic"}')
    with pytest.raises(UsageError, match="damaged"):
        read_verification(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"epochs": 3}, "differ in epochs"),
        ({"precision": "bf16"}, "differ in precision"),
        ({"space": "another"}, "differ in space"),
    ],
)
def test_studies_of_other_plans_are_refused(tmp_path, change, says):
    folder = verify_folder(tmp_path / "v")
    path = folder / REAL / PLAN
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    rows = [json.loads(line) for line in (folder / REAL / ROWS).read_text().splitlines()]
    same = {name: value for name, value in change.items() if name == "epochs"}
    (folder / REAL / ROWS).write_text("".join(json.dumps({**row, **same}) + "\n" for row in rows))
    with pytest.raises(UsageError, match=says):
        read_verification(folder)


def test_a_study_of_another_design_is_refused(tmp_path):
    folder = verify_folder(tmp_path / "v")
    path = folder / REAL / PLAN
    plan = json.loads(path.read_text())
    plan["design"]["sesoi"] = 0.1
    path.write_text(json.dumps(plan))
    with pytest.raises(UsageError, match="differ in design: sesoi"):
        read_verification(folder)
