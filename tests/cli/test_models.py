"""Models in and out on the command line: export, score of what others hand in, rules of one's own."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch

from kpbench.faces.readers.csv_table import COORDINATES
from kpbench.store.files import READINGS, RESULT
from kpbench.task.score import score_from_mse
from tests.cli.test_own import SHORT
from tests.own_files import GOOD

TINY = 'family = "cnn"\n[network]\ndepth = 1\nwidth = 4\nhead_width = {head}\n[training]\nbatch_size = 8\n'


@pytest.fixture(scope="module")
def finished(left_by, course):
    return left_by(TINY.format(head=8), "search", "--space", "tiny.toml", "--data", course, "--name", "s", *SHORT)


@pytest.fixture
def study(finished, tmp_path):
    """A small search, copied here; its result as `--json` prints it."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    result = json.loads((tmp_path / "reports" / "s" / RESULT).read_text())
    result["best"]["model"] = f"reports/s/{result['best']['model']}"
    return result


def test_a_study_is_exported_and_scored_in_each_format(kpbench, course, study, tmp_path):
    wanted = study["best"]["val_score"]
    code, out, _ = kpbench("score", "s", "--data", course, "--json", "-q")
    assert (code, json.loads(out)["score"]) == (0, wanted)
    for format in ("safetensors", "torchscript", "course"):
        code, out, _ = kpbench("export", "s", study["best"]["cell_id"][:4], "--format", format, "--to", "out")
        assert code == 0
        assert f"score    val {wanted:.1f}, test {study['best']['test_score']:.1f} (floor on val: mean face" in out
        assert "rules    " in out and ": kept" in out
        file = out.split()[1]
        words = [file] if format != "course" else ["out/keypoint_model.py:KeypointModel", "--weights", file]
        code, scored, _ = kpbench("score", *words, "--data", course, "--json", "-q")
        assert (code, json.loads(scored)["score"]) == (0, wanted), format
    assert "saved = pickle.load(open(" in out


def test_the_first_line_says_whether_it_passes_and_the_floor_stands_beside_it(kpbench, course, study):
    _, out, err = kpbench("score", "s", "--data", course, "--split", "test", "-q", "--metrics")
    first, *rest = out.splitlines()
    result = json.loads(kpbench("score", "s", "--data", course, "--split", "test", "--json", "-q")[1])
    assert first == (f"no pass  {result['score']:.2f} is below the pass mark 100")
    mean_face = result["floor"]["mean face"]
    assert any(line.startswith("floor    mean face ") for line in rest)
    assert (f"is worse than the mean face, {mean_face:.1f}" in out) == (result["score"] < mean_face)
    assert "NME" in out and err == ""
    assert all(len(line) <= 80 for line in out.splitlines())


def test_predictions_are_scored_as_a_model_is(kpbench, refused, course, study, tmp_path):
    from kpbench import load_faces

    val = load_faces(course).val
    np.savez(tmp_path / "exact.npz", keypoints=val.keypoints + 1.0)
    code, out, _ = kpbench("score", "exact.npz", "--data", course, "--json", "-q")
    result = json.loads(out)
    assert (code, result["parameters"], result["pass"]) == (0, None, False)
    assert result["score"] == pytest.approx(score_from_mse((1 / 48) ** 2), rel=1e-4)
    code, out, _ = kpbench("score", "exact.npz", "--data", course, "-q", "--require-pass")
    assert code == 3 and out.startswith("no pass  the rules are not checked")
    np.savez(tmp_path / "labels.npz", keypoints=val.keypoints)
    assert "every point is its label" in refused("score", "labels.npz", "--data", course, "-q")
    rows = [",".join(COORDINATES), *(",".join(map(str, face.ravel()[::-1])) for face in val.keypoints)]
    (tmp_path / "wrong.csv").write_text("\n".join(rows))
    assert "is worse than the mean face" in kpbench("score", "wrong.csv", "--data", course, "-q")[1]
    (tmp_path / "short.csv").write_text("\n".join(rows[:-1]))
    says = f"{len(val) - 1} rows for {len(val)} faces, the val faces of {result['data']}; --data names others"
    assert says in refused("score", "short.csv", "--data", course, "-q")
    assert "predictions are points alone" in refused("score", "wrong.csv", "--data", course, "--on", "synthetic")
    assert "no file none.csv" in refused("score", "none.csv")


