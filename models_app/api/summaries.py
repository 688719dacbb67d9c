"""A repo as the wire's JSON, the same in lists and in its own info (hf-wire sections 4 and 5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from models_app.api.expand import BRIEF, FULL, INFO, UNKNOWN_HERE, check_expand
from models_app.api.facts import Facts
from models_app.api.wire import wire_time
from models_app.content.model_config import loader_of
from models_app.model_configs import config_of
from models_app.models import EvalResult, Repo, RepoCard, RepoType
from models_app.models.index import tag_text
from models_app.storage.lfs import Pointer, format_pointer

Maker = Callable[[Repo, RepoCard | None, Facts], Any]
NO_FACTS = Facts()
# Spaces are stored, not run; of the stages that clients know, this one says so and ends all waiting.
RUNTIME: dict[str, Any] = {
    "stage": "STOPPED",
    "hardware": {"current": None, "requested": None},
    "storage": None,
    "gcTimeout": None,
    "replicas": {"current": 0, "requested": 0},
}
_KINDLESS = ("language",)  # a model's languages are plain tags on the wire, a dataset's are not
_SPACE_USES = ("model", "dataset")  # what a space makes use of, properties of their own on the wire


def info_properties(repo_type: str, expand: Collection[str]) -> Collection[str]:
    """What `GET /api/{T}/{id}` tells: what `expand` names, or all; WireError 400 for an unknown name."""
    check_expand(repo_type, expand)
    return expand or INFO[repo_type]


def list_properties(
    repo_type: str, *, full: bool, card_data: bool, config: bool, uses: bool
) -> Collection[str]:
    """What an item of `GET /api/{T}` tells by these flags; `uses`: a space's models, datasets."""
    wanted = [*(FULL if full else BRIEF)[repo_type]]
    wanted += ["models", "datasets"] * (uses and repo_type == RepoType.SPACE)
    return [*wanted, *["cardData"] * card_data, *["config"] * (config and repo_type == RepoType.MODEL)]


def summary_json(repo: Repo, properties: Collection[str], facts: Facts = NO_FACTS) -> dict[str, Any]:
    """`_id`, `id` and the named properties that this repo has; `facts` were gathered for them."""
    card = getattr(repo, "card", None)
    found: dict[str, Any] = {"_id": repo.uuid.hex[:24], "id": repo.repo_id}
    if repo.repo_type == RepoType.MODEL:
        found["modelId"] = repo.repo_id
    for name in properties:
        value = _PROPERTIES[name](repo, card, facts)
        if value is not None:
            found[name] = value
    return found


def siblings_json(card: RepoCard | None) -> list[dict[str, Any]]:
    """The files of the default branch by name."""
    return [{"rfilename": item["path"]} for item in card.siblings] if card else []


def siblings_with_blobs_json(card: RepoCard) -> list[dict[str, Any]]:
    """The files with sizes and ids; here the wire spells a large file's id `sha256` (in trees: `oid`)."""
    found = []
    for item in card.siblings:
        sibling = {"rfilename": item["path"], "size": item["size"], "blobId": item["blob_id"]}
        if item["lfs"]:
            pointer_size = len(format_pointer(Pointer(item["lfs"], item["size"])))
            sibling["lfs"] = {"sha256": item["lfs"], "size": item["size"], "pointerSize": pointer_size}
        found.append(sibling)
    return found


def tags_json(repo: Repo, facts: Facts) -> list[str]:
    """The tags as this repo type spells them."""
    plain = _KINDLESS if repo.repo_type == RepoType.MODEL else ()
    hidden = _SPACE_USES if repo.repo_type == RepoType.SPACE else ()
    rows = facts.tags.get(repo.pk, ())
    return [value if kind in plain else tag_text(kind, value) for kind, value in rows if kind not in hidden]


def _card_data(repo: Repo, card: RepoCard | None, facts: Facts) -> dict[str, Any]:
    return card.metadata if card else {}


def _safetensors(repo: Repo, card: RepoCard | None, facts: Facts) -> dict[str, Any] | None:
    if card is None or not card.dtype_counts:
        return None
    return {"parameters": card.dtype_counts, "total": card.parameters}


