"""Fetch one zip over https: continued where it broke off, tried again, whole or not there."""

import json
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from filelock import FileLock, Timeout

from kpbench.errors import UsageError
from kpbench.faces.parts import Progress
from kpbench.faces.readers.files import file_sha256, os_errors, shown
from kpbench.version import __version__

LARGEST_DOWNLOAD = 4 * 1024**3
"""Bytes; the largest of `SOURCES` has a tenth of it."""

ATTEMPTS = 4
TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two pieces."""

REDIRECTS = 5
PIECE = 16 * 1024
"""Bytes read at once; the piece in which a transfer breaks off is lost."""

AT_HOME = ("localhost", "127.0.0.1", "::1")
"""Hosts that may be read over plain http: what comes from them crosses no network."""

_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_REASONS = (
    (requests.Timeout, "no answer in time"),
    (requests.exceptions.SSLError, "no trusted connection (SSL)"),
    (requests.exceptions.ChunkedEncodingError, "the transfer broke off"),
    (requests.RequestException, "no connection"),
)


class _BrokenOffError(Exception):
    """The transfer ended early; what came is kept and another attempt is worth while."""


def name_of(url: str) -> str:
    """The name of the file at `url`."""
    return Path(unquote(urlsplit(url).path)).name or "download.zip"


def fetch(
    url: str,
    folder: Path,
    *,
    say: Progress,
    sha256: str | None = None,
    largest: int = LARGEST_DOWNLOAD,
    wait: Callable[[float], None] = time.sleep,
) -> Path:
    """The zip at `url` as a file below `folder`, downloaded unless it is there; what came of a broken transfer is kept.

    Args:
        folder: gets a folder for this file, in which nothing else is kept.
        sha256: of the whole file, in hex; None accepts any.
        largest: bytes it may have.
        wait: takes the seconds before another attempt.

    Raises:
        UsageError: no https, nothing there, not a zip, too large, of another digest, broken off each time, or the
            folder cannot be written.
    """
    name = name_of(url)
    place = folder / Path(name).stem
    file, expected = place / name, (sha256 or "").lower()
    with os_errors(f"write to {shown(place)}", "make room, or set KPBENCH_CACHE to a folder"):
        place.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(place / ".lock", timeout=0):
                if not file.is_file() or (sha256 and file_sha256(file) != expected):
                    _Transfer(url, place / f"{name}.part", say, largest).finish(file, expected, wait)
        except Timeout:
            raise UsageError(f"another kpbench downloads {name} to {shown(place)}; wait for it") from None
    return file


@dataclass(frozen=True)
class _Transfer:
    """A download in progress: `part` grows until it is whole, over several attempts and several starts."""

    url: str
    part: Path
    say: Progress
    largest: int

    def finish(self, file: Path, expected: str, wait: Callable[[float], None]) -> None:
        """Downloads what is missing and puts the whole at `file`; its SHA-256 must be `expected` unless empty."""
        what = f"downloading {file.name}"
        self.say(what, 0.0)
        for attempt in range(ATTEMPTS):
            try:
                self._continue(what)
                break
            except _BrokenOffError as error:
                if attempt == ATTEMPTS - 1:
                    kept = self.part.stat().st_size if self.part.exists() else 0
                    raise UsageError(
                        f"{self.url}: {error}, {ATTEMPTS} times; {kept:,} bytes are kept, the same command continues"
                    ) from None
                wait(2.0**attempt)
        if not zipfile.is_zipfile(self.part):
            with self.part.open("rb") as stream:
                page = stream.read(1024).lstrip()[:1] == b"<"
            self._forget()
            raise _no_zip(self.url, "a web page (a login?)" if page else "something else")
        digest = file_sha256(self.part)
        if expected and digest != expected:
            self._forget()
            raise UsageError(
                f"{self.url}: the download has the SHA-256 {digest}, expected {expected}; "
                "it was thrown away, do not trust this source before you know why"
            )
        self.part.replace(file)
        self._forget()
        self.say(what, 1.0)

    @property
    def _note(self) -> Path:
        return self.part.with_name(self.part.name + ".json")

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _begun(self) -> tuple[int, dict[str, Any]]:
        """How many bytes are there, and what the server said of the whole."""
        try:
            note = json.loads(self._note.read_bytes())
            if note["url"] == self.url and note["total"] >= self.part.stat().st_size:
                return self.part.stat().st_size, note
        except (OSError, ValueError, KeyError, TypeError):
            pass
        self._forget()
        return 0, {}

    def _continue(self, what: str) -> None:
        start, note = self._begun()
        if start and start == note["total"]:
            return
        headers = {"Accept-Encoding": "identity", "User-Agent": f"kpbench/{__version__}"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if note["version"]:
                headers["If-Range"] = note["version"]
        try:
            with requests.Session() as session, _get(session, self.url, headers) as answer:
                _refuse(self.url, answer)
                begins, total = _extent(answer)
                if answer.status_code == 416 or begins not in (0, start) or (begins and total != note["total"]):
                    self._forget()  # the file on the server is another one now
                    raise _BrokenOffError("the file changed on the server")
                self._room(total or 0)
                if total is not None:
                    version = _version(answer.headers)
                    self._note.write_text(json.dumps({"url": self.url, "total": total, "version": version}))
                else:
                    self._note.unlink(missing_ok=True)  # what has no known end cannot be continued
                with self.part.open("ab" if begins else "wb") as stream:
                    done = begins
                    for piece in answer.iter_content(PIECE):
                        done += len(piece)
                        self._room(done)
                        stream.write(piece)
                        self.say(what, min(done / total, 0.99) if total else 0.0)
        except requests.RequestException as error:
            raise _BrokenOffError(next(why for kind, why in _REASONS if isinstance(error, kind))) from None
        if total is not None and done < total:
            raise _BrokenOffError(f"the transfer ended after {done:,} of {total:,} bytes")

    def _room(self, size: int) -> None:
        if size > self.largest:
            self._forget()
            raise UsageError(f"{self.url} has more than the {self.largest:,} bytes allowed; get it by hand")


def _get(session: requests.Session, url: str, headers: Mapping[str, str]) -> requests.Response:
    """The answer, redirects followed one by one so that none leads away from https."""
    here = url
    for _ in range(REDIRECTS):
        place = urlsplit(here)
        if place.scheme != "https" and not (place.scheme == "http" and place.hostname in AT_HOME):
            raise UsageError(f"{url} leads to {here}, which is not https; get it by hand and use kpbench data add")
        answer = session.get(here, headers=dict(headers), stream=True, timeout=TIMEOUT, allow_redirects=False)
        if answer.next is None or answer.next.url is None:
            return answer
        here = answer.next.url
        answer.close()
    raise UsageError(f"{url} redirects more than {REDIRECTS} times; get it by hand and use kpbench data add")


def _refuse(url: str, answer: requests.Response) -> None:
    status = answer.status_code
    if status in _AGAIN:
        raise _BrokenOffError(f"the server answered {status} {answer.reason}")
    if status >= 400 and status != 416:
        raise UsageError(
            f"{url}: the server answered {status} {answer.reason}; get it by hand and use kpbench data add"
        )
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise _no_zip(url, "a web page (a login?)")


def _no_zip(url: str, what: str) -> UsageError:
    return UsageError(f"{url} gave {what} where a zip was expected; open it in a browser, then use kpbench data add")


def _extent(answer: requests.Response) -> tuple[int, int | None]:
    """The first byte that the answer brings, and how many the whole file has (None where that is not said)."""
    try:
        if answer.status_code == 206:
            span, _, total = answer.headers["Content-Range"].removeprefix("bytes ").partition("/")
            return int(span.partition("-")[0]), int(total)
        return 0, int(answer.headers["Content-Length"])
    except (KeyError, ValueError):
        return 0, None


def _version(headers: Mapping[str, str]) -> str:
    """What tells this content from a later one, for If-Range: a strong ETag, else the date."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")
