"""Adding from a path and getting from a source: what ends up in the library, and what never does."""

import hashlib
import sys
import types
import zipfile
from pathlib import Path

import pytest

from kpbench.errors import UsageError
from kpbench.faces.datasets import DATASETS, load
from kpbench.faces.library import adding, library
from kpbench.faces.library.adding import add, get
from kpbench.faces.library.sources import SOURCES, Source
from tests.course_files import blob_faces, csv_rows, csv_text, write_course, write_zip
from tests.faces.picture_sets import MAPPING, write_coco, write_pictures
from tests.faces.real_data import COURSE_ZIP, KAGGLE_ZIP, needs_real_faces
from tests.faces.zip_server import ZipServer, serving


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KPBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("zip")
    return write_zip(folder / "x.zip", write_course(folder / "x", train=6, val=2, test=2)).read_bytes()


@pytest.fixture
def server(content, monkeypatch):
    with serving(content) as server:
        monkeypatch.setitem(SOURCES, "mine", Source("a test's", server.url))
        yield server


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("*") if file.is_file() and file.name != ".lock")


def refusal(*args, **options) -> str:
    with pytest.raises(UsageError) as caught:
        get(*args, **options)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_partial_rows_are_kept_and_dropped_at_load(tmp_path):
    rows = csv_rows(blob_faces(12))
    rows[2][7] = ""
    (tmp_path / "training.csv").write_text(csv_text(rows))
    about = add("mine", tmp_path / "training.csv")
    assert (about.layout, about.counts["train"].faces, about.counts["train"].complete) == ("csv_files", 12, 11)
    assert about.notes == ()
    assert len(library.read("mine").train) == 12
    splits = load("mine", val_share=0.2, test_share=0.2, seed=0)
    assert len(splits.train) + len(splits.val) + len(splits.test) == 11
    kept = sum(file.stat().st_size for file in (tmp_path / "cache").rglob("*.npz"))
    assert kept < 2_000, "what the library keeps is not kept twice; which faces repeat another is"


@pytest.mark.parametrize("layout", ["image_csv", "coco_json"])
def test_other_layouts_are_added_alike(tmp_path, layout):
    faces = blob_faces(5)
    mapping = None
    if layout == "coco_json":
        write_coco(tmp_path / "x", faces, mapping=None)
        mapping = tmp_path / "m.toml"
        mapping.write_text(MAPPING)
    else:
        write_pictures(tmp_path / "x", faces)
    about = add("mine", tmp_path / "x", mapping=mapping)
    assert about.layout == layout
    assert library.read("mine").train.digest() == faces.digest()


def test_refusals_come_before_anything_is_read(tmp_path, content):
    with pytest.raises(UsageError, match="'synthetic' is a built-in data set"):
        add("synthetic", tmp_path / "gone", replace=True)
    with pytest.raises(UsageError, match="is no name"):
        add("../x", tmp_path / "gone")
    (tmp_path / "x.zip").write_bytes(content)
    add("mine", tmp_path / "x.zip")
    with pytest.raises(UsageError, match="is there already"):
        add("mine", tmp_path / "gone")
    with pytest.raises(UsageError, match="no file or folder"):
        add("mine", tmp_path / "gone", replace=True)
    assert library.names() == ["mine"]


def test_get_downloads_adds_writes_the_digest_down_and_leaves_no_zip(tmp_path, server, content):
    about = get("mine")
    assert about.download == hashlib.sha256(content).hexdigest()
    assert about.source == server.url
    assert load("mine", val_share=0.2, test_share=0.2, seed=0).notes == ()
    assert files(tmp_path / "cache" / "downloads") == []
    with pytest.raises(UsageError, match="is there already"):
        get("mine")
    assert len(server.asked) == 1
    assert get("mine", replace=True).download == about.download


def test_to_keeps_the_zip_and_uses_one_that_is_there(tmp_path, server, content):
    get("mine", to=tmp_path / "mine to keep")
    assert (tmp_path / "mine to keep" / "faces.zip").read_bytes() == content
    assert files(tmp_path / "mine to keep") == ["faces.zip"]
    assert files(tmp_path / "cache" / "downloads") == []
    get("mine", to=tmp_path / "mine to keep", replace=True)
    assert len(server.asked) == 1
    (tmp_path / "a file").write_text("")
    assert "choose another folder with --to" in refusal("mine", to=tmp_path / "a file", replace=True)


def changed(server: ZipServer, tmp_path: Path) -> str:
    folder = write_course(tmp_path / "changed", train=7, val=2, test=2, seed=3)
    server.content = write_zip(tmp_path / "changed.zip", folder).read_bytes()
    server.tag = '"two"'
    return hashlib.sha256(server.content).hexdigest()


