"""What a dataset's page shows beside its card and its preview."""

from __future__ import annotations

from typing import Any

from accounts.actor import Actor
from models_app.models import Benchmark, Repo, RepoCard
from models_app.views.boards import BoardSummary, summaries
from models_app.views.download_chart import download_chart
from models_app.views.licence_line import licence_line
from models_app.views.model_page import spaces_using
from models_app.views.use_box import snippets_of

SHOWN_MODELS = 5
_UNSHOWN = ("card__html", "card__siblings", "card__search_text")


def dataset_context(actor: Actor, repo: Repo, card: RepoCard | None) -> dict[str, Any]:
    """Models trained on it, its board, licence, downloads and snippets."""
    models = Repo.objects.visible_to(actor).models()
    trained = models.filter(tag_rows__kind="dataset", tag_rows__value=repo.repo_id).order_by("-last_modified")
    benchmark = Benchmark.objects.filter(repo=repo).select_related("repo__namespace").first()
    has_licence = card is not None and bool(card.license)
    return {
        "benchmark": benchmark,
        "board": board_of(benchmark, actor),
        "trained": trained.for_lists().defer(*_UNSHOWN)[:SHOWN_MODELS],
        "trained_count": trained.count(),
        "licence": licence_line(card.license, card.metadata, {}, {}) if card and has_licence else None,
        "downloads": download_chart(repo),
        "snippets": snippets_of(repo, card, actor),
        "users": spaces_using(actor, repo),
        "languages": [tag.value for tag in repo.tag_rows.all() if tag.kind == "language"],
    }


def board_of(benchmark: Benchmark | None, actor: Actor) -> BoardSummary | None:
    """The first task's leader and how many were measured, where the dataset is a benchmark."""
    found = summaries([benchmark], actor) if benchmark else []
    return found[0] if found else None
