"""A repo as the wire's JSON, the same in lists and in its own info (hf-wire sections 4 and 5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from accounts.actor import Actor
from models_app.api.expand import BRIEF, FULL, INFO, UNKNOWN_HERE, check_expand
from models_app.api.wire import wire_time
from models_app.models import BaseModelEdge, EvalResult, Repo, RepoCard, RepoType
from models_app.storage.lfs import Pointer, format_pointer

Maker = Callable[[Repo, RepoCard | None, Actor], Any]
MAX_SPACES = 100
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


def repo_json(
    repo: Repo, actor: Actor, *, expand: Collection[str] | None = None, full: bool = True
) -> dict[str, Any]:
    """A repo's info as of its default branch.

    `full` is `GET /api/{T}/{id}` (siblings with names only); without it the few fields of a list item.
    `expand` gives `_id`, `id` and exactly the properties it names; raises WireError 400 for an unknown one.
    """
    if expand:
        check_expand(repo.repo_type, expand)
        return summary_json(repo, actor, expand)
    return summary_json(repo, actor, (INFO if full else BRIEF)[repo.repo_type])


def list_json(
    repo: Repo, actor: Actor, *, full: bool, card_data: bool, config: bool, uses: bool = False
) -> dict[str, Any]:
    """A list item with what the flags of `GET /api/{T}` ask for; `uses`: a space's models, datasets."""
    wanted = [*(FULL if full else BRIEF)[repo.repo_type]]
    wanted += ["models", "datasets"] * (uses and repo.repo_type == RepoType.SPACE)
    wanted += ["cardData"] * card_data + ["config"] * (config and repo.repo_type == RepoType.MODEL)
    return summary_json(repo, actor, wanted)


def summary_json(repo: Repo, actor: Actor, properties: Collection[str]) -> dict[str, Any]:
    """`_id`, `id` and the named properties that this repo has."""
    card = getattr(repo, "card", None)
    found: dict[str, Any] = {"_id": repo.uuid.hex[:24], "id": repo.repo_id}
    if repo.repo_type == RepoType.MODEL:
        found["modelId"] = repo.repo_id
    for name in dict.fromkeys(properties):
        value = _PROPERTIES[name](repo, card, actor)
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


def tags_json(repo: Repo) -> list[str]:
    """The tags as this repo type spells them."""
    plain = _KINDLESS if repo.repo_type == RepoType.MODEL else ()
    hidden = _SPACE_USES if repo.repo_type == RepoType.SPACE else ()
    rows = sorted(repo.tag_rows.all(), key=lambda tag: tag.pk)  # sorted here: prefetched rows stay prefetched
    return [tag.value if tag.kind in plain else tag.text for tag in rows if tag.kind not in hidden]


def _card_data(repo: Repo, card: RepoCard | None, actor: Actor) -> dict[str, Any]:
    return card.metadata if card else {}


def _safetensors(repo: Repo, card: RepoCard | None, actor: Actor) -> dict[str, Any] | None:
    if card is None or not card.dtype_counts:
        return None
    return {"parameters": card.dtype_counts, "total": card.parameters}


def _transformers_info(repo: Repo, card: RepoCard | None, actor: Actor) -> dict[str, Any] | None:
    if card is None or card.library_name != "transformers":
        return None
    return {"auto_model": "AutoModel", "pipeline_tag": card.pipeline_tag or None}


def _eval_results(repo: Repo, card: RepoCard | None, actor: Actor) -> list[dict[str, Any]]:
    return [result_json(result) for result in sorted(repo.eval_results.all(), key=lambda row: row.pk)]


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


def _base_models(repo: Repo, card: RepoCard | None, actor: Actor) -> dict[str, Any] | None:
    edges = list(repo.base_edges.all())
    if not edges:
        return None
    models = [{"id": edge.parent_repo_id} for edge in edges]
    return {"relation": edges[0].relation, "models": models}


def _children(repo: Repo, card: RepoCard | None, actor: Actor) -> int:
    children = BaseModelEdge.objects.filter(parent=repo, child__in=Repo.objects.visible_to(actor))
    return children.values("child").distinct().count()


def sdk_of(card: RepoCard | None) -> str | None:
    """The `sdk` of a space's card."""
    sdk = card.metadata.get("sdk") if card else None
    return sdk if isinstance(sdk, str) else None


def _used(kind: str) -> Maker:
    """The models or datasets that a space's card names."""
    return lambda repo, card, actor: [tag.value for tag in repo.tag_rows.all() if tag.kind == kind]


def _spaces_of(repo: Repo, card: RepoCard | None, actor: Actor) -> list[str]:
    """The spaces whose cards name this model, as far as the actor may see them."""
    spaces = Repo.objects.visible_to(actor).of_type(RepoType.SPACE).select_related("namespace")
    using = spaces.filter(tag_rows__kind="model", tag_rows__value__iexact=repo.repo_id)
    return [space.repo_id for space in using.order_by("-trending_score", "-pk")[:MAX_SPACES]]


def _subdomain(repo: Repo, card: RepoCard | None, actor: Actor) -> str:
    return re.sub(r"[^a-z0-9]+", "-", repo.repo_id.lower()).strip("-")


def _gated(repo: Repo, card: RepoCard | None, actor: Actor) -> str | bool:
    return False if repo.gated == "false" else repo.gated


_PROPERTIES: dict[str, Maker] = {
    "author": lambda repo, card, actor: repo.namespace.name,
    "baseModels": _base_models,
    "cardData": _card_data,
    "childrenModelCount": _children,
    "config": lambda repo, card, actor: {},
    "createdAt": lambda repo, card, actor: wire_time(repo.created_at),
    "datasets": _used("dataset"),
    "description": lambda repo, card, actor: card.summary if card else "",
    "disabled": lambda repo, card, actor: repo.disabled_at is not None,
    "downloads": lambda repo, card, actor: repo.downloads_30d,
    "downloadsAllTime": lambda repo, card, actor: repo.downloads_all_time,
    "evalResults": _eval_results,
    "gated": _gated,
    "lastModified": lambda repo, card, actor: wire_time(repo.last_modified),
    "library_name": lambda repo, card, actor: (card.library_name or None) if card else None,
    "likes": lambda repo, card, actor: repo.likes_count,
    "model-index": lambda repo, card, actor: card.metadata.get("model-index") if card else None,
    "models": _used("model"),
    "pipeline_tag": lambda repo, card, actor: (card.pipeline_tag or None) if card else None,
    "private": lambda repo, card, actor: repo.private,
    "runtime": lambda repo, card, actor: RUNTIME,
    "safetensors": _safetensors,
    "sdk": lambda repo, card, actor: sdk_of(card),
    "sha": lambda repo, card, actor: repo.head_oid or None,
    "siblings": lambda repo, card, actor: siblings_json(card),
    "spaces": _spaces_of,
    "subdomain": _subdomain,
    "tags": lambda repo, card, actor: tags_json(repo),
    "transformersInfo": _transformers_info,
    "trendingScore": lambda repo, card, actor: repo.trending_score,
    "usedStorage": lambda repo, card, actor: card.total_bytes if card else 0,
}
_PROPERTIES |= dict.fromkeys(UNKNOWN_HERE, lambda repo, card, actor: None)
