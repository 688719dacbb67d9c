"""Plain git and git-lfs: clone, commit, push, fetch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from rows import ENDPOINT, ME, TOKEN, new_id, noise, row, run_rows

ENVIRONMENT = {
    **os.environ,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_LFS_SKIP_SMUDGE": "0",
}


def create() -> str:
    repo_id = new_id()
    body = json.dumps({"name": repo_id.split("/")[1], "type": "model"}).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    urllib.request.urlopen(
        urllib.request.Request(f"{ENDPOINT}/api/repos/create", body, headers), timeout=30
    ).close()
    return repo_id


def git(*words: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        ["git", *words], capture_output=True, text=True, timeout=180, cwd=cwd, env=ENVIRONMENT
    )
    assert done.returncode == 0, f"git {words[0]}: {done.stdout[-300:]}{done.stderr[-500:]}"
    return done.stdout


def cloned(repo_id: str, home: str, name: str = "work") -> Path:
    place = Path(home) / name
    git("clone", ENDPOINT.replace("://", f"://{ME}:{TOKEN}@") + f"/{repo_id}", str(place))
    git("config", "user.name", ME, cwd=place)
    git("config", "user.email", "alice@example.org", cwd=place)
    git("lfs", "install", "--local", cwd=place)
    return place


@row("clone, commit, push, clone again")
def push() -> None:
    repo_id = create()
    with tempfile.TemporaryDirectory() as home:
        place = cloned(repo_id, home)
        (place / "notes.txt").write_text("by git")
        git("add", ".", cwd=place)
        git("commit", "-m", "Notes", cwd=place)
        git("push", cwd=place)
        assert (cloned(repo_id, home, "again") / "notes.txt").read_text() == "by git"


@row("large files through git-lfs, there and back")
def lfs() -> None:
    repo_id = create()
    with tempfile.TemporaryDirectory() as home:
        place = cloned(repo_id, home)
        (place / "weights.bin").write_bytes(noise(2_000_000, 4))
        git("add", ".", cwd=place)
        git("commit", "-m", "Weights", cwd=place)
        git("push", cwd=place)
        again = cloned(repo_id, home, "again")
        git("lfs", "pull", cwd=again)
        assert (again / "weights.bin").read_bytes() == noise(2_000_000, 4)
    url = f"{ENDPOINT}/{repo_id}/resolve/main/weights.bin"
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == noise(2_000_000, 4)


@row("branches and tags; a shallow clone; fetch after a push by somebody else")
def branches() -> None:
    repo_id = create()
    with tempfile.TemporaryDirectory() as home:
        one, two = cloned(repo_id, home, "one"), cloned(repo_id, home, "two")
        git("checkout", "-b", "dev", cwd=one)
        (one / "x.txt").write_text("x")
        git("add", ".", cwd=one)
        git("commit", "-m", "x", cwd=one)
        git("tag", "v1", cwd=one)
        git("push", "origin", "dev", "v1", cwd=one)
        git("fetch", "--tags", cwd=two)
        assert "origin/dev" in git("branch", "-r", cwd=two)
        git("clone", "--depth", "1", "--branch", "dev", f"{ENDPOINT}/{repo_id}", str(Path(home) / "thin"))


if __name__ == "__main__":
    sys.exit(run_rows())
