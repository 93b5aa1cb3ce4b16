"""`kpbench predict` from the command line: tables, overlays, exit codes, and one line for what cannot be used."""

import csv
import io
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kpbench.faces.drawn.synthetic import generate
from kpbench.networks.families import build
from kpbench.studies.predict import COLUMNS
from kpbench.task.benchmark import read_benchmark
from kpbench.training.model_files import ModelCard, save_model
from kpbench.training.predict import predict
from kpbench.training.seeds import global_seed
from tests.pasted import pasted, save_pasted

FACES = generate(6)
BOXES = [(30 * i, 20 * i, 96) for i in range(1, 7)]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    card = ModelCard(benchmark="b", params={"family": "mlp"}, seed=3, epochs=1, data="d", device="cpu", kpbench="0")
    with global_seed(3, "weights"):
        network = build(card.params).eval()
    save_model(network, card, folder / "good")
    points = predict(network, FACES, read_benchmark().coordinates)
    with torch.no_grad():
        next(network.parameters()).fill_(torch.nan)
    save_model(network, card, folder / "nan")
    return folder, points


@pytest.fixture
def good(models):
    return models[0] / "good.safetensors"


@pytest.fixture
def frames(tmp_path):
    save_pasted(tmp_path / "frames", FACES, BOXES)
    lines = [f"frame{i + 1}.png,{x},{y},{side},{side}" for i, (x, y, side) in enumerate(BOXES)]
    (tmp_path / "boxes.csv").write_text("picture,x,y,w,h\n" + "".join(line + "\n" for line in lines))
    return tmp_path / "frames"


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def numbers(row):
    return np.array([float(row[name]) for name in COLUMNS[6:]]).reshape(15, 2)


def test_a_sequence_of_frames_gives_a_row_a_face(kpbench, models, good, frames):
    code, out, err = kpbench("predict", good, "frames", "--boxes", "boxes.csv")
    assert (code, err) == (0, "finding points\n")
    found = rows(out)
    assert [row["picture"] for row in found] == [f"frames/frame{i}.png" for i in range(1, 7)]
    for row, points, (x, y, side) in zip(found, models[1], BOXES, strict=True):
        assert [row[name] for name in "xywh"] == [f"{n}.0" for n in (x, y, side, side)]
        assert np.abs(numbers(row) - points - [x, y]).max() < 0.002


def test_what_it_writes_is_read_as_boxes_again(kpbench, good, frames, tmp_path):
    assert kpbench("predict", good, frames, "--detect", "--to", "first.csv")[0] == 0
    assert kpbench("predict", good, frames, "--boxes", "first.csv", "--to", "second.csv")[0] == 0
    first, second = (rows((tmp_path / name).read_text()) for name in ("first.csv", "second.csv"))
    assert len(first) >= 4 and len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert np.abs(numbers(one) - numbers(other)).max() < 0.2


def test_one_picture_and_its_box(kpbench, models, good, frames):
    code, out, _ = kpbench("predict", good, "frames/frame2.png", "--box", "60,40,96,96", "--json", "-q")
    found = json.loads(out)
    (face,) = found["faces"]
    assert code == 0 and face["box"] == [60, 40, 96, 96] and found["skipped"] == found["notes"] == []
    assert np.abs(np.array(list(face["points"].values())) - models[1][1] - [60, 40]).max() < 0.002


def test_a_margin_widens_the_box(kpbench, good, frames):
    _, out, _ = kpbench("predict", good, "frames/frame2.png", "--box", "60,40,100,80", "--margin", "0.1")
    assert [float(rows(out)[0][name]) for name in "xywh"] == [50, 32, 120, 96]


def test_a_whole_picture_is_a_face_and_one_far_from_square_is_told_once(kpbench, good, frames):
    code, out, err = kpbench("predict", good, "frames", "-q")
    assert code == 0 and len(rows(out)) == 6
    assert err.count("\n") == 1 and err.startswith(
        "note     6 of 6 pictures, the first frames/frame1.png: far from square"
    )
    Image.fromarray(np.zeros((100, 120), np.uint8)).save("about.png")
    assert kpbench("predict", good, "about.png", "-q")[2] == ""


def test_overlays_lie_in_the_pictures_own_pixels(kpbench, good, frames, tmp_path):
    Image.fromarray(pasted(FACES.images[0, 0], (0, 0, 200), size=(300, 400))).save(tmp_path / "frame1.png")
    code, out, err = kpbench("predict", good, "frames", "frame1.png", "--overlay", "drawn/here", "-q")
    assert code == 0 and len(rows(out)) == 7 and "drawn/here: 7 pictures" in err
    names = {path.relative_to(tmp_path / "drawn/here").as_posix() for path in (tmp_path / "drawn").rglob("*.png")}
    assert names == {"frame1.png", *(f"frames/frame{i}.png" for i in range(1, 7))}
    assert Image.open(tmp_path / "drawn/here/frame1.png").size == (400, 300)


