"""Requests per second and latencies of the calls that clients make most.

    python -m bench.wire             wants Debian's postgresql
    python -m bench.wire --seconds 2 for a quick look

A hub as `manage.py serve` starts it with some hundred repos: one on SQLite, then one on a PostgreSQL server
of its own with the settings that PostgreSQL comes with. The load comes from one process of eight connections
that stay open, on the same machine: what it takes of the processor counts against the hub, and so does what
PostgreSQL takes.
"""

from __future__ import annotations

import argparse
import base64
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import report
from bench.hub import USER, running_hub
from tests.postgres_server import postgres_server

CONNECTIONS = 8


def ask(url: str, token: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    with urllib.request.urlopen(urllib.request.Request(url + path, body, headers), timeout=60) as answer:
        return json.load(answer)


def fill(url: str, token: str, repos: int) -> None:
    """Repos with a card and a config, so that lists and infos have something to say."""
    for number in range(repos):
        name = f"model-{number:03d}"
        ask(url, token, "/api/repos/create", json.dumps({"name": name, "type": "model"}).encode())
        card = (
            f"---\nlicense: mit\npipeline_tag: image-classification\ntags: [t{number % 7}]\n---\n# {name}\n"
        )
        body = commit_body({"README.md": card, "config.json": "{}"})
        ask(url, token, f"/api/models/{USER}/{name}/commit/main", body, "application/x-ndjson")


def commit_body(files: dict[str, str]) -> bytes:
    lines: list[dict[str, Any]] = [{"key": "header", "value": {"summary": "bench"}}]
    for path, text in files.items():
        content = base64.b64encode(text.encode()).decode()
        lines.append({"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}})
    return "\n".join(map(json.dumps, lines)).encode()


def request_bytes(host: str, token: str, method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    head += f"User-Agent: bench\r\nContent-Length: {len(body)}\r\nContent-Type: application/x-ndjson\r\n\r\n"
    return head.encode() + body


class Connection:
    """One connection kept open; reads answers by their Content-Length."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.file: Any = None

    def exchange(self, request: bytes, *, has_body: bool) -> int:
        """Send and read one answer; its status. Reconnects once where the hub had closed the connection."""
        for attempt in (0, 1):
            try:
                return self._exchange(request, has_body)
            except (OSError, ValueError):
                self.file = None
                if attempt:
                    raise
        raise AssertionError

    def _exchange(self, request: bytes, has_body: bool) -> int:
        if self.file is None:
            self.socket = socket.create_connection(self.address, timeout=30)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.file = self.socket.makefile("rb")
        self.socket.sendall(request)
        status = int(self.file.readline().split()[1])
        length, closes = 0, False
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
            closes |= name.lower() == b"connection" and value.strip().lower() == b"close"
        if has_body:
            self.file.read(length)
        if closes:
            self.file = None
        return status


def load(url: str, seconds: float, make: Callable[[int], bytes], has_body: bool) -> dict[str, Any]:
    """`CONNECTIONS` threads for `seconds`; requests per second, latencies in milliseconds, how often which
    wrong status."""
    split = urlsplit(url)
    latencies: list[list[float]] = [[] for _ in range(CONNECTIONS)]
    wrong: Counter[int] = Counter()
    end = time.perf_counter() + seconds

    def work(place: int) -> None:
        connection, number = Connection(str(split.hostname), int(split.port or 80)), place
        while (began := time.perf_counter()) < end:
            try:
                status = connection.exchange(make(number), has_body=has_body)
            except OSError:
                status = 0
            latencies[place].append(time.perf_counter() - began)
            if status != 200:
                wrong[status] += 1
            number += CONNECTIONS

    threads = [threading.Thread(target=work, args=(place,)) for place in range(CONNECTIONS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    every = sorted(lap for laps in latencies for lap in laps)
    return {
        "requests": len(every),
        "per_second": len(every) / took,
        "p50_ms": 1000 * every[len(every) // 2],
        "p95_ms": 1000 * every[int(len(every) * 0.95)],
        "wrong": dict(wrong),
    }


def part_load(args: argparse.Namespace) -> dict[str, Any]:
    """All calls in turn, in a process of its own."""
    host = urlsplit(args.url).netloc

    def get(method: str, path: str) -> Callable[[int], bytes]:
        return lambda number: request_bytes(host, args.token, method, path.format(number % args.repos))

    def commit(number: int) -> bytes:
        body = commit_body({f"notes/{number}.txt": f"{number}"})
        path = f"/api/models/{USER}/model-{number % args.repos:03d}/commit/main"
        return request_bytes(host, args.token, "POST", path, body)

    model = f"{USER}/model-{{:03d}}"
    calls: dict[str, tuple[Callable[[int], bytes], bool]] = {
        "HEAD resolve": (get("HEAD", f"/{model}/resolve/main/config.json"), False),
        "repo info": (get("GET", f"/api/models/{model}"), True),
        "list page, 100 of them": (get("GET", "/api/models?limit=100&full=true&skip={}"), True),
        "tree": (get("GET", f"/api/models/{model}/tree/main"), True),
        "commit, one small file": (commit, True),
    }
    for make, has_body in calls.values():
        load(args.url, 0.3, make, has_body)
    return {name: load(args.url, args.seconds, make, has_body) for name, (make, has_body) in calls.items()}


def measure(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """For each database what `part_load` finds of every call."""
    with postgres_server(durable=True) as server:
        databases = {"SQLite": {}, "PostgreSQL": {"HUB_DATABASE_URL": server.create()}}
        return {name: measure_one(args, name, settings) for name, settings in databases.items()}


def measure_one(args: argparse.Namespace, name: str, settings: dict[str, str]) -> dict[str, Any]:
    data = args.work / name
    data.mkdir()
    with running_hub(data, args.work / f"{name}.log", **settings) as (url, token):
        fill(url, token, args.repos)
        command = [sys.executable, "-m", "bench.wire", "--part", "load", "--url", url, "--token", token]
        command += ["--seconds", str(args.seconds), "--repos", str(args.repos)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        found: dict[str, Any] = json.loads(done.stdout)
    return found


def markdown(found: dict[str, dict[str, Any]], where: Any) -> str:
    head = ["call"]
    for name in found:
        head += [f"{name}: requests/s", "median", "95 % under", "wrong answers"]
    rows = [
        [call, *(cell for calls in found.values() for cell in _cells(calls[call]))]
        for call in found["SQLite"]
    ]
    return f"""# Requests per second

`python -m bench.wire` · {where["when"]} · {where["processor"]}, {where["cores"]} cores,
Python {where["python"]}; {CONNECTIONS} connections from one process on the same machine.
PostgreSQL is there too, reached by its socket, and has every commit on the disk before it answers;
with SQLite a power cut may take the last ones.

{report.table(head, rows)}
"""


def _cells(row: dict[str, Any]) -> list[str]:
    wrong = sum(row["wrong"].values())
    return [f"**{row['per_second']:.0f}**", f"{row['p50_ms']:.1f} ms", f"{row['p95_ms']:.1f} ms", f"{wrong}"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--repos", type=int, default=300)
    for hidden in ("--part", "--url", "--token"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(json.dumps(part_load(args)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        args.work = Path(folder)
        found = measure(args)
    where = report.machine()
    report.write("wire", {"machine": where, "databases": found}, markdown(found, where))
    return 1 if any(row["wrong"] for calls in found.values() for row in calls.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
