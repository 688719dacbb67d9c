"""The index of a repo's default branch, rebuilt from git: card, tags, lineage, preview, results, search."""

from __future__ import annotations

import re
import uuid
from typing import Any

from django.db import transaction

from models_app import search
from models_app.actions.board_moves import BoardWatch
from models_app.actions.index_reading import RevisionFacts, read_revision
from models_app.content import card_facts
from models_app.content.evals import ResultEntry
from models_app.models import (
    BaseModelEdge,
    Benchmark,
    EvalResult,
    Recipe,
    Repo,
    RepoCard,
    RepoTag,
    RepoType,
)
from models_app.proofs import read_proof
from models_app.storage.gitstore import Entry

MAX_SEARCH_CHARS = 50_000
_SAME_VALUE = 1e-9


def index_revision(repo: Repo, oid: str) -> RepoCard:
    """Rebuild everything the hub knows of the content of `repo` from commit `oid` ("" before the first one).

    The work is bounded, and content that cannot be understood is told in `card.preview["problems"]`; what
    is raised here is the hub's own fault. Running it again with the same oid changes nothing.
    """
    facts = read_revision(repo, oid)
    with transaction.atomic():
        card = _write_card(repo, facts)
        _write_tags(repo, facts)
        _write_lineage(repo, facts)
        _write_benchmark(repo, facts)
        _write_results(repo, facts)
        _write_recipe(repo, facts)
        search.index_repo(repo, card)
    return card


def _write_card(repo: Repo, facts: RevisionFacts) -> RepoCard:
    metadata = facts.card.metadata
    values = {
        "oid": facts.oid,
        "metadata": metadata,
        "siblings": [_sibling(entry) for entry in facts.entries],
        "total_bytes": sum(entry.size for entry in facts.entries),
        "weights_bytes": _weights_bytes(repo, facts),
        "pipeline_tag": facts.pipeline,
        "library_name": facts.library,
        "license": card_facts.first_text(metadata.get("license")),
        "parameters": sum(facts.dtype_counts.values()) if facts.dtype_counts else None,
        "dtype_counts": facts.dtype_counts,
        "summary": facts.summary,
        "html": facts.html,
        "preview": {**facts.preview, "problems": facts.problems},
        "search_text": _search_text(repo, facts),
    }
    card, _ = RepoCard.objects.update_or_create(repo=repo, defaults=values)
    return card


def _weights_bytes(repo: Repo, facts: RevisionFacts) -> int | None:
    if repo.repo_type != RepoType.MODEL:
        return None
    return card_facts.weights_bytes((entry.path, entry.size) for entry in facts.entries)


def _sibling(entry: Entry) -> dict[str, Any]:
    sha256 = entry.pointer.sha256 if entry.pointer else None
    return {"path": entry.path, "size": entry.size, "blob_id": entry.oid, "lfs": sha256}


def _search_text(repo: Repo, facts: RevisionFacts) -> str:
    pretty = card_facts.first_text(facts.card.metadata.get("pretty_name"), 200)
    title = card_facts.first_text(facts.card.metadata.get("title"), 200)  # of spaces
    head = "\n".join([repo.repo_id, pretty, title, " ".join(value for _, value in facts.tags)])
    if facts.recipe is not None and repo.repo_type == RepoType.RECIPE:
        told = facts.recipe
        head = "\n".join([head, told.task, told.strategy, told.base_model, told.dataset])
    return f"{head}\n{facts.card.body}"[:MAX_SEARCH_CHARS]


def _write_tags(repo: Repo, facts: RevisionFacts) -> None:
    wanted = dict.fromkeys(facts.tags)
    stored = set(repo.tag_rows.values_list("kind", "value"))
    if stored != set(wanted):
        repo.tag_rows.all().delete()
        RepoTag.objects.bulk_create(RepoTag(repo=repo, kind=kind, value=value) for kind, value in wanted)


def _write_lineage(repo: Repo, facts: RevisionFacts) -> None:
    repo.base_edges.all().delete()
    if repo.repo_type != RepoType.MODEL:
        return
    for parent_id, relation in facts.base_models:
        parent = Repo.objects.named(RepoType.MODEL, parent_id).first()
        BaseModelEdge.objects.create(child=repo, parent_repo_id=parent_id, parent=parent, relation=relation)
    # Children published before their base model find it now.
    BaseModelEdge.objects.filter(parent=None, parent_repo_id__iexact=repo.repo_id).update(parent=repo)


