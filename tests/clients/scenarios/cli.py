"""The `hf` command line, as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rows import ENDPOINT, TOKEN, new_id, noise, row, run_rows

HF = str(Path(sys.executable).with_name("hf"))


SIGNED_IN_ALREADY = dict(os.environ)
NO_TOKEN = {name: value for name, value in os.environ.items() if name not in ("HF_TOKEN", "OTHER_TOKEN")}


def hf(*words: str, ok: bool = True, environment: dict[str, str] = SIGNED_IN_ALREADY) -> str:
    done = subprocess.run([HF, *words], capture_output=True, text=True, timeout=180, env=environment)
    assert (done.returncode == 0) == ok, f"hf {' '.join(words[:3])}: {done.stdout[-400:]}{done.stderr[-400:]}"
    return done.stdout


@row("auth login, whoami, logout")
def login() -> None:
    hf("auth", "login", "--token", TOKEN, environment=NO_TOKEN)
    assert "alice" in hf("auth", "whoami", environment=NO_TOKEN)
    hf("auth", "logout", environment=NO_TOKEN)
    hf("auth", "whoami", ok=False, environment=NO_TOKEN)


@row("repos create and delete; upload a folder; download it")
def upload() -> None:
    repo_id = new_id()
    hf("repos", "create", repo_id)
    with tempfile.TemporaryDirectory() as home:
        source, target = Path(home) / "a", Path(home) / "b"
        source.mkdir()
        (source / "weights.bin").write_bytes(noise(1_200_000, 3))
        (source / "notes.txt").write_text("notes")
        hf("upload", repo_id, str(source), ".")
        hf("download", repo_id, "--local-dir", str(target))
        assert (target / "weights.bin").read_bytes() == noise(1_200_000, 3)
        assert (target / "notes.txt").read_text() == "notes"
    hf("repos", "delete", repo_id, "--yes")


@row("repos tag and branch")
def tags() -> None:
    repo_id = new_id()
    hf("repos", "create", repo_id)
    hf("repos", "tag", "create", repo_id, "v1")
    assert "v1" in hf("repos", "tag", "list", repo_id)
    hf("repos", "branch", "create", repo_id, "dev")
    hf("repos", "branch", "delete", repo_id, "dev")


@row("models list and info; datasets list")
def listing() -> None:
    repo_id = new_id()
    hf("repos", "create", repo_id)
    found = hf("models", "ls", "--author", "alice", "--limit", "1000", "--format", "json")
    assert repo_id in {model["id"] for model in json.loads(found)}
    assert repo_id in hf("models", "info", repo_id)
    hf("datasets", "ls", "--limit", "3")


@row("discussions list and create")
def discussions() -> None:
    repo_id = new_id()
    hf("repos", "create", repo_id)
    hf("discussions", "create", repo_id, "--title", "Why?", "--body", "because")
    assert "Why?" in hf("discussions", "list", repo_id)


@row("jobs hardware")
def jobs() -> None:
    assert "cpu" in hf("jobs", "hardware")


@row("env says this hub")
def environment() -> None:
    assert ENDPOINT in hf("env")


if __name__ == "__main__":
    sys.exit(run_rows())
