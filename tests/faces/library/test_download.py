"""Downloads against a server on this machine: whole, resumed, refused; never half a file."""

import hashlib
from pathlib import Path

import pytest
from filelock import FileLock

from kpbench.errors import UsageError
from kpbench.faces.library import download
from kpbench.faces.library.download import fetch
from kpbench.faces.parts import silent
from tests.course_files import write_course, write_zip
from tests.faces.zip_server import ZipServer, serving


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("zip")
    return write_zip(folder / "x.zip", write_course(folder / "x", train=6, val=2, test=2)).read_bytes()


@pytest.fixture
def server(content):
    with serving(content) as server:
        yield server


@pytest.fixture
def waited() -> list[float]:
    return []


@pytest.fixture
def got(tmp_path, server, waited):
    def call(**options):
        return fetch(server.url, tmp_path / "downloads", **{"say": silent, "wait": waited.append, **options})

    return call


def refusal(got, **options) -> str:
    with pytest.raises(UsageError) as caught:
        got(**options)
    assert str(caught.value).isprintable()
    return str(caught.value)


def left(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "downloads" / "faces").iterdir() if file.name != ".lock")


def test_a_whole_transfer(tmp_path, server, got, content, waited):
    heard: list[tuple[str, float]] = []
    file = got(say=lambda what, share: heard.append((what, share)))
    assert file.read_bytes() == content
    assert left(tmp_path) == ["faces.zip"]
    assert server.asked == [""]
    assert waited == []
    assert {what for what, _ in heard} == {"downloading faces.zip"}
    assert [share for _, share in heard] == sorted(share for _, share in heard)
    assert (heard[0][1], heard[-1][1]) == (0, 1)
    assert got() == file
    assert server.asked == [""], "what is there is not fetched again"