def _write_benchmark(repo: Repo, facts: RevisionFacts) -> None:
    if repo.repo_type != RepoType.DATASET:
        return
    if facts.benchmark is None:
        Benchmark.objects.filter(repo=repo).delete()
        return
    values = {
        "name": facts.benchmark.name or repo.name,
        "description": facts.benchmark.description,
        "tasks": [task.as_dict() for task in facts.benchmark.tasks],
    }
    benchmark, _ = Benchmark.objects.update_or_create(repo=repo, defaults=values)
    EvalResult.objects.filter(benchmark=None, dataset_id__iexact=repo.repo_id).update(benchmark=benchmark)


def _write_results(repo: Repo, facts: RevisionFacts) -> None:
    if repo.repo_type != RepoType.MODEL:
        repo.eval_results.all().delete()
        return
    names = {entry.dataset_id.lower() for _, entry in facts.results}
    benchmarks = {name: _benchmark_named(name) for name in names}
    entries = [(entry, benchmarks[entry.dataset_id.lower()]) for _, entry in facts.results]
    watch = BoardWatch.begin(repo, [(board, entry.task_id) for entry, board in entries if board is not None])
    repo.eval_results.all().delete()
    EvalResult.objects.bulk_create(
        _result(repo, filename, entry, benchmarks[entry.dataset_id.lower()])
        for filename, entry in facts.results
    )
    watch.end()


def _write_recipe(repo: Repo, facts: RevisionFacts) -> None:
    """Where it was forked from is not in git: the row is changed, not made anew."""
    found = facts.recipe
    if found is None:
        Recipe.objects.filter(repo=repo).delete()
        return
    values = {
        "oid": facts.oid,
        "title": _title(repo, facts),
        "base_model": found.base_model,
        "dataset": found.dataset,
        "pipeline_tag": found.task[:64],
        "strategy": found.strategy[:40],
        "spec": found.spec,
        "fingerprint": found.fingerprint,
        "is_valid": found.is_valid,
        "problems": found.problems,
    }
    Recipe.objects.update_or_create(repo=repo, defaults=values)


def _title(repo: Repo, facts: RevisionFacts) -> str:
    """As the card says it, in its metadata or its first heading; else the repo's name in words."""
    told = card_facts.first_text(facts.card.metadata.get("title"), 200)
    if not told:
        heading = re.match(r"\s*#\s+(.+)", facts.card.body)
        told = heading[1].strip().strip("#").strip() if heading else ""
    return (told or repo.name)[:200]


def _benchmark_named(dataset_id: str) -> Benchmark | None:
    return Benchmark.objects.filter(repo__in=Repo.objects.named(RepoType.DATASET, dataset_id)).first()


def _result(repo: Repo, filename: str, entry: ResultEntry, benchmark: Benchmark | None) -> EvalResult:
    proof = proven(repo, entry)
    return EvalResult(
        repo=repo,
        filename=filename[:255],
        dataset_id=entry.dataset_id,
        benchmark=benchmark,
        task_id=entry.task_id,
        dataset_revision=entry.revision,
        value=entry.value,
        count=proof["count"] if proof else None,
        low=proof["low"] if proof else None,
        high=proof["high"] if proof else None,
        date=entry.date,
        source=entry.source,
        notes=entry.notes,
        verified=proof is not None,
        run_uuid=proof["run"] if proof else None,
    )


def proven(repo: Repo, entry: ResultEntry) -> dict[str, Any] | None:
    """`{"run": UUID, "count", "low", "high"}`, numbers or None, if this hub signed exactly this number for
    exactly this repo."""
    claims = read_proof(entry.verify_token)
    if claims is None or claims.get("repo") != str(repo.uuid):
        return None
    if str(claims.get("dataset", "")).lower() != entry.dataset_id.lower():
        return None
    if (
        not entry.revision
        or claims.get("revision") != entry.revision
        or claims.get("task_id") != entry.task_id
    ):
        return None
    try:
        if not abs(float(claims["value"]) - entry.value) <= _SAME_VALUE:
            return None
        low, high = claims.get("interval") or (None, None)
        return {"run": uuid.UUID(claims["run"]), "count": claims.get("count"), "low": low, "high": high}
    except (KeyError, TypeError, ValueError):
        return None