def _transformers_info(repo: Repo, card: RepoCard | None, facts: Facts) -> dict[str, Any] | None:
    if card is None or card.library_name != "transformers":
        return None
    return {"auto_model": loader_of(config_of(repo)), "pipeline_tag": card.pipeline_tag or None}


def _eval_results(repo: Repo, card: RepoCard | None, facts: Facts) -> list[dict[str, Any]]:
    return [result_json(result) for result in facts.results.get(repo.pk, ())]


def result_json(result: EvalResult) -> dict[str, Any]:
    """One entry as `.eval_results` spells it, inside the wrapper that `model_info` parses."""
    dataset = {"id": result.dataset_id, "task_id": result.task_id}
    if result.dataset_revision:
        dataset["revision"] = result.dataset_revision
    data: dict[str, Any] = {"dataset": dataset, "value": result.value}
    if result.date:
        data["date"] = result.date.isoformat()
    if result.source.get("url"):
        data["source"] = result.source
    if result.notes:
        data["notes"] = result.notes
    return {"filename": result.filename, "verified": result.verified, "data": data}


def _base_models(repo: Repo, card: RepoCard | None, facts: Facts) -> dict[str, Any] | None:
    bases = facts.bases.get(repo.pk)
    if not bases:
        return None
    return {"relation": bases[0][0], "models": [{"id": name} for _relation, name in bases]}


def sdk_of(card: RepoCard | None) -> str | None:
    """The `sdk` of a space's card."""
    sdk = card.metadata.get("sdk") if card else None
    return sdk if isinstance(sdk, str) else None


def _used(of_kind: str) -> Maker:
    """The models or datasets that a space's card names."""
    return lambda repo, card, facts: [value for kind, value in facts.tags.get(repo.pk, ()) if kind == of_kind]


def _subdomain(repo: Repo, card: RepoCard | None, facts: Facts) -> str:
    return re.sub(r"[^a-z0-9]+", "-", repo.repo_id.lower()).strip("-")


def _gated(repo: Repo, card: RepoCard | None, facts: Facts) -> str | bool:
    return False if repo.gated == "false" else repo.gated


_PROPERTIES: dict[str, Maker] = {
    "author": lambda repo, card, facts: repo.namespace.name,
    "baseModels": _base_models,
    "cardData": _card_data,
    "childrenModelCount": lambda repo, card, facts: facts.children.get(repo.pk, 0),
    "config": lambda repo, card, facts: config_of(repo),
    "createdAt": lambda repo, card, facts: wire_time(repo.created_at),
    "datasets": _used("dataset"),
    "description": lambda repo, card, facts: card.summary if card else "",
    "disabled": lambda repo, card, facts: repo.disabled_at is not None,
    "downloads": lambda repo, card, facts: repo.downloads_30d,
    "downloadsAllTime": lambda repo, card, facts: repo.downloads_all_time,
    "evalResults": _eval_results,
    "gated": _gated,
    "lastModified": lambda repo, card, facts: wire_time(repo.last_modified),
    "library_name": lambda repo, card, facts: (card.library_name or None) if card else None,
    "likes": lambda repo, card, facts: repo.likes_count,
    "model-index": lambda repo, card, facts: card.metadata.get("model-index") if card else None,
    "models": _used("model"),
    "pipeline_tag": lambda repo, card, facts: (card.pipeline_tag or None) if card else None,
    "private": lambda repo, card, facts: repo.private,
    "runtime": lambda repo, card, facts: RUNTIME,
    "safetensors": _safetensors,
    "sdk": lambda repo, card, facts: sdk_of(card),
    "sha": lambda repo, card, facts: repo.head_oid or None,
    "siblings": lambda repo, card, facts: siblings_json(card),
    "spaces": lambda repo, card, facts: facts.spaces.get(repo.pk, []),
    "subdomain": _subdomain,
    "tags": lambda repo, card, facts: tags_json(repo, facts),
    "transformersInfo": _transformers_info,
    "trendingScore": lambda repo, card, facts: repo.trending_score,
    "usedStorage": lambda repo, card, facts: card.total_bytes if card else 0,
    "xetEnabled": lambda repo, card, facts: True,  # clients of 0.x ask before they upload a large folder
}
_PROPERTIES |= dict.fromkeys(UNKNOWN_HERE, lambda repo, card, facts: None)
