"""How quickly the pages come on a hub of 100,000 repos: p50 and p95 over HTTP, on SQLite or PostgreSQL.

    python -m bench.portal [--postgres] [--repos 100000] [--data FOLDER] [--requests 120]

Makes the hub (bench/portal_data.py; an existing FOLDER is used again), starts it as people do with two web
processes, asks each kind of page with many different questions by two callers at once, anonymous and signed
in, and writes `bench/results/portal-sqlite.md` or `portal-postgres.md`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

from bench.hub import ROOT, free_port
from bench.portal_data import CHINESE, LANGUAGES, LIBRARIES, LICENCES, MEASURED, TASKS, WORDS

WEB_PROCESSES = 2
CALLERS = 2
WARM_UP = 12
GOALS = {"sqlite": 300.0, "postgres": 150.0}
RESULTS = ROOT / "bench" / "results"
_NAMES = "from models_app.models import Repo; import json; print(json.dumps([r.repo_id for r in"
_NAMES += " Repo.objects.filter(name__startswith='measured-').select_related('namespace').order_by('pk')]))"
_SESSION = (
    "from django.contrib.sessions.backends.db import SessionStore; from accounts.models import User;"
    " from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, BACKEND_SESSION_KEY;"
    " user = User.objects.order_by('pk')[3]; s = SessionStore(); s[SESSION_KEY] = str(user.pk);"
    " s[BACKEND_SESSION_KEY] = 'accounts.backends.AccountBackend';"
    " s[HASH_SESSION_KEY] = user.get_session_auth_hash(); s.save(); print(s.session_key)"
)


def questions(kind: str, names: list[str], chance: random.Random) -> str:
    """One address of a kind of page; hardly two are alike."""
    if kind == "home":
        return "/"
    if kind == "list, three facets":
        pairs = [
            ("task", chance.choice(TASKS)),
            ("license", chance.choice(LICENCES[:-1])),
            chance.choice((("language", chance.choice(LANGUAGES)), ("library", chance.choice(LIBRARIES)),
                           ("params", "1B-3B"), ("fits", chance.choice(("8", "16", "24"))))),
        ]  # fmt: skip
        if chance.random() < 0.3:
            pairs[1] = ("permission", "commercial-use")
        if chance.random() < 0.2:
            pairs.append(("page", str(chance.randrange(2, 6))))
        return f"/models?{urlencode(pairs)}"
    if kind == "list, searched":
        return f"/models?{urlencode({'search': _words(chance), 'license': chance.choice(LICENCES[:4])})}"
    if kind == "search":
        return f"/search?q={quote(_words(chance))}"
    if kind == "suggestions":
        return f"/search/suggest?q={quote(_words(chance)[: chance.randrange(3, 9)])}"
    return f"/{chance.choice(names)}"


KINDS = ("home", "list, three facets", "list, searched", "search", "suggestions", "model page")


def _words(chance: random.Random) -> str:
    if chance.random() < 0.15:
        return chance.choice(CHINESE)[: chance.randrange(2, 5)]
    return " ".join(chance.choices(WORDS, k=chance.choice((1, 1, 2, 3))))


def measure(address: str, paths: list[str], cookie: str) -> list[float]:
    """Milliseconds of each answer; two callers ask at once, each over its own connection a request."""
    took: list[float] = []
    left = iter(paths)
    lock = threading.Lock()

    def call() -> None:
        while True:
            with lock:
                path = next(left, None)
            if path is None:
                return
            request = urllib.request.Request(address + path, headers={"Cookie": cookie} if cookie else {})
            begun = time.perf_counter()
            with urllib.request.urlopen(request, timeout=120) as answer:
                answer.read()
            with lock:
                took.append((time.perf_counter() - begun) * 1000)

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    if len(took) != len(paths):
        raise RuntimeError("A page was not answered; see the hub's log.")
    return took


def quantile(values: list[float], share: float) -> float:
    """The value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def report(rows: list[tuple[str, str, list[float]]], database: str, repos: int) -> str:
    """The table, and what it is of."""
    goal, option = GOALS[database], " --postgres" if database == "postgres" else ""
    lines = [
        f"# Pages of a hub with {repos:,} repos on {'PostgreSQL' if option else 'SQLite'}",
        "",
        f"`python -m bench.portal{option}`, {datetime.now(UTC):%Y-%m-%d},"
        f" {os.cpu_count()} cores for hub, database and callers together, {WEB_PROCESSES} web processes,"
        f" {CALLERS} callers at once, milliseconds over HTTP. Goal: p95 under {goal:.0f} ms.",
        "",
        "| page | reader | requests | p50 | p95 | slowest |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for kind, reader, took in rows:
        half, p95 = quantile(took, 0.5), quantile(took, 0.95)
        mark = "" if p95 < goal else " ✗"
        lines.append(f"| {kind} | {reader} | {len(took)} | {half:.0f} | {p95:.0f}{mark} | {max(took):.0f} |")
    return "\n".join(lines) + "\n"


def manage(code: str, environment: dict[str, str]) -> str:
    """What a line of Python in the hub's shell prints last."""
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1]


