"""Names of a data set's columns, to be suggested: from the head of one of its files, never a whole one."""

from __future__ import annotations

import csv
import io
import json
import logging
from functools import lru_cache
from itertools import islice
from typing import BinaryIO

from accounts.actor import Actor
from models_app.access import may_read_content
from models_app.content.previews import split_of
from models_app.content.yaml_text import storable_text
from models_app.files import git_store, large_file_of, open_large_file
from models_app.models import Repo
from models_app.storage.gitstore import Entry

logger = logging.getLogger(__name__)
MAX_ENTRIES = 2000
MAX_COLUMNS = 300
MAX_NAME = 100
HEAD_BYTES = 256 * 1024
ENDINGS = (".parquet", ".csv", ".tsv", ".jsonl")


def columns_of(actor: Actor, repo: Repo) -> list[str]:
    """In the file's own order; empty where nothing can be told, or the actor may not read the files."""
    if not repo.head_oid or not may_read_content(actor, repo):
        return []
    return list(_columns_at(repo.pk, repo.head_oid))


@lru_cache(maxsize=1024)
def _columns_at(repo_pk: int, oid: str) -> tuple[str, ...]:
    repo = Repo.objects.select_related("namespace").get(pk=repo_pk)
    entries = islice(git_store(repo).files(oid), MAX_ENTRIES)
    tables = [entry for entry in entries if entry.path.endswith(ENDINGS)]
    tables.sort(key=lambda entry: (split_of(entry.path) != "train", ENDINGS.index(_ending(entry.path))))
    try:
        found = _read(repo, tables[0]) if tables else []
    except Exception:  # a stranger's file: whatever it does to a reader, there is nothing to suggest
        logger.info("no columns of %s could be read", repo.repo_id, exc_info=True)
        found = []
    return tuple(storable_text(name[:MAX_NAME]) for name in found[:MAX_COLUMNS])


def _read(repo: Repo, entry: Entry) -> list[str]:
    with _open(repo, entry) as file:
        if entry.path.endswith(".parquet"):
            from pyarrow import parquet

            return [str(name) for name in parquet.read_schema(file).names]
        head = file.read(HEAD_BYTES).decode("utf-8-sig", "replace")
    first = head.partition("\n")[0]
    if entry.path.endswith(".jsonl"):
        row = json.loads(first)
        return [str(name) for name in row] if isinstance(row, dict) else []
    delimiter = "\t" if entry.path.endswith(".tsv") else ","
    return next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), [])


def _open(repo: Repo, entry: Entry) -> BinaryIO:
    if entry.pointer is None:
        return io.BytesIO(git_store(repo).blob(entry.oid))
    stored = large_file_of(repo, entry.pointer)
    if stored is None:
        raise FileNotFoundError(entry.path)
    return open_large_file(stored)


def _ending(path: str) -> str:
    return next(ending for ending in ENDINGS if path.endswith(ending))
