"""`python -m tests.property.kills --times 300`: kill the web process at random moments of uploads, and look.

Each round sends files by one road (Xet, LFS, a commit of a few or of many), kills the serving process (every
tenth time its master too) with SIGKILL at a moment drawn from the time the road takes, and checks once it is
back: the branch holds the old files or all of the new ones; every file has its SHA-256; the database and the
repository are sound; and the same upload then works.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.client
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from models_app.storage.gitpack import FEW
from tests.live import ROOT, LiveHub, free_port, hub_environment, wait_until_up
from tests.models_app.storage.xet_samples import cut, make_shard, make_xorb

# A repo is given up for a new one when it has so many files, so that reading all of them stays quick.
FILES_A_REPO = 24
CHECK_ALL_EVERY = 25


class Refused(Exception):
    """The hub answered, and not with a 200."""


class KillableHub(LiveHub):
    """A hub whose master process has everything loaded: a killed worker is replaced within milliseconds."""

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "hub.wsgi", "--bind", f"127.0.0.1:{self.port}"]
        command += ["--preload", "--workers", "1", "--threads", "8"]
        command += ["--worker-class", "hub.patient.PatientWorker"]
        command += ["--log-level", "critical", "--no-control-socket"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        wait_until_up(self.url, self.process, self.log)

    def kill_worker(self) -> None:
        """SIGKILL to the process that serves, and wait for its successor."""
        assert self.process is not None
        pid = self.process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        wait_until_up(self.url, self.process, self.log)

    def kill_all(self) -> None:
        """SIGKILL to master and worker at once, and a new start."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)
        self.start()


