"""`kpbench power` from the command line."""

import json

import pytest

from tests.ablation_rows import CROSSED, study_folder


@pytest.fixture
def norm(tmp_path):
    return study_folder(tmp_path / "reports" / "norm")


def test_effect_power_and_the_seeds_for_equivalence_are_printed(kpbench, norm):
    code, out, err = kpbench("power", "norm", "--power", "0.9")
    assert (code, err) == (0, "")
    assert "Seeds to find a change of MSE by 5 % with 90 % power" in out
    head, batch, _ = out.partition("\n\nequivalent is set")[0].splitlines()[-3:]
    assert head.split()[-2:] == ["cautious", "equivalent"]
    assert max(map(len, out.splitlines())) <= 80 and "say little" not in out
    result = json.loads(kpbench("power", "norm", "--power", "0.9", "--json")[1])
    (one, _) = result["contrasts"]
    assert (one["effect"], one["power"]) == (0.05, 0.9)
    assert batch.split()[-5:] == [
        "8", f"{one['sd']:.3f}", str(one["seeds"]), str(one["cautious"]), str(one["equivalent"]),
    ]  # fmt: skip


def test_what_decides_equivalent_is_said(kpbench, tmp_path):
    study_folder(tmp_path / "reports" / "quiet", noise=0.002)
    result = json.loads(kpbench("power", "quiet", "--json")[1])["contrasts"]
    assert {one["equivalent_set_by"] for one in result} == {"collapse"}
    out = " ".join(kpbench("power", "quiet")[1].split())
    assert "equivalent is set by rare collapse, not by the sd, for each contrast" in out
    study_folder(tmp_path / "reports" / "loud", noise=0.5)
    assert "rare collapse" not in kpbench("power", "loud")[1]


def test_noise_of_networks_that_learnt_nothing_is_not_that_of_trained_ones(kpbench, tmp_path):
    study = study_folder(tmp_path / "reports" / "young", noise=0.002)
    rows = [json.loads(line) for line in (study / "rows.jsonl").read_text().splitlines()]
    mean_face = json.loads((study / "floor.json").read_text())["mean face"]
    for at, row in enumerate(rows):
        row |= {f"{split}_mse": 0.5 / score * (0.99 + 0.001 * (at % 5)) for split, score in mean_face.items()}
    (study / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = " ".join(kpbench("power", "young")[1].split())
    assert "Networks here are within 5 % of the mean face: their noise is not that of trained ones." in out
    assert not any(one["learnt"] for one in json.loads(kpbench("power", "young", "--json")[1])["contrasts"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--effect", "0.0001"], "more than 1,000,000 seeds are needed for an effect of 0.01 % with 80 % power"),
        (["--effect", "0.01%"], "more than 1,000,000 seeds"),
        (["--effect", "0"], "--effect must lie between 0 and 1"),
        (["--effect", "much"], "--effect must be a share"),
        (["--effect", "inf"], "--effect must lie between 0 and 1"),
        (["--power", "1"], "--power must lie between"),
        (["--power", "nan"], "--power must lie between"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_mistake_is_one_line(refused, norm, words, says, more):
    assert says in refused("power", "norm", *words, *more)


def test_any_effect_and_power_has_an_answer_or_one_line(kpbench, tmp_path):
    study_folder(tmp_path / "reports" / "crossed", factors=CROSSED, crossed=True, seeds=2)
    for effect in ("1e-9", "0.001", "0.3", "0.999999"):
        for power in ("0.051", "0.5", "0.999999999"):
            code, out, err = kpbench("power", "crossed", "--effect", effect, "--power", power)
            assert code in (0, 2)
            assert (out + err).count("\n") == 1 if code else err == ""
