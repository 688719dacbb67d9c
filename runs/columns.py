"""Names of a data set's columns, to be suggested and checked: from the head of a file, never a whole one."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
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
# Whatever a split may be read from instead of Parquet; see training/splits.py and training/text/conll.py.
_KINDS = ("csv", "jsonl", "json", "conll", "bio", "iob", "tsv", "txt")
_ANY = re.compile(r"[^/]+\.parquet")


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
    found = (_read_safely(repo, tables[0]) if tables else None) or []
    return tuple(storable_text(name[:MAX_NAME]) for name in found[:MAX_COLUMNS])


@dataclass(frozen=True)
class SplitColumns:
    """Every column of the file that a split is read from, by its path."""

    path: str
    names: tuple[str, ...]


@lru_cache(maxsize=1024)
def split_columns(repo_pk: int, oid: str, split: str) -> SplitColumns | None:
    """The columns of a split at a commit; None unless it is plain which file is read and what is in it.

    The files are looked for where the engine does (`training/splits.py`). Whoever asks has been let in.
    """
    repo = Repo.objects.select_related("namespace").get(pk=repo_pk)
    entries = list(islice(git_store(repo).files(oid), MAX_ENTRIES + 1))
    if len(entries) > MAX_ENTRIES:
        return None  # what matters may be among the rest
    entry = _file_of(split, entries)
    found = _read_safely(repo, entry, whole=True) if entry is not None else None
    return SplitColumns(entry.path, tuple(map(storable_text, found))) if entry is not None and found else None


def _file_of(split: str, entries: Sequence[Entry]) -> Entry | None:
    """The first Parquet shard; else the one table, where no other file could be meant."""
    by_path = {entry.path: entry for entry in entries}
    shard = re.compile(rf"{re.escape(split)}(-\d+-of-\d+|[-_.]\w+)?\.parquet")
    for folder, named in (("data/", shard), ("", shard), (f"{split}/", _ANY), (f"data/{split}/", _ANY)):
        names = (path.removeprefix(folder) for path in by_path if path.startswith(folder))
        shards = sorted(name for name in names if named.fullmatch(name))
        if shards:
            return by_path[folder + shards[0]]
    stems = (f"{split}/metadata", f"data/{split}/metadata", split, f"data/{split}")
    tables = [path for stem in stems for kind in _KINDS if (path := f"{stem}.{kind}") in by_path]
    is_plain = len(tables) == 1 and tables[0].endswith((".csv", ".jsonl"))
    return by_path[tables[0]] if is_plain else None


def _read_safely(repo: Repo, entry: Entry, *, whole: bool = False) -> list[str] | None:
    try:
        return _read(repo, entry, whole)
    except Exception:  # a stranger's file: whatever it does to a reader, there is nothing to tell
        logger.info("no columns of %s could be read", repo.repo_id, exc_info=True)
        return None


def _read(repo: Repo, entry: Entry, whole: bool) -> list[str] | None:
    """Names in the file's order. `whole`: all of them, or None where the head of the file does not tell."""
    with _open(repo, entry) as file:
        if entry.path.endswith(".parquet"):
            from pyarrow import parquet

            return [str(name) for name in parquet.read_schema(file).names]
        raw = file.read(HEAD_BYTES)
    head, is_cut = raw.decode("utf-8-sig", "replace"), len(raw) == HEAD_BYTES
    first = head.partition("\n")[0]
    if entry.path.endswith(".jsonl") and whole:
        return None if is_cut else _keys(head)
    if entry.path.endswith(".jsonl"):
        row = json.loads(first)
        return [str(name) for name in row] if isinstance(row, dict) else []
    if whole and is_cut and "\n" not in head:
        return None
    delimiter = "\t" if entry.path.endswith(".tsv") else ","
    return next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), [])


def _keys(lines: str) -> list[str] | None:
    """What any of the objects has."""
    rows = [json.loads(line) for line in lines.split("\n") if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        return None
    return list(dict.fromkeys(str(name) for row in rows for name in row))


def _open(repo: Repo, entry: Entry) -> BinaryIO:
    if entry.pointer is None:
        return io.BytesIO(git_store(repo).blob(entry.oid))
    stored = large_file_of(repo, entry.pointer)
    if stored is None:
        raise FileNotFoundError(entry.path)
    return open_large_file(stored)


def _ending(path: str) -> str:
    return next(ending for ending in ENDINGS if path.endswith(ending))
