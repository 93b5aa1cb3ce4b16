"""`data check` and `data show` as commands, hooked into an app of their own."""

import json

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from kpbench.cli import data_reports
from kpbench.errors import UsageError
from kpbench.faces.parts import Parts
from tests.course_files import csv_rows, csv_text
from tests.faces.checks.drawn import changed, given_parts

app = typer.Typer()
app.command("check")(data_reports.check)
app.command("show")(data_reports.show)


def call(*words):
    """(exit code, stdout, stderr); errors come out as they are."""
    done = CliRunner().invoke(app, list(map(str, words)), standalone_mode=False, catch_exceptions=False)
    return done.return_value, done.stdout, done.stderr


def write(folder, parts):
    """The parts as a folder in the course's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, faces in parts.items():
        file = folder / ("training.csv" if name == "train" else f"{name}.csv")
        file.write_text(csv_text(csv_rows(faces)), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def leaky(tmp_path_factory):
    """A folder in the course's layout whose first test face is one of train."""
    parts = given_parts(train=40, val=20, test=20)

    def copy(images, labels):
        images[0], labels[0] = parts.train.images[5, 0], parts.train.keypoints[5]

    folder = tmp_path_factory.mktemp("faces") / "leaky"
    return write(folder, Parts(parts.train, parts.val, changed(parts.test, copy)))


def test_check_finds_the_leak_and_leaves_with_3(leaky, tmp_path):
    code, out, err = call("check", leaky, "--to", tmp_path / "page.html")
    assert code == 3
    assert "train row 5 and test row 0 are the same picture in train and test; the labels are the same" in " ".join(
        out.split()
    )
    assert "checking faces" in err
    assert "sealed test" in out
    assert "not drawn" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_check_json_is_one_object(leaky):
    code, out, err = call("check", leaky, "--json", "--quiet")
    found = json.loads(out)
    assert (code, err, out.count("\n")) == (3, "", 1)
    assert found["errors"] is True
    assert found["faces"] == {"train": 40, "val": 20, "test": 20}
    leaks = [finding for finding in found["findings"] if finding["check"] == "same_picture"]
    assert leaks[0]["rows"] == [
        {"part": "train", "row": 5, "split": "train"},
        {"part": "test", "row": 0, "split": "test"},
    ]


def test_check_of_clean_faces_leaves_with_0(tmp_path):
    code, out, _ = call("check", write(tmp_path / "clean", given_parts(train=40, val=20, test=20)), "-q")
    assert code == 0
    assert out.splitlines()[-1].startswith("no error, 3 warnings")  # each part is small


def test_show_writes_sheet_and_page(course, tmp_path):
    code, out, _ = call(
        "show", course, "--faces", 7, "--seed", 1, "--sheet", tmp_path / "s.png", "--to", tmp_path / "p.html", "-q"
    )
    assert code == 0
    assert "left eye center" in out
    assert max(map(len, out.replace(str(tmp_path), "").splitlines())) <= 80
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.size[0] > 300
    assert (tmp_path / "p.html").read_text(encoding="utf-8").count("<figure>") == 7


def test_show_json(course):
    code, out, _ = call("show", course, "--json", "-q", "--faces", 1000)
    found = json.loads(out)
    assert code == 0
    assert found["drawn"] == found["splits"][0]["faces"] == 24
    assert "counts and missing labels only" in found["sealed_test"]
    assert len(found["keypoints"]) == 15


@pytest.mark.parametrize("command", ["check", "show"])
def test_bad_names_and_places_are_one_line_before_any_work(command, course, tmp_path):
    with pytest.raises(UsageError, match="unknown data set"):
        call(command, "synthetik")
    with pytest.raises(UsageError, match="there is no such folder"):
        call(command, course, "--to", tmp_path / "no" / "page.html")
    with pytest.raises(UsageError, match="it is a folder"):
        call(command, course, "--to", tmp_path)
    assert list(tmp_path.iterdir()) == []
