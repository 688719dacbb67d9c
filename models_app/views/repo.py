"""A repo's own page: the card, the facts; of models and datasets also lineage, results, previews."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.actor import Level
from models_app.access import effective_level, may_read_content
from models_app.discussions import open_count
from models_app.fitting import tasks_for
from models_app.models import Repo, RepoCard, RepoType
from models_app.social import likes_repo
from models_app.views.dataset_page import dataset_context
from models_app.views.gate_box import gate_box
from models_app.views.model_page import model_context, shown_card, successor_of
from models_app.views.support import HubRequest, page, repo_page
from models_app.views.use_box import snippets_of

MAX_USED = 20
# Kinds of tags that the side column says in words already.
QUIET_KINDS = (
    "license", "base_model", "region", "dataset", "model", "arxiv", "size_categories", "format", "modality",
)  # fmt: skip
# A new repo holds nothing but its .gitattributes.
EMPTY_BYTES = 4096


@require_safe
@page
def model(request: HubRequest, namespace: str, name: str) -> HttpResponse:
    """A model's page."""
    repo = repo_page(request, RepoType.MODEL, namespace, name)
    context = repo_context(request, repo, tab="card")
    context |= model_context(request.actor, repo, context["card"], can_tune=context["can_finetune"])
    return render(request, "repo/model.html", context | card_context(request, repo, context["card"]))


@require_safe
@page
def dataset(request: HubRequest, namespace: str, name: str) -> HttpResponse:
    """A dataset's page."""
    repo = repo_page(request, RepoType.DATASET, namespace, name)
    context = repo_context(request, repo, tab="card")
    card = context["card"]
    # The first rows and images are content: a gate keeps them in.
    preview = card.preview if card and may_read_content(request.actor, repo) else {}
    most = max((item["count"] for item in preview.get("classes", [])), default=0)
    context |= dataset_context(request.actor, repo, card)
    context |= {"preview": preview, "most": most}
    return render(request, "repo/dataset.html", context | card_context(request, repo, card))


@require_safe
@page
def stored(request: HubRequest, repo_type: str, namespace: str, name: str) -> HttpResponse:
    """The page of a space or a kernel, which are kept here and not run."""
    repo = repo_page(request, repo_type, namespace, name)
    context = repo_context(request, repo, tab="card")
    context |= {
        "used": used_repos(request, repo),
        "snippets": snippets_of(repo, context["card"], request.actor),
    }
    return render(request, "repo/stored.html", context | card_context(request, repo, context["card"]))


def card_context(request: HubRequest, repo: Repo, card: RepoCard | None) -> dict[str, Any]:
    """The card's HTML (`?card=whole` asks for all of a long one), and what it says of being out of date."""
    html, is_cut = shown_card(card, whole=request.GET.get("card") == "whole")
    return {"card_html": html, "is_cut": is_cut, "successor": successor_of(request.actor, repo, card)}


def used_repos(request: HubRequest, repo: Repo) -> list[Repo]:
    """The models and datasets that a space's card names, as far as they are here for the actor to see."""
    wanted = [(tag.kind, tag.value) for tag in repo.tag_rows.all() if tag.kind in ("model", "dataset")]
    seen = Repo.objects.visible_to(request.actor).select_related("namespace")
    found = [seen.named(kind, repo_id).first() for kind, repo_id in wanted[:MAX_USED]]
    return [used for used in found if used is not None]


def repo_context(request: HubRequest, repo: Repo, *, tab: str) -> dict[str, Any]:
    """What the head of every page of a repo shows."""
    card = RepoCard.objects.filter(repo=repo).defer("search_text", "siblings").first()
    level = effective_level(request.actor, repo)
    return {
        "section": f"{repo.repo_type}s",
        "list_address": reverse(f"{repo.repo_type}s"),
        "repo": repo,
        "card": card,
        "tab": tab,
        "tags": [tag for tag in repo.tag_rows.all() if tag.kind not in QUIET_KINDS],
        "may_write": level >= Level.WRITE,
        "may_administrate": level >= Level.ADMIN and request.actor.user is not None,
        "is_empty": card is None or (not card.html and card.total_bytes <= EMPTY_BYTES),
        "can_finetune": repo.repo_type == RepoType.MODEL and bool(tasks_for(repo, card)),
        "endpoint": settings.HUB_PUBLIC_URL,
        "liked": likes_repo(request.actor, repo),
        "box": gate_box(request.actor, repo, card),
        "open_threads": 0 if repo.discussions_disabled else open_count(repo),
    }
