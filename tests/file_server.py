"""A small web server on this machine that gives one file, as mirrors do and as they fail to."""

import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Behaviour:
    """What the server does.

    Args:
        content: of the file, by its path on the server.
        cut: the first answers end after so many bytes of what was asked for.
        ranges: whether it knows parts of a file.
        moved: path -> address to which it sends on.
        asked: what was asked for: method, path, first byte.
    """

    content: dict[str, bytes]
    cut: list[int] = field(default_factory=list)
    ranges: bool = True
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, int]] = field(default_factory=list)


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """Within: a server; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format, *args):
            """Says nothing."""

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = self.path.partition("?")[0]
            match = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range", ""))
            first = int(match[1]) if match else 0
            behaviour.asked.append((self.command, path, first))
            if path in behaviour.moved:
                self.send_response(302)
                self.send_header("Location", behaviour.moved[path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if path.startswith("/api/"):
                names = [name.split("/main/")[1] for name in behaviour.content]
                self.answer(
                    json.dumps([{"type": "file", "path": name, "size": 1, "oid": "0"} for name in names]).encode()
                )
                return
            content = behaviour.content.get(path)
            if content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            first = first if behaviour.ranges else 0
            if first >= len(content):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.answer(content[first:], 206 if first else 200, f"bytes {first}-{len(content) - 1}/{len(content)}")

        def answer(self, content, status=200, part=""):
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Type", "application/json" if content[:1] == b"[" else "application/octet-stream")
            self.send_header("ETag", '"0123456789abcdef"')
            self.send_header("X-Repo-Commit", "0" * 40)
            if status == 206:
                self.send_header("Content-Range", part)
            self.end_headers()
            if self.command == "HEAD":
                return
            if behaviour.cut and content[:1] != b"[":
                self.wfile.write(content[: behaviour.cut.pop(0)])
                self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(content)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