def test_predictions_of_a_model_are_written_for_other_metrics_and_score_the_same(
    kpbench, refused, course, study, tmp_path
):
    code, out, _ = kpbench("score", "s", "--data", course, "--json", "-q", "--predictions", "p.npz")
    found = np.load(tmp_path / "p.npz", allow_pickle=False)
    assert code == 0 and sorted(found) == ["keypoints", "labels"]
    error = (found["keypoints"].astype(float) - found["labels"]) / 48
    result = json.loads(out)
    assert result["score"] == pytest.approx(1 / (2 * np.mean(error**2)), rel=1e-4)
    again = json.loads(kpbench("score", "p.npz", "--data", course, "--json", "-q")[1])
    assert again["score"] == pytest.approx(result["score"], rel=1e-5)
    assert "p.npz is there already" in refused("score", "s", "--data", course, "--predictions", "p.npz")
    assert "ends in .npz, not p.csv" in refused("score", "s", "--predictions", "p.csv")
    assert "lies in no folder" in refused("score", "s", "--predictions", "no/p.npz")


def readings(tmp_path):
    return (tmp_path / "reports" / "s" / READINGS).read_bytes().count(b"\n")


def test_what_is_refused_costs_no_reading_of_the_test_and_other_names_hide_none(
    kpbench, refused, course, study, tmp_path
):
    words = ["score", "s", "--data", course, "--split", "test", "-q"]
    before = readings(tmp_path)
    assert "ends in .json" in refused(*words, "--to", "x.csv")
    assert "cannot be written" in refused(*words, "--to", "/proc/x/y.json")
    refused(*words, "--on", "nonexist")
    assert "nothing is known" in refused(*words, "--by-condition")
    assert readings(tmp_path) == before
    (tmp_path / "link.safetensors").symlink_to(tmp_path / study["best"]["model"])
    (tmp_path / "link.json").symlink_to((tmp_path / study["best"]["model"]).with_suffix(".json"))
    code, _, err = kpbench("score", "link.safetensors", *words[2:])
    assert code == 0 and "written down nowhere" not in err
    assert readings(tmp_path) == before + 1
    held = tmp_path / "held"
    shutil.copytree(course, held)
    shutil.copy(held / "test.csv", held / "val.csv")
    assert "are in the sealed test of" in refused("score", "s", "--data", course, "-q", "--on", held)


def test_an_export_carries_its_data_and_rules(kpbench, course, study, tmp_path):
    assert kpbench("export", "s", "--format", "torchscript", "--to", "m.ts")[0] == 0
    shutil.copytree(course, tmp_path / "other")
    lines = (tmp_path / "other" / "training.csv").read_text().splitlines(keepends=True)
    (tmp_path / "other" / "training.csv").write_text("".join(lines[:-1]))
    _, _, err = kpbench("score", "m.ts", "--data", "other", "-q")
    assert "the model was trained on other faces" in err


def test_a_model_of_a_split_drawn_anew_has_no_val(kpbench, refused, course, study, tmp_path):
    card = (tmp_path / study["best"]["model"]).with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), "split": 1000}))
    assert "trained on a split drawn anew" in refused("score", card, "--data", course, "-q")
    assert kpbench("score", card, "--data", course, "-q", "--split", "test")[0] == 0


def test_a_result_is_kept_for_the_leaderboard_and_never_replaced(kpbench, refused, course, study):
    words = ["score", "s", "--data", course, "--split", "test", "-q", "--name", "alice"]
    code, _, err = kpbench(*words, "--to", "reports/hand-ins/alice.json")
    assert code == 0 and "reports/hand-ins/alice.json" in err
    code, out, _ = kpbench("leaderboard", "reports")
    assert code == 0 and "alice" in out
    refusal = refused("score", "s", "--data", course, "-q", "--to", "reports/hand-ins/alice.json")
    assert "is there already; choose another --to" in refusal
    assert "ends in .json" in refused("score", "s", "--data", course, "-q", "--to", "alice.csv")