@contextlib.contextmanager
def served(data: Path, environment: dict[str, str]) -> Iterator[str]:
    """`manage.py serve` on the made hub; its address."""
    port = free_port()
    command = [
        sys.executable,
        "manage.py",
        "serve",
        "--data-dir",
        str(data),
        "--port",
        str(port),
        "--no-workers",
    ]
    with (data / "bench-portal.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 120
            while True:
                with (
                    contextlib.suppress(OSError),
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2),
                ):
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"The hub did not come up; see {data / 'bench-portal.log'}")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)


def run(data: Path, database: str, asked: argparse.Namespace, settings: dict[str, str]) -> int:
    """Fill, serve, ask, write; 1 where a goal is missed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "DJANGO_"))}
    environment = kept | settings | {"HUB_DATA_DIR": str(data), "HUB_WEB_PROCESSES": str(WEB_PROCESSES)}
    if not (data / "portal-made").exists():
        sizes = [f"--repos={asked.repos}", f"--events={10 * asked.repos}", f"--likes={10 * asked.repos}"]
        subprocess.run(
            [sys.executable, "-m", "bench.portal_data", *sizes], cwd=ROOT, env=environment, check=True
        )
        (data / "portal-made").touch()
    names = list(json.loads(manage(_NAMES, environment)))[:MEASURED]
    readers = {"anonymous": "", "signed in": f"sessionid={manage(_SESSION, environment)}"}
    rows: list[tuple[str, str, list[float]]] = []
    with served(data, environment) as address:
        for reader, cookie in readers.items():
            for kind in KINDS:
                chance = random.Random(f"{kind}-{reader}")
                paths = [questions(kind, names, chance) for _ in range(WARM_UP + asked.requests)]
                measure(address, paths[:WARM_UP], cookie)
                rows.append((kind, reader, measure(address, paths[WARM_UP:], cookie)))
                print(report(rows[-1:], database, asked.repos).splitlines()[-1], flush=True)
    text = report(rows, database, asked.repos)
    (RESULTS / f"portal-{database}.md").write_text(text)
    print(text)
    return int("✗" in text)


def main() -> int:
    """Measure, and write the page of results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--repos", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=120)
    parser.add_argument("--data", type=Path)
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        data = asked.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tuneyard-portal-")))
        data.mkdir(parents=True, exist_ok=True)
        if not asked.postgres:
            return run(data, "sqlite", asked, {})
        if url := os.environ.get("HUB_DATABASE_URL"):  # a server that is there, with what was made before
            return run(data, "postgres", asked, {"HUB_DATABASE_URL": url})
        from tests.postgres_server import postgres_server

        server = stack.enter_context(postgres_server(durable=True))
        return run(data, "postgres", asked, {"HUB_DATABASE_URL": server.create()})


if __name__ == "__main__":
    sys.exit(main())
