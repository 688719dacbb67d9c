"""A repository's references and all they lead to, into another repository; nothing else comes along."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

TIMEOUT_SECONDS = 900
# Pull requests belong to the place where they were made.
_KINDS = ("heads", "tags", "convert")


class CopyFailed(Exception):
    """Git could not copy; the message is git's own, for the log."""


def copy_refs(source: Path, target: Path) -> None:
    """Fetch branches, tags and conversions of the bare repository `source` into `target`, which git has
    accepted as one. Objects that no reference leads to stay behind. Raises CopyFailed."""
    settings = ("safe.directory=*", "core.hooksPath=/dev/null", "gc.auto=0", "maintenance.auto=false")
    words = [word for setting in settings for word in ("-c", setting)]
    refs = [f"+refs/{kind}/*:refs/{kind}/*" for kind in _KINDS]
    command = ["git", *words, f"--git-dir={target}", "fetch", "--quiet", "--no-tags", "--update-head-ok"]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "HOME": os.devnull,
        "LC_ALL": "C",
    }
    try:
        done = subprocess.run(
            [*command, str(source), *refs],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise CopyFailed(f"git fetch took longer than {TIMEOUT_SECONDS} s") from error
    finally:
        (target / "FETCH_HEAD").unlink(missing_ok=True)
    if done.returncode:
        raise CopyFailed(done.stderr.decode("utf-8", "replace")[-2000:])
