"""Tables, one file a noun."""

from __future__ import annotations

from models_app.models.content import Chunk, FileTerm, LargeFile, RepoFile, Xorb
from models_app.models.event import Event, EventTag
from models_app.models.index import BaseModelEdge, Benchmark, EvalResult, RepoCard, RepoTag
from models_app.models.repo import Repo, RepoQuerySet, RepoType

__all__ = [
    "BaseModelEdge",
    "Benchmark",
    "Chunk",
    "EvalResult",
    "Event",
    "EventTag",
    "FileTerm",
    "LargeFile",
    "Repo",
    "RepoCard",
    "RepoFile",
    "RepoQuerySet",
    "RepoTag",
    "RepoType",
    "Xorb",
]