def test_a_digest_that_changed_is_refused_naming_both_until_it_is_accepted(tmp_path, server):
    first = get("mine")
    new = changed(server, tmp_path)
    message = refusal("mine", replace=True)
    assert first.download is not None
    assert first.download in message
    assert f"accept the new one with --sha256 {new}" in message
    assert library.read_about("mine") == first
    assert files(tmp_path / "cache" / "downloads") == []
    assert get("mine", replace=True, sha256=new).download == new
    assert len(library.read("mine").train) == 7


def test_a_wrong_checksum_is_refused_the_tables_too(tmp_path, server, monkeypatch, content):
    message = refusal("mine", sha256="0" * 64)
    assert "0" * 64 in message
    assert hashlib.sha256(content).hexdigest() in message
    assert "64 hex digits" in refusal("mine", sha256="abc")
    monkeypatch.setitem(SOURCES, "mine", Source("a test's", server.url, sha256="1" * 64))
    assert "1" * 64 in refusal("mine")
    assert library.names() == []
    assert files(tmp_path / "cache" / "downloads") == []
    get("mine", sha256=hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("what", ["bomb", "html", "404", "no faces", "encrypted path"])
def test_what_is_no_data_set_leaves_neither_zip_nor_data_set(tmp_path, server, what):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        name = "../training.csv" if what == "encrypted path" else "training.csv" if what == "bomb" else "a.txt"
        archive.writestr(name, "0 " * 10 * 1024**2 if what == "bomb" else "x")
    server.content = b"<html>" if what == "html" else path.read_bytes()
    server.status = [404] if what == "404" else []
    message = refusal("mine")
    said = {"bomb": "zip bomb", "html": "web page", "404": "404", "no faces": "lacks", "encrypted path": "leaves"}
    assert said[what] in message
    assert library.names() == []
    assert files(tmp_path / "cache" / "downloads") == []


def test_a_full_library_keeps_the_download(tmp_path, server, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise UsageError("full")

    with monkeypatch.context() as patch:
        patch.setattr(library, "write", full)
        assert refusal("mine") == "full"
    get("mine")
    assert len(server.asked) == 1


def test_an_unknown_source_is_refused_with_the_nearest():
    assert "did you mean 'course'" in refusal("corse")


class KaggleError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"{status} Client Error.\n\nYou don't have permission")
        self.response = types.SimpleNamespace(status_code=status)


class CredentialError(Exception):
    pass


def kaggle(monkeypatch, download) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", types.SimpleNamespace(competition_download=download))


def test_kaggles_files_come_from_kaggles_own_client(tmp_path, monkeypatch, capsys):
    cache = tmp_path / "kagglehub"
    write_zip(cache / "training.zip", write_course(tmp_path / "c", train=5, val=0, test=0))
    (cache / "IdLookupTable.csv").write_text("RowId\n")

    def download(name: str) -> str:
        assert name == "facial-keypoints-detection"
        print("100%")
        return str(cache)

    kaggle(monkeypatch, download)
    about = get("kaggle")
    assert about.counts["train"].faces == 5
    assert about.download == hashlib.sha256((cache / "training.zip").read_bytes()).hexdigest()
    assert (cache / "training.zip").exists(), "Kaggle's own cache is left alone"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KaggleError(403), "accept its rules at https://www.kaggle.com/competitions/facial-keypoints-detection/rules"),
        (KaggleError(401), "save an API token"),
        (CredentialError("no"), "save an API token"),
        (KaggleError(500), "cannot get facial-keypoints-detection from Kaggle: 500 Client Error."),
        (OSError(), "from Kaggle: OSError"),
    ],
)
def test_kaggles_refusals_say_what_to_do(monkeypatch, error, said):
    def download(_: str) -> str:
        raise error

    kaggle(monkeypatch, download)
    assert said in refusal("kaggle")


def test_without_kagglehub_the_way_to_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert "pip install 'kpbench[kaggle]'" in refusal("kaggle")


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_each_source_is_https_and_has_a_free_plain_name_and_a_title(name):
    source = SOURCES[name]
    library.check_free(name, replace=True)
    assert name not in DATASETS
    assert source.url.startswith("https://")
    assert source.title
    assert source.sha256 is None or len(source.sha256) == 64


@needs_real_faces
@pytest.mark.slow
def test_the_real_zips_are_added_with_their_faces():
    about = add("course", COURSE_ZIP)
    assert {part: counts.faces for part, counts in about.counts.items()} == {"train": 1546, "val": 298, "test": 296}
    about = add("kaggle", KAGGLE_ZIP)
    assert (about.counts["train"].faces, about.counts["train"].complete) == (2246, 1546)
    splits = load("kaggle", val_share=0.15, test_share=0.15, seed=20)
    assert splits.notes[0] == "700 of 2,246 train rows dropped: a keypoint is missing"
    assert adding.SOURCES["kaggle"].competition == "facial-keypoints-detection"


def test_the_first_digest_outlives_a_removed_data_set(tmp_path, server):
    first = get("mine")
    library.remove("mine")
    changed(server, tmp_path)
    assert first.download is not None
    assert first.download in refusal("mine")
    assert not library.has("mine")
