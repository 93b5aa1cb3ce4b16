"""Fetch one zip over https: continued where it broke off, tried again, whole or not there."""

import hashlib
import json
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pooch  # type: ignore[import-untyped]
import requests
from filelock import FileLock, Timeout

from kpbench.errors import UsageError
from kpbench.faces.parts import Progress
from kpbench.faces.readers.files import shown
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


class _BrokenOffError(Exception):
    """The transfer ended early; what came is kept and another attempt is worth while."""


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
    name = Path(unquote(urlsplit(url).path)).name or "download.zip"
    place = folder / Path(name).stem
    pooch.get_logger().setLevel("ERROR")
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / ".lock", timeout=0):
            for stray in place.glob("tmp*"):  # pooch's, of a process that was killed
                stray.unlink()
            known = None if sha256 is None else f"sha256:{sha256.lower()}"
            resumed = Resumed(place / f"{name}.part", say, largest, wait)
            file = Path(pooch.retrieve(url, known_hash=known, fname=name, path=place, downloader=resumed))
    except Timeout:
        raise UsageError(f"another kpbench downloads {name} to {shown(place)}; wait for it") from None
    except ValueError:  # pooch's word for another digest
        raise UsageError(
            f"{url}: the download has the SHA-256 {resumed.digest}, expected {(sha256 or '').lower()}; "
            "it was thrown away, do not trust this source before you know why"
        ) from None
    except OSError as error:
        why = error.strerror or error
        raise UsageError(
            f"cannot write to {shown(place)}: {why}; make room, or set KPBENCH_CACHE to a folder"
        ) from None
    return file


@dataclass
class Resumed:
    """A downloader for pooch: `part` grows until it is whole, over several attempts and several starts.

    Attributes:
        digest: SHA-256 of the last whole file, in hex.
    """

    part: Path
    say: Progress
    largest: int
    wait: Callable[[float], None]
    digest: str = ""

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Downloads `url` to `output_file`; `pooch` is not used.

        Raises:
            UsageError: as `fetch`.
        """
        what = f"downloading {self.part.stem}"
        self.say(what, 0.0)
        for attempt in range(ATTEMPTS):
            try:
                self._continue(url, what)
                break
            except _BrokenOffError as error:
                if attempt == ATTEMPTS - 1:
                    kept = self.part.stat().st_size if self.part.exists() else 0
                    raise UsageError(
                        f"{url}: {error}, {ATTEMPTS} times; {kept:,} bytes are kept, the same command continues"
                    ) from None
                self.wait(2.0**attempt)
        if not zipfile.is_zipfile(self.part):
            with self.part.open("rb") as stream:
                page = stream.read(1024).lstrip()[:1] == b"<"
            self._forget()
            what = "gave a web page (a login?)" if page else "gave something else"
            raise UsageError(f"{url} {what} where a zip was expected; open it in a browser, then use kpbench data add")
        with self.part.open("rb") as stream:
            self.digest = hashlib.file_digest(stream, "sha256").hexdigest()
        self.part.replace(output_file)
        self._forget()
        self.say(what, 1.0)

    @property
    def _note(self) -> Path:
        return self.part.with_name(self.part.name + ".json")

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _begun(self, url: str) -> tuple[int, dict[str, Any]]:
        """How many bytes of `url` are there, and what its server said of the whole."""
        try:
            note = json.loads(self._note.read_bytes())
            if note["url"] == url and note["total"] >= self.part.stat().st_size:
                return self.part.stat().st_size, note
        except (OSError, ValueError, KeyError, TypeError):
            pass
        self._forget()
        return 0, {}

    def _continue(self, url: str, what: str) -> None:
        start, note = self._begun(url)
        if start and start == note["total"]:
            return
        headers = {"Accept-Encoding": "identity", "User-Agent": f"kpbench/{__version__}"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if note["version"]:
                headers["If-Range"] = note["version"]
        try:
            with requests.Session() as session, _get(session, url, headers) as answer:
                _refuse(url, answer)
                begins, total = _extent(answer)
                if answer.status_code == 416 or begins not in (0, start) or (begins and total != note["total"]):
                    self._forget()  # the file on the server is another one now
                    raise _BrokenOffError("the file changed on the server")
                self._room(url, total or 0)
                if total is not None:
                    version = _version(answer.headers)
                    self._note.write_text(json.dumps({"url": url, "total": total, "version": version}))
                else:
                    self._note.unlink(missing_ok=True)  # what has no known end cannot be continued
                with self.part.open("ab" if begins else "wb") as stream:
                    done = begins
                    for piece in answer.iter_content(PIECE):
                        done += len(piece)
                        self._room(url, done)
                        stream.write(piece)
                        self.say(what, min(done / total, 0.99) if total else 0.0)
        except requests.RequestException as error:
            raise _BrokenOffError(_reason(error)) from None
        if total is not None and done < total:
            raise _BrokenOffError(f"the transfer ended after {done:,} of {total:,} bytes")

    def _room(self, url: str, size: int) -> None:
        if size > self.largest:
            self._forget()
            raise UsageError(f"{url} has more than the {self.largest:,} bytes allowed; get it by hand")


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
        raise UsageError(
            f"{url} gave a web page (a login?) where a zip was expected; open it in a browser, "
            "then use kpbench data add"
        )


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


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "no trusted connection (SSL)"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the transfer broke off"
    return "no connection"
