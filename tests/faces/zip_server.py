"""A web server of one zip, on this machine, that breaks, refuses and changes as a test asks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ZipServer:
    """What is served and how; `asked` holds the Range header (or "") of each request so far."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.ranges = True
        self.breaks: list[int] = []
        self.status: list[int] = []
        self.kind = "application/zip"
        self.tag = '"one"'
        self.sized = True
        self.leads_to = ""
        self.asked: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/some/faces.zip"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.headers.get("Range", ""))
        if self.leads_to:
            request.send_response(302)
            request.send_header("Location", self.leads_to)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if self.status:
            request.send_error(self.status.pop(0))
            return
        start, whole = 0, self.content
        wanted = request.headers.get("Range", "")
        if wanted and self.ranges and request.headers.get("If-Range", self.tag) == self.tag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(whole):
                request.send_error(416)
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        else:
            request.send_response(200)
        request.send_header("Content-Type", self.kind)
        request.send_header("ETag", self.tag)
        if self.sized:
            request.send_header("Content-Length", str(len(whole) - start))
        request.end_headers()
        end = self.breaks.pop(0) if self.breaks else len(whole)
        request.wfile.write(whole[start : max(start, end)])
        request.wfile.flush()
        request.close_connection = True


@contextmanager
def serving(content: bytes) -> Iterator[ZipServer]:
    """The server, while it runs."""
    server = ZipServer(content)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listening:
        listening.daemon_threads = True
        server.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
