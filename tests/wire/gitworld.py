"""The real git and git-lfs as on a machine without any configuration or saved password."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.live import LiveHub


def git(*words: str, cwd: Path | None = None, ok: bool = True, **variables: str) -> str:
    """What git prints; fails unless git succeeds (`ok`) or fails (not `ok`)."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_LFS_SKIP_SMUDGE": "1", "NO_PROXY": "127.0.0.1",
        "GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@example.org",
        "GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@example.org", **variables,
    }  # fmt: skip
    done = subprocess.run(
        ["git", *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def with_token(hub: LiveHub, name: str, path: str) -> str:
    """The address of a repo with this person's token in it."""
    return f"{hub.url.replace('://', f'://{name}:{hub.tokens[name]}@')}/{path}"


def clone(hub: LiveHub, name: str, path: str, folder: Path) -> Path:
    """A working copy of the repo, as this person."""
    git("clone", with_token(hub, name, path), str(folder))
    return folder


def commit(work: Path, message: str, **files: bytes | str) -> str:
    """Write files (`a__b` is `a/b`, `a_txt` is `a.txt`), commit everything, and return the commit's oid."""
    for name, content in files.items():
        path = work / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    git("add", "--all", cwd=work)
    git("commit", "--quiet", "--allow-empty", "-m", message, cwd=work)
    return git("rev-parse", "HEAD", cwd=work).strip()


def use_lfs(work: Path, *patterns: str) -> None:
    """Have git-lfs look after this working copy, and after these files in it."""
    git("lfs", "install", "--local", cwd=work)
    for pattern in patterns:
        git("lfs", "track", pattern, cwd=work)
