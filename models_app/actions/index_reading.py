"""What one commit says, read from its files into plain data: nothing is written, no file is trusted."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO
from urllib.parse import quote

from django.db import DatabaseError

from models_app.content import card_facts, evals, markdown, previews
from models_app.content.cards import MAX_CARD_CHARS, Card, parse_card
from models_app.content.parquet_preview import preview_parquet
from models_app.content.recipes import (
    MAX_RECIPE_BYTES,
    RECIPE_FILE,
    RecipeFacts,
    missing_recipe,
    read_recipe,
)
from models_app.content.safetensors import (
    MAX_HEADER_BYTES,
    BadSafetensors,
    count_parameters,
    weight_files,
)
from models_app.files import git_store, large_file_of, open_large_file
from models_app.models import Repo, RepoType
from models_app.storage.errors import EntryNotFound
from models_app.storage.gitstore import Entry

logger = logging.getLogger(__name__)
MAX_SIBLINGS = 50_000
MAX_RESULT_FILES = 100
MAX_RESULT_BYTES = 256 * 1024  # of one file, and of all files of a repo together
MAX_RESULTS = 1000
MAX_CONFIG_BYTES = 1024 * 1024
MAX_PROBLEMS = 50


@dataclass
class RevisionFacts:
    """Everything the index keeps of one commit of one repo."""

    oid: str
    card: Card = field(default_factory=lambda: Card({}, ""))
    entries: list[Entry] = field(default_factory=list)
    library: str = ""
    pipeline: str = ""
    tags: list[tuple[str, str]] = field(default_factory=list)
    base_models: list[tuple[str, str]] = field(default_factory=list)
    dtype_counts: dict[str, int] = field(default_factory=dict)
    summary: str = ""
    html: str = ""
    preview: dict[str, Any] = field(default_factory=dict)
    benchmark: evals.BenchmarkSpec | None = None
    results: list[tuple[str, evals.ResultEntry]] = field(default_factory=list)
    recipe: RecipeFacts | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [entry.path for entry in self.entries]


def read_revision(repo: Repo, oid: str) -> RevisionFacts:
    """The facts of commit `oid` (empty: no commits yet). Raises only when the hub itself is at fault."""
    reader = _Reader(repo, oid)
    if oid:
        reader.read_listing()
        reader.read_card()
        reader.read_weights()
        reader.read_evaluations()
        if repo.repo_type in (RepoType.RECIPE, RepoType.MODEL):
            reader.read_recipe()
        if repo.repo_type == RepoType.DATASET:
            reader.read_preview()
    facts = reader.facts
    facts.problems = list(dict.fromkeys([*facts.card.problems, *facts.problems]))[:MAX_PROBLEMS]
    return facts


class _Reader:
    """One pass over a commit; each step leaves what it could not read in `facts.problems`."""

    def __init__(self, repo: Repo, oid: str) -> None:
        self.repo, self.facts = repo, RevisionFacts(oid)

    @cached_property
    def store(self) -> Any:
        return git_store(self.repo)

    @contextmanager
    def _surviving(self, what: str) -> Iterator[None]:
        """A file must never keep its commit from being indexed; what it did is logged and told."""
        try:
            yield
        except DatabaseError:
            raise
        except Exception:
            logger.exception("indexing %s of %s at %s failed", what, self.repo, self.facts.oid)
            self.facts.problems.append(f"The {what} could not be read.")

    def read_listing(self) -> None:
        """The files of the commit, at most 50,000."""
        for entry in self.store.files(self.facts.oid):
            if len(self.facts.entries) == MAX_SIBLINGS:
                self.facts.problems.append(f"Only the first {MAX_SIBLINGS:,} files are listed.")
                return
            self.facts.entries.append(entry)

    def read_card(self) -> None:
        """README.md with its metadata, and what metadata and file names say together."""
        facts, repo_type = self.facts, self.repo.repo_type
        with self._surviving("card"):
            if (text := self._text("README.md", MAX_CARD_CHARS)) is not None:
                facts.card = parse_card(text)
                facts.html = markdown.render_markdown(
                    facts.card.body, self.repo.get_absolute_url(), self.repo.default_branch
                )
                facts.summary = markdown.summary_of(facts.card.body)
        with self._surviving("metadata"):
            metadata, paths = facts.card.metadata, facts.paths
            facts.library = card_facts.library_of(metadata, paths, self._config())
            facts.pipeline = card_facts.pipeline_of(metadata, repo_type)
            if repo_type == RepoType.MODEL:
                facts.base_models = card_facts.base_models_of(metadata, paths)
            facts.tags = card_facts.tags_of(
                metadata, facts.card.body, repo_type, paths, library=facts.library, pipeline=facts.pipeline
            )

    def _config(self) -> dict[str, Any]:
        is_model = self.repo.repo_type == RepoType.MODEL
        text = self._text("config.json", MAX_CONFIG_BYTES) if is_model else None
        if text is None:
            return {}
        try:
            config = json.loads(text)
        except (ValueError, RecursionError):
            self.facts.problems.append("config.json is not valid JSON.")
            return {}
        return config if isinstance(config, dict) else {}

    def read_weights(self) -> None:
        """Parameters by dtype, from the headers of the safetensors files at the top; all of them or none."""
        counts: dict[str, int] = {}
        left = MAX_HEADER_BYTES  # for all shards together: this runs inside a commit
        for path in weight_files(self.facts.paths):
            found: dict[str, int] | None = None
            with self._surviving(f"header of {path}"), self._open(self._entries[path]) as file:
                try:
                    found = count_parameters(file, self._entries[path].size, left)
                except BadSafetensors as refusal:
                    self.facts.problems.append(f"{path}: {refusal}")
                left = max(left - file.tell(), 0)
            if found is None:
                return
            for dtype, number in found.items():
                counts[dtype] = counts.get(dtype, 0) + number
        self.facts.dtype_counts = counts

    def read_evaluations(self) -> None:
        """`eval.yaml` of a dataset, `.eval_results/*.yaml` of a model."""
        facts = self.facts
        if self.repo.repo_type == RepoType.DATASET:
            with self._surviving("file eval.yaml"):
                if (text := self._text("eval.yaml", MAX_RESULT_BYTES)) is not None:
                    facts.benchmark, problems = evals.parse_benchmark(text)
                    facts.problems += problems
            return
        names = [path for path in facts.paths if _is_result_file(path)]
        if len(names) > MAX_RESULT_FILES:
            facts.problems.append(f"Only the first {MAX_RESULT_FILES} result files are used.")
        left = MAX_RESULT_BYTES
        for name in names[:MAX_RESULT_FILES]:
            with self._surviving(f"file {name}"):
                text = self._text(name, left)
                if text is not None:
                    left -= self._entries[name].size
                    self._add_results(name, text)

    def _add_results(self, name: str, text: str) -> None:
        facts = self.facts
        entries, problems = evals.parse_results(text)
        room = MAX_RESULTS - len(facts.results)
        facts.results += [(name, entry) for entry in entries[:room]]
        facts.problems += [f"{name}: {problem}" for problem in problems]
        if len(entries) > room:
            facts.problems.append(f"Only the first {MAX_RESULTS} results are used.")

    def read_recipe(self) -> None:
        """`recipe.yaml`: of a recipe repo the recipe itself, of a model the one that made it."""
        facts, is_recipe = self.facts, self.repo.repo_type == RepoType.RECIPE
        facts.recipe = missing_recipe() if is_recipe else None
        if RECIPE_FILE not in self._entries:
            return
        with self._surviving(f"file {RECIPE_FILE}"):
            text = self._text(RECIPE_FILE, MAX_RECIPE_BYTES)
            large = RecipeFacts(problems=[{"field": "", "message": "The recipe is larger than 64 KiB."}])
            facts.recipe = large if text is None else read_recipe(text)
            if is_recipe and not facts.pipeline:
                facts.pipeline = facts.recipe.task

    def read_preview(self) -> None:
        """Parquet first, then tables naming images, then folders of images."""
        facts, metadata = self.facts, self.facts.card.metadata
        with self._surviving("preview"):
            found = None
            parquet = [entry for entry in facts.entries if entry.path.endswith(".parquet")]
            if parquet:
                found = preview_parquet([(entry.path, self._opener(entry)) for entry in parquet], metadata)
            if found is None and (tables := self._tables()):
                found = previews.preview_tables(tables, facts.paths, self._url)
            facts.preview = found or previews.preview_folders(facts.paths, self._url) or {}
            facts.problems += facts.preview.pop("problems", [])

    def _tables(self) -> list[tuple[str, bytes]]:
        names = [path for path in self.facts.paths if path.rsplit("/", 1)[-1] == "metadata.csv"][:10]
        left = previews.MAX_TABLE_BYTES  # for all of them together: they are in memory at once
        found: list[tuple[str, bytes]] = []
        for name in names:
            content = self._bytes(name, left)
            if content is not None:
                left -= len(content)
                found.append((name, content))
        return found

    def _url(self, path: str) -> str:
        return f"{self.repo.get_absolute_url()}/resolve/{self.facts.oid}/{quote(path)}"

    # --- files

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        return {entry.path: entry for entry in self.facts.entries}

    def _text(self, path: str, limit: int) -> str | None:
        content = self._bytes(path, limit)
        return None if content is None else content.decode("utf-8", "replace")

    def _bytes(self, path: str, limit: int) -> bytes | None:
        """The file's content; None when there is none, or it is larger than `limit` (which is told)."""
        entry = self._entries.get(path)
        if entry is None:
            return None
        if entry.size > limit:
            self.facts.problems.append(f"{path} is larger than {limit // 1024:,} KiB and was not read.")
            return None
        with self._open(entry) as file:
            return file.read(limit)

    def _opener(self, entry: Entry) -> Callable[[], BinaryIO]:
        return lambda: self._open(entry)

    def _open(self, entry: Entry) -> BinaryIO:
        if entry.pointer is None:
            return io.BytesIO(self.store.blob(entry.oid))
        large_file = large_file_of(self.repo, entry.pointer)
        if large_file is None:
            raise EntryNotFound(f"the content of {entry.path} is not stored here", self.facts.oid)
        return open_large_file(large_file)


def _is_result_file(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return folder == ".eval_results" and name.endswith((".yaml", ".yml"))
