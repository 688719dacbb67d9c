"""A program that receives webhooks, on loopback: it keeps what came and answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request: its headers (names in lower case) and its body, raw and read."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def payload(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Receiver:
    """What came in, in order; `answers` are the statuses of the next requests, 200 when they are used up."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def wait(self, wanted: Callable[[Received], bool], seconds: float = 40) -> Received:
        """The first request of this kind, once it is there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for one in list(self.received):
                if wanted(one):
                    return one
            time.sleep(0.1)
        raise AssertionError(f"never came; came: {[one.payload.get('event') for one in self.received]}")

    def of(self, name: str, scope: str, action: str, seconds: float = 40) -> Received:
        """The first message of this repo, scope and action."""
        return self.wait(
            lambda one: (
                one.payload["repo"]["name"] == name
                and one.payload["event"] == {"action": action, "scope": scope}
            ),
            seconds,
        )


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver for the length of a test."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            kept.received.append(Received(self.path, headers, body))
            status = kept.answers.pop(0) if kept.answers else 200
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", kept.url("/elsewhere"))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
