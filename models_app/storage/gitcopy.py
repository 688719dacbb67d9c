"""A repository's references and all they lead to, into another repository; nothing else comes along."""

from __future__ import annotations

import subprocess
from pathlib import Path

from models_app.storage import gitprocess

TIMEOUT_SECONDS = 900
# Pull requests belong to the place where they were made.
_KINDS = ("heads", "tags", "convert")


class CopyFailed(Exception):
    """Git could not copy; the message is git's own, for the log."""


def copy_refs(source: Path, target: Path) -> None:
    """Fetch branches, tags and conversions of the bare repository `source` into `target`, which git has
    accepted as one. Objects that no reference leads to stay behind. Raises CopyFailed."""
    refs = [f"+refs/{kind}/*:refs/{kind}/*" for kind in _KINDS]
    words = ("fetch", "--quiet", "--no-tags", "--update-head-ok", str(source), *refs)
    try:
        done = gitprocess.run(target, *words, seconds=TIMEOUT_SECONDS, settings=("maintenance.auto=false",))
    except subprocess.TimeoutExpired as error:
        raise CopyFailed(f"git fetch took longer than {TIMEOUT_SECONDS} s") from error
    finally:
        (target / "FETCH_HEAD").unlink(missing_ok=True)
    if done.returncode:
        raise CopyFailed(done.stderr.decode("utf-8", "replace")[-2000:])
