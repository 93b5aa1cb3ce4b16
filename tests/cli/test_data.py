"""`kpbench data`: results on stdout, one line an error, and the names that --data takes."""

import json
import subprocess
import sys

import pytest

from kpbench.faces.library import library
from kpbench.faces.library.sources import SOURCES, Source
from tests.course_files import write_zip
from tests.faces.zip_server import serving


@pytest.fixture(autouse=True)
def folders(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("KPBENCH_DATA", str(tmp_path_factory.mktemp("data")))
    monkeypatch.setenv("KPBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_add_list_use_and_remove(kpbench, course, tmp_path):
    code, out, err = kpbench("data", "add", "mine", course)
    assert code == 0
    assert "train    24 faces, 24 with all 15 keypoints" in out
    assert "kpbench search --data mine" in out
    assert "reading training.csv" in err

    listed = kpbench("data", "ls")[1].splitlines()
    assert any(line.split()[:2] == ["mine", "added"] and "24 train, 8 val, 8 test" in line for line in listed)
    assert any(line.split()[:3] == ["synthetic", "built", "in"] for line in listed)
    assert any(line.split()[:3] == ["youtube_faces", "to", "get"] for line in listed)
    assert set(json.loads(kpbench("ls", "data", "--json")[1])) == {"synthetic", "synthetic@2", "mine"}
    assert json.loads(kpbench("data", "ls", "--json")[1])["mine"]["counts"]["val"]["faces"] == 8

    code, out, _ = kpbench("search", "--data", "mine", "--dry-run", "--json", "-q", "--workers", 0)
    assert code == 0
    assert json.loads(out)["faces"]["name"] == "mine"

    assert kpbench("data", "remove", "mine") == (0, "removed  mine\n", "")
    assert set(json.loads(kpbench("ls", "data", "--json")[1])) == {"synthetic", "synthetic@2"}
    assert not (tmp_path / "reports").exists()


def test_json_is_one_object_and_quiet_is_quiet(kpbench, course):
    code, out, err = kpbench("data", "add", "mine", course, "--json", "--quiet")
    assert (code, err) == (0, "")
    assert json.loads(out)["counts"]["train"] == {"faces": 24, "complete": 24, "people": None}
    assert json.loads(kpbench("data", "remove", "mine", "--json")[1]) == {"removed": "mine"}


def test_get_prints_the_digest(kpbench, course, monkeypatch, tmp_path):
    with serving(write_zip(tmp_path / "x.zip", course).read_bytes()) as server:
        monkeypatch.setitem(SOURCES, "mine", Source("a test's", server.url))
        code, out, err = kpbench("data", "get", "mine")
    assert code == 0
    about = library.read_about("mine")
    assert f"sha256   {about.download}" in out
    assert "downloading faces.zip" in err


BAD = [
    (["data", "add", "mine"], "argument 'path'"),
    (["data", "add", "mine", "gone.zip"], "no file or folder at gone.zip"),
    (["data", "add", "Mine", "gone.zip"], "is no name for a data set"),
    (["data", "add", "synthetic", "gone.zip"], "is a built-in data set"),
    (["data", "add", "mine", "COURSE", "--mapping", "gone.toml"], "no file at gone.toml"),
    (["data", "add", "taken", "COURSE"], "give --replace"),
    (["data", "get", "curse"], "did you mean 'course'"),
    (["data", "get", "course", "--sha256", "abc"], "64 hex digits"),
    (["data", "remove", "mine"], "no added data set 'mine'"),
    (["data", "remove", "synthetic"], "no added data set 'synthetic'"),
    (["data", "shwo"], "shwo"),
    (["search", "--data", "takn"], "did you mean 'taken'"),
]


@pytest.mark.parametrize(("words", "said"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_a_mistake_is_one_line_that_names_it(kpbench, course, tmp_path, words, said):
    assert kpbench("data", "add", "taken", course, "-q")[0] == 0
    code, out, err = kpbench(*[course if word == "COURSE" else word for word in words])
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    assert said in err
    assert list(tmp_path.iterdir()) == []
    assert library.names() == ["taken"]


def test_alone_it_shows_its_commands(kpbench):
    code, out, err = kpbench("data")
    assert (code, err) == (0, "")
    assert all(word in out for word in ("add", "get", "ls", "remove"))


def test_a_damaged_data_set_is_listed_as_such(kpbench, course):
    kpbench("data", "add", "mine", course, "-q")
    (library.library_folder() / "mine" / "about.json").write_text("{")
    assert json.loads(kpbench("data", "ls", "--json")[1])["mine"]["kind"] == "damaged"
    code, _, err = kpbench("search", "--data", "mine", "--dry-run", "-q")
    assert code == 2
    assert "again with --replace" in err


def test_help_needs_nothing_heavy():
    program = """
import sys
sys.argv = ["kpbench", "data", "add", "--help"]
from kpbench.cli.main import main
try:
    main()
except SystemExit:
    pass
assert not {"numpy", "PIL", "requests"} & set(sys.modules), "heavy"
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, capture_output=True)