def test_a_bad_picture_among_many_is_told_and_the_others_have_points(kpbench, good, frames, tmp_path):
    (frames / "frame3.png").write_bytes(b"no picture")
    code, out, err = kpbench("predict", good, "frames", "--boxes", "boxes.csv", "-q", "--to", "points.csv")
    assert (code, out) == (1, "points.csv: 5 faces\n")
    assert err.count("\n") == 1 and err.startswith("skipped  frames/frame3.png is no picture")
    assert len(rows((tmp_path / "points.csv").read_text())) == 5


def test_nothing_is_written_where_no_picture_can_be_used(kpbench, good, tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no picture")
    code, out, err = kpbench("predict", good, "a.png", "b.png", "-q", "--to", "points.csv")
    assert (code, out) == (2, "") and err.splitlines()[-1] == "error: none of the 2 pictures can be used"
    assert not (tmp_path / "points.csv").exists()


def test_pictures_without_a_face_are_told(kpbench, good, frames, tmp_path):
    Image.fromarray(np.full((100, 100), 90, np.uint8)).save(tmp_path / "bare.png")
    code, out, err = kpbench("predict", good, "bare.png", "--detect", "-q")
    assert (code, out, err) == (0, ",".join(COLUMNS) + "\n", "note     no face on bare.png\n")
    (tmp_path / "some.csv").write_text("picture,x,y,w,h\nframe5.png,150,100,96,96\nother.png,1,1,9,9\n")
    code, out, err = kpbench("predict", good, "frames", "--boxes", "some.csv", "-q")
    assert code == 0 and [row["picture"] for row in rows(out)] == ["frames/frame5.png"]
    assert "some.csv: 1 row names none of the pictures, the first other.png" in err
    assert "no face on 5 of 6 pictures, the first frames/frame1.png" in err


def test_nothing_is_overwritten_unasked(kpbench, refused, good, frames, tmp_path):
    (tmp_path / "points.csv").write_text("mine")
    assert "points.csv is there already; give --force" in refused("predict", good, "frames", "--to", "points.csv")
    assert (tmp_path / "points.csv").read_text() == "mine"
    assert kpbench("predict", good, "frames", "--to", "points.csv", "--overlay", "o", "--force")[0] == 0
    line = refused("predict", good, "frames", "--overlay", "o")
    assert "o/frame1.png and 5 more are there already; give --force" in line
    line = refused("predict", good, "frames", "--overlay", "frames", "--force")
    assert "frames/frame1.png is one of the pictures themselves" in line


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["bad.png"], "bad.png is no picture"),
        (["none.png"], "no picture or folder at none.png"),
        (["empty"], "no picture (.png,"),
        (["frames/frame1.png", "--box", "700,0,50,50"], "lies outside of the picture of 640 x 480 pixels"),
        (["frames/frame1.png", "--box", "1,2,3"], "--box must be x,y,w,h"),
        (["frames", "--box", "0,0,96,96"], "--box is for one picture and 6 are given"),
        (["frames", "--detect", "--boxes", "boxes.csv"], "give one of them"),
        (["frames", "--boxes", "bad.png"], "bad.png"),
        (["frames", "--boxes", "none.csv"], "cannot read none.csv"),
        (["frames", "--to", "none/points.csv"], "there is no such folder"),
        (["frames", "--to", "empty"], "it is a folder"),
        (["frames", "--overlay", "bad.png"], "it is no folder"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_line(refused, good, frames, tmp_path, words, expected):
    (tmp_path / "bad.png").write_bytes(b"\xff\xfeno picture")
    (tmp_path / "empty").mkdir()
    assert expected in refused("predict", good, *words, "-q")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.png", "boxes.csv", "empty", "frames"]


def test_models_that_cannot_be_used_are_refused_in_a_line(refused, models, frames):
    assert "none.safetensors" in refused("predict", "none.safetensors", "frames", "-q")
    assert "holds NaN" in refused("predict", models[0] / "nan.safetensors", "frames", "-q")


def test_the_pages_commands_run(kpbench, good, frames, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "predict.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(.*?)```", page, flags=re.S)
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert len(lines) >= 5
    for suffix in (".safetensors", ".json"):
        shutil.copy(good.with_suffix(suffix), tmp_path / f"model{suffix}")
    for name, box in (("face.jpg", (0, 0, 400)), ("photo.jpg", (120, 90, 300))):
        Image.fromarray(pasted(FACES.images[0, 0], box)).save(tmp_path / name)
    for program, *words in lines:
        assert program == "kpbench"
        code, _, err = kpbench(*words)
        assert code == 0, err
    assert len(rows((tmp_path / "points.csv").read_text())) == 6 and len(list((tmp_path / "drawn").rglob("*.png"))) == 7


def test_detecting_without_opencv_names_the_package(refused, good, frames, monkeypatch):
    monkeypatch.delitem(sys.modules, "kpbench.faces.pictures.detector", raising=False)
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert 'pip install "kpbench[detect]"' in refused("predict", good, "frames", "--detect", "-q")