@dataclass
class World:
    """One hub, alice's repo in it, and what each of its files must be."""

    hub: KillableHub
    rng: random.Random
    repo_id: str = ""
    files: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, dict[str, str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def call(self, method: str, url: str, body: bytes | None = None, **headers: str) -> bytes:
        """One request on a connection of its own; Refused, or OSError when the hub dies meanwhile."""
        parts = urlsplit(url if url.startswith("http") else self.hub.url + url)
        with closing(http.client.HTTPConnection("127.0.0.1", self.hub.port, timeout=60)) as connection:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        if answer.status >= 300:
            raise Refused(f"{method} {parts.path}: {answer.status} {data[:300]!r}")
        return data

    def ask(self, method: str, path: str, value: Any = None) -> Any:
        """A JSON question as alice."""
        body = None if value is None else json.dumps(value).encode()
        token = f"Bearer {self.hub.tokens['alice']}"
        headers = {"Authorization": token, "Content-Type": "application/json"}
        return json.loads(self.call(method, path, body, **headers) or b"null")

    def new_repo(self) -> None:
        if self.repo_id:
            self.elsewhere[self.repo_id] = self.files
        name = f"k{len(self.elsewhere)}"
        self.ask("POST", "/api/repos/create", {"name": name, "type": "model"})
        self.repo_id, self.files = f"alice/{name}", {}


# --- the roads


def commit_lines(world: World, *lines: dict[str, Any]) -> None:
    rows = [{"key": "header", "value": {"summary": "round"}}, *lines]
    body = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    headers = {
        "Authorization": f"Bearer {world.hub.tokens['alice']}",
        "Content-Type": "application/x-ndjson",
    }
    world.call("POST", f"/api/models/{world.repo_id}/commit/main", body, **headers)


def _large(path: str, data: bytes) -> dict[str, Any]:
    value = {"path": path, "algo": "sha256", "oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return {"key": "lfsFile", "value": value}


def by_xet(world: World, files: dict[str, bytes]) -> None:
    """Xorb, shard for each file; then one commit."""
    answer = world.ask("GET", f"/api/models/{world.repo_id}/xet-write-token/main")
    cas, bearer = answer["casUrl"], {"Authorization": f"Bearer {answer['accessToken']}"}
    for data in files.values():
        chunks = cut(data)
        name, body = make_xorb(chunks)
        world.call("POST", f"{cas}/v1/xorbs/default/{name}", body, **bearer)
        shard = make_shard(chunks, name, hashlib.sha256(data).hexdigest())
        world.call("POST", f"{cas}/v1/shards", shard, **bearer)
    commit_lines(world, *(_large(path, data) for path, data in files.items()))


def by_lfs(world: World, files: dict[str, bytes]) -> None:
    """Batch, PUT of each object, verify; then one commit."""
    objects = [{"oid": hashlib.sha256(data).hexdigest(), "size": len(data)} for data in files.values()]
    asked = {"operation": "upload", "transfers": ["basic"], "objects": objects}
    answer = world.ask("POST", f"/{world.repo_id}.git/info/lfs/objects/batch", asked)
    for told, data in zip(answer["objects"], files.values(), strict=True):
        if "actions" in told:
            world.call("PUT", told["actions"]["upload"]["href"], data)
    commit_lines(world, *(_large(path, data) for path, data in files.items()))


def by_commit(world: World, files: dict[str, bytes]) -> None:
    """Ordinary files in one ndjson body."""
    lines = []
    for path, data in files.items():
        value = {"path": path, "content": base64.b64encode(data).decode(), "encoding": "base64"}
        lines.append({"key": "file", "value": value})
    commit_lines(world, *lines)


@dataclass(frozen=True)
class Road:
    """How to send files, about how many bytes each has, and at most how many there are."""

    send: Callable[[World, dict[str, bytes]], None]
    size: int
    most: int = 3


ROADS = {
    "xet": Road(by_xet, 400_000),
    "lfs": Road(by_lfs, 400_000),
    "commit": Road(by_commit, 150_000),
    # Over so many, files come into git as a pack.
    "many": Road(by_commit, 2_000, 2 * FEW),
}


# --- a round


def draw_files(world: World, road: Road) -> dict[str, bytes]:
    """A few files: new bytes, an old head with a new tail, and now and then a path there is already."""
    files, size = {}, road.size
    for _ in range(world.rng.randint(road.most // 3, road.most)):
        again = world.files and world.rng.random() < 0.3
        path = world.rng.choice(sorted(world.files)) if again else f"f{world.rng.getrandbits(40):x}.bin"
        shared = random.Random(7).randbytes(size // 2) if world.rng.random() < 0.5 else b""
        files[path] = shared + world.rng.randbytes(world.rng.randint(size // 4, size // 2))
    return files


def one_round(world: World, road: str, usual: dict[str, float]) -> None:
    """Send, kill, restart, check, send again."""
    send = ROADS[road].send
    files = draw_files(world, ROADS[road])
    outcome: list[BaseException | None] = []

    def sending() -> None:
        try:
            send(world, files)
            outcome.append(None)
        except (OSError, http.client.HTTPException, Refused) as error:
            outcome.append(error)

    thread = threading.Thread(target=sending)
    thread.start()
    time.sleep(world.rng.uniform(0, usual[road]))
    if world.counts["kills"] % 10 == 9:
        world.hub.kill_all()
    else:
        world.hub.kill_worker()
    thread.join(90)
    assert outcome, "the sender hangs"
    assert not isinstance(outcome[0], Refused), outcome[0]
    is_new = check_state(world, files)
    assert is_new or outcome[0] is not None, "the hub said yes and has forgotten"
    world.counts[f"{road}: {'new' if is_new else 'old'} state"] += 1
    if is_new and outcome[0] is not None:
        world.counts["of these: done, and the client never heard"] += 1
    check_machinery(world)
    send(world, files)
    world.files.update({path: hashlib.sha256(data).hexdigest() for path, data in files.items()})
    check_files(world, world.repo_id, world.files)
    world.counts["kills"] += 1


def check_state(world: World, files: dict[str, bytes]) -> bool:
    """True when the branch holds all of the new files, False when it holds the old ones; nothing between."""
    sent = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    info = world.ask("GET", f"/api/models/{world.repo_id}")
    listed = {row["rfilename"] for row in info["siblings"]}
    refs = world.ask("GET", f"/api/models/{world.repo_id}/refs")
    assert refs["branches"][0]["targetCommit"] == info["sha"]
    new = world.files | sent
    if set(listed) - {".gitattributes"} == set(new):
        first = next(iter(sent))
        is_new = digest(world, world.repo_id, first) == sent[first]
    else:
        is_new = False
    check_files(world, world.repo_id, new if is_new else world.files)
    return is_new


def digest(world: World, repo_id: str, path: str) -> str:
    data = world.call("GET", f"/{repo_id}/resolve/main/{path}")
    world.counts["files read by hash"] += 1
    return hashlib.sha256(data).hexdigest()


def check_files(world: World, repo_id: str, wanted: dict[str, str]) -> None:
    """The tree lists these files and no other, and each has its SHA-256."""
    rows = world.ask("GET", f"/api/models/{repo_id}/tree/main?recursive=true")
    listed = {row["path"] for row in rows} - {".gitattributes"}
    assert listed == set(wanted), (sorted(listed), sorted(wanted))
    for path, sha256 in wanted.items():
        assert digest(world, repo_id, path) == sha256, path


def check_machinery(world: World) -> None:
    """The database is whole and agrees with git; the repository passes git's own check."""
    with closing(sqlite3.connect(world.hub.data_dir / "hub.sqlite3", timeout=30)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    key, head = _row(world)
    folder = world.hub.data_dir / "git" / key[:2] / f"{key}.git"
    branch = _git(folder, "rev-parse", "refs/heads/main").strip()
    if branch != head:
        # Killed between the branch and the end of its transaction: git is the truth, and beat runs this.
        world.hub.manage("shell", "-c", "from models_app.actions.catching_up import catch_up; catch_up()")
        world.counts["of these: the index followed its branch later"] += 1
        assert _row(world) == (key, branch)
    _git(folder, "fsck", "--strict", "--no-dangling", "--no-progress")
    left = [path for path in folder.rglob("*.lock") if path.name != "tidy.lock"]
    if left:
        # The next change of the reference takes it away, ten seconds later.
        world.counts["of these: a lock was left"] += 1
        time.sleep(11)


def _row(world: World) -> tuple[str, str]:
    """The repo's uuid, and where its branch is by the database."""
    name = world.repo_id.partition("/")[2]
    with closing(sqlite3.connect(world.hub.data_dir / "hub.sqlite3", timeout=30)) as database:
        found = database.execute("SELECT uuid, head_oid FROM models_app_repo WHERE name = ?", (name,))
        row: tuple[str, str] = found.fetchone()
    return row


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", f"--git-dir={folder}", *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def measure(world: World) -> dict[str, float]:
    """How long each road takes when nobody dies; and the first files."""
    usual = {}
    for name, road in ROADS.items():
        best = 10.0
        for _ in range(2):
            files = draw_files(world, road)
            began = time.monotonic()
            road.send(world, files)
            best = min(best, time.monotonic() - began)
            world.files.update({path: hashlib.sha256(data).hexdigest() for path, data in files.items()})
        usual[name] = best * 1.3
    return usual


def make_killable(data_dir: Path) -> KillableHub:
    """As tests.live.make_hub."""
    hub = KillableHub(data_dir, free_port())
    hub.environment = hub_environment(data_dir, hub.url)
    hub.provision()
    hub.start()
    return hub


def run(data_dir: Path, times: int, seed: int, say: Callable[[str], None]) -> Counter[str]:
    """So many kills on a hub of its own; what happened, by count. AssertionError tells what broke."""
    world = World(make_killable(data_dir), random.Random(seed))
    try:
        world.new_repo()
        usual = measure(world)
        for number, road in enumerate(_roads(times)):
            if len(world.files) > FILES_A_REPO:
                world.new_repo()
            one_round(world, road, usual)
            if (number + 1) % CHECK_ALL_EVERY == 0:
                for repo_id, files in world.elsewhere.items():
                    check_files(world, repo_id, files)
                say(f"{number + 1} kills")
        return world.counts
    except (AssertionError, Refused):
        say(world.hub.log.read_text(errors="replace")[-5000:])
        raise
    finally:
        world.hub.stop()


def _roads(times: int) -> Iterator[str]:
    names = sorted(ROADS)
    return (names[number % len(names)] for number in range(times))


def main() -> None:
    """Run and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tuneyard-kills-") as folder:
        counts = run(Path(folder), options.times, options.seed, lambda text: print(text, file=sys.stderr))
    for what, count in sorted(counts.items()):
        print(f"{count:>7,} {what}")
    print(f"{time.monotonic() - began:>7,.0f} seconds (seed {options.seed})")


if __name__ == "__main__":
    main()
