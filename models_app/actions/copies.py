"""Large files from one repo to another without a byte moved: leave to refer to them is all that is copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from accounts.actor import Actor, Level
from models_app.access import check_repo
from models_app.actions.content import permit_files
from models_app.actions.locking import lock_repo
from models_app.large_files import locked_files
from models_app.models import Repo

MAX_COPIES = 500


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file as its names tell it: SHA-256 and Xet hash, 64 hex digits each."""

    sha256: str
    xet_hash: str


def copy_large_files(
    actor: Actor, *, source: Repo, target: Repo, files: Sequence[WantedFile]
) -> list[WantedFile]:
    """Let `target` refer to these files of `source`, those that are there; returns the others, in order.

    The actor must be able to read the files of the one and write to the other; raises the gate's refusals.
    """
    check_repo(actor, source, Level.READ)
    with transaction.atomic():
        row = lock_repo(actor, target)
        found = _found(source, files)
        permit_files(row, found.values())
    return [file for file in files if file not in found]


def _found(source: Repo, files: Sequence[WantedFile]) -> dict[WantedFile, int]:
    wanted = locked_files(source, sha256__in=[file.sha256 for file in files])
    rows: list[tuple[str, str, int]] = list(wanted.values_list("sha256", "xet_hash", "pk"))
    known = {WantedFile(sha256, xet_hash): pk for sha256, xet_hash, pk in rows}
    return {file: known[file] for file in files if file in known}