def test_a_transfer_broken_half_way_asks_for_the_rest_only(tmp_path, server, got, content, waited):
    server.breaks = [len(content) // 2]
    assert got().read_bytes() == content
    kept = len(content) // 2 // download.PIECE * download.PIECE
    assert kept > len(content) / 3
    assert server.asked == ["", f"bytes={kept}-"]
    assert waited == [1.0]
    assert left(tmp_path) == ["faces.zip"]


def test_a_later_start_continues_what_an_earlier_one_left(tmp_path, server, got, content, waited):
    kept = len(content) // 2 // download.PIECE * download.PIECE
    server.breaks = [len(content) // 2] * download.ATTEMPTS
    message = refusal(got)
    assert f"{kept:,} bytes are kept" in message
    assert "the same command continues" in message
    assert waited == [1.0, 2.0, 4.0]
    assert left(tmp_path) == ["faces.zip.part", "faces.zip.part.json"]
    server.asked.clear()
    assert got().read_bytes() == content
    assert server.asked == [f"bytes={kept}-"]
    assert left(tmp_path) == ["faces.zip"]


def test_ctrl_c_keeps_what_came(tmp_path, server, got, content, monkeypatch):
    monkeypatch.setattr(download, "PIECE", 4096)

    def pressed(_: str, share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        got(say=pressed)
    kept = (tmp_path / "downloads" / "faces" / "faces.zip.part").stat().st_size
    assert len(content) / 2 < kept < len(content)
    assert got().read_bytes() == content
    assert server.asked[-1] == f"bytes={kept}-"


def test_a_server_without_range_sends_all_again(server, got, content):
    server.ranges = False
    server.breaks = [len(content) // 2]
    assert got().read_bytes() == content
    assert len(server.asked) == 2


def test_another_content_on_the_server_begins_anew(server, got, content):
    server.breaks = [len(content) // 3] * download.ATTEMPTS
    refusal(got)
    server.content, server.tag = content + b"\0" * 5000, '"two"'
    assert got().read_bytes() == server.content


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"url": "http://other/x.zip", "total": 10, "version": ""}'])
def test_a_part_of_unknown_origin_is_not_continued(tmp_path, server, got, content, note):
    (tmp_path / "downloads" / "faces").mkdir(parents=True)
    (tmp_path / "downloads" / "faces" / "faces.zip.part").write_bytes(b"PK of something else")
    (tmp_path / "downloads" / "faces" / "faces.zip.part.json").write_bytes(note)
    assert got().read_bytes() == content
    assert server.asked == [""]


def test_a_transfer_of_unknown_length_is_taken(server, got, content):
    server.sized = False
    assert got().read_bytes() == content


def test_a_busy_server_is_asked_again(server, got, content, waited):
    server.status = [503, 429]
    assert got().read_bytes() == content
    assert waited == [1.0, 2.0]


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_refusal_is_told_at_once(tmp_path, server, got, waited, status):
    server.status = [status]
    assert f"the server answered {status}" in refusal(got)
    assert waited == []
    assert left(tmp_path) == []


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/zip"])
def test_a_login_page_instead_of_a_zip_is_refused(tmp_path, server, got, kind):
    server.content, server.kind = b"\n<!DOCTYPE html><html>log in</html>", kind
    assert "gave a web page (a login?)" in refusal(got)
    assert left(tmp_path) == []


def test_what_is_no_zip_is_refused(tmp_path, server, got):
    server.content = b"\x1f\x8b" + b"\0" * 5000
    assert "gave something else where a zip was expected" in refusal(got)
    assert left(tmp_path) == []


def test_the_right_checksum_passes_and_a_wrong_one_is_refused_naming_both(tmp_path, server, got, content):
    right = hashlib.sha256(content).hexdigest()
    message = refusal(got, sha256="ab" * 32)
    assert right in message
    assert "ab" * 32 in message
    assert left(tmp_path) == []
    assert got(sha256=right.upper()).read_bytes() == content
    (tmp_path / "downloads" / "faces" / "faces.zip").write_bytes(b"changed by hand")
    assert got(sha256=right).read_bytes() == content


@pytest.mark.parametrize("sized", [True, False])
def test_a_file_past_the_limit_is_refused(tmp_path, server, got, content, sized):
    server.sized = sized
    assert f"more than the {len(content) - 1:,} bytes allowed" in refusal(got, largest=len(content) - 1)
    assert left(tmp_path) == []


@pytest.mark.parametrize("address", ["http://example.org/x.zip", "ftp://localhost/x.zip", "file:///etc/passwd"])
def test_other_than_https_is_refused_also_behind_a_redirect(tmp_path, server, got, address):
    with pytest.raises(UsageError, match="which is not https"):
        fetch(address, tmp_path / "downloads", say=silent)
    server.leads_to = address
    assert "which is not https" in refusal(got)
    assert left(tmp_path) == []


def test_a_redirect_is_followed_and_a_circle_is_not(server, got, content):
    with serving(content) as other:
        server.leads_to = other.url
        assert got().read_bytes() == content
        assert other.asked == [""]


def test_a_circle_of_redirects_is_refused(server, got):
    server.leads_to = server.url
    assert "redirects more than 5 times" in refusal(got)


def test_no_server_is_told_after_some_attempts(tmp_path, waited):
    with serving(b"") as gone:
        url = gone.url
    with pytest.raises(UsageError, match="no connection, 4 times"):
        fetch(url, tmp_path, say=silent, wait=waited.append)
    assert waited == [1.0, 2.0, 4.0]


def test_a_silent_server_is_given_up(server, got, monkeypatch):
    def asleep(self: ZipServer, _: object) -> None:
        done.wait(2)

    import threading

    done = threading.Event()
    monkeypatch.setattr(ZipServer, "answer", asleep)
    monkeypatch.setattr(download, "TIMEOUT", (0.2, 0.05))
    assert "no answer in time" in refusal(got)
    done.set()


def test_a_full_disk_is_one_line_and_keeps_what_came(server, got, monkeypatch, content):
    def full(self: object, _: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        assert "No space left on device; make room" in refusal(got)
    assert got().read_bytes() == content
    assert server.asked == [""], "the part was whole"


def test_a_second_process_is_refused(tmp_path, got, server):
    (tmp_path / "downloads" / "faces").mkdir(parents=True)
    with FileLock(tmp_path / "downloads" / "faces" / ".lock"):
        assert "another kpbench downloads faces.zip" in refusal(got)
    assert server.asked == []
