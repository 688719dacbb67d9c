"""A repo of alice's, and uploads into it through the actions as the wire would make them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from django.conf import settings

from accounts.actor import Actor
from accounts.models import Namespace, User
from models_app.actions.xet import register_shard, store_xorb
from models_app.files import stream_large_file
from models_app.models import LargeFile, Repo
from tests.models_app.storage.xet_samples import cut, make_shard, make_xorb


def make_repo(user: User, name: str = "weights", **fields: object) -> Repo:
    """A repo row; the xorb store needs no git."""
    return Repo.objects.create(
        repo_type="model", namespace=Namespace.objects.get(user=user), name=name, **fields
    )


def send_xorb(user: User, chunks: list[bytes]) -> tuple[str, bool]:
    """Hash string, and whether the hub said that it was new."""
    name, body = make_xorb(chunks)
    return name, store_xorb(Actor(user), hash_hex=name, body=io.BytesIO(body), length=len(body))


def send_shard(user: User, repo: Repo, shard: bytes) -> int:
    """What `register_shard` says."""
    return register_shard(Actor(user), repo=repo, body=io.BytesIO(shard), length=len(shard))


def upload(user: User, repo: Repo, data: bytes) -> LargeFile:
    """The whole Xet road for a file that fits one xorb."""
    chunks = cut(data)
    name, _ = send_xorb(user, chunks)
    sha256 = hashlib.sha256(data).hexdigest()
    send_shard(user, repo, make_shard(chunks, name, sha256))
    return LargeFile.objects.get(sha256=sha256)


def content(file: LargeFile) -> bytes:
    """All of it, as served."""
    return b"".join(stream_large_file(file, 0, file.size))


def stored_files() -> dict[str, int]:
    """Names and sizes of the xorb files on disk."""
    root = Path(settings.HUB_XORBS_DIR)
    return {path.name: path.stat().st_size for path in root.glob("??/??/*")}


def temporary_files() -> list[Path]:
    """What unfinished uploads have left."""
    folder = Path(settings.HUB_TMP_DIR)
    return list(folder.iterdir()) if folder.exists() else []