def test_rules_of_ones_own_are_part_of_the_identity(kpbench, refused, course, tmp_path):
    (tmp_path / "big.toml").write_text(TINY.format(head=600))
    words = ["search", "--space", "big.toml", "--data", course, "--name", "big", *SHORT]
    assert "the rules allow 4,999,999" in refused(*words)
    assert not (tmp_path / "reports").exists()
    assert kpbench(*words, "--max-parameters", "10M", "--max-megabytes", 40)[0] == 0
    assert "another" in refused(*words, "--max-parameters", "11M", "--max-megabytes", 40)
    _, out, _ = kpbench("score", "big", "--data", course, "--json", "-q")
    result = json.loads(out)
    assert result["rules"] == {"max_parameters": 10_000_000, "max_model_megabytes": 40.0}
    assert not any("rules allow" in reason for reason in result["why_not"]) and result["notes"] == []
    _, out, err = kpbench("score", "big", "--data", course, "-q", "--max-parameters", "5M")
    assert "parameters, the rules allow 5,000,000" in out and "trained under other rules" in err


def test_what_cannot_be_exported_is_one_line(kpbench, refused, course, study, tmp_path):
    assert "did you mean 'onnx'" in refused("export", "s", "--format", "onxx")
    assert "no study 'none'" in refused("export", "none")
    assert "has no cell 'zz'" in refused("export", "s", "zz")
    assert "no model of seed 99; seeds: " in refused("export", "s", "--seed", 99)
    assert "--to must end in .ts for this format" in refused("export", "s", "-f", "torchscript", "--to", "m.pt")
    assert kpbench("export", "s", "--to", "m.safetensors")[0] == 0
    before = (tmp_path / "m.safetensors").read_bytes()
    assert "is there already; choose another --to, or give --force" in refused("export", "s", "--to", "m.safetensors")
    assert kpbench("export", "s", "--to", "m.safetensors", "--force")[0] == 0
    assert (tmp_path / "m.safetensors").read_bytes() == before
    (tmp_path / "k.json").write_text("precious")
    assert "k.json is there already" in refused("export", "s", "--to", "k.safetensors")
    assert (tmp_path / "k.json").read_text() == "precious"
    assert kpbench("export", "s", "--format", "course", "--to", "h.p")[0] == 0
    assert "keypoint_model.py is there already" in refused("export", "s", "--format", "course", "--to", "i.p")
    assert kpbench("export", "s", "--format", "course", "--to", "i.p", "--force")[0] == 0
    (tmp_path / "m.json").unlink()
    assert "the card m.json, exported with it, is not beside it" in refused("score", "m.safetensors", "--data", course)


def test_a_hand_in_of_ones_own_takes_its_hparams_from_the_file(kpbench, refused, course, tmp_path, unwatched):
    (tmp_path / "mine.py").write_text(
        GOOD + "\nclass KeypointModel(Net):\n    def __init__(self, hparams=None):\n"
        "        super().__init__(**(hparams or {}))\n"
    )
    names = {}
    exec((tmp_path / "mine.py").read_text(), names)
    handed_in = {"state_dict": names["Net"](6).state_dict(), "hparams": {"width": 6}}
    (tmp_path / "hand-in.p").write_bytes(pickle.dumps(handed_in, 4))
    words = ["score", "mine.py:KeypointModel", "--weights", "hand-in.p", "--data", course, "-q"]
    code, out, _ = kpbench(*words, "--json")
    assert (code, json.loads(out)["parameters"]) == (0, 6 * 10 + 30 * (6 * 144 + 1))
    torch.save(handed_in["state_dict"], tmp_path / "bare.pt")
    words[3] = "bare.pt"
    assert "'conv.weight' is [6, 1, 3, 3] in the file, [4, 1, 3, 3] in the network" in refused(*words)
    code, out, _ = kpbench(*words, "--json", "--param", "width=6")
    assert (code, json.loads(out)["parameters"]) == (0, 6 * 10 + 30 * (6 * 144 + 1))
    assert "name its source: FILE.py:KeypointModel --weights hand-in.p" in refused("score", "hand-in.p")
