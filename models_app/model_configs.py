"""The configuration that a model's own files give it, read once for each commit."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from models_app.content.model_config import summary_of
from models_app.files import git_store
from models_app.models import Repo
from models_app.storage.gitstore import GitStore

MAX_BYTES = 1024**2


def config_of(repo: Repo) -> dict[str, Any]:
    """What `config.json` on the default branch says; empty where there is none, or no ordinary one."""
    return _config_at(git_store(repo).path, repo.head_oid) if repo.head_oid else {}


@lru_cache(maxsize=4096)
def _config_at(path: Path, oid: str) -> dict[str, Any]:
    store = GitStore(path)
    entry = store.entry(oid, "config.json")
    if entry is None or not entry.is_file or entry.pointer or entry.size > MAX_BYTES:
        return {}
    return summary_of(store.blob(entry.oid))
