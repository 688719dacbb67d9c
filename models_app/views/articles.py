"""A tutorial as it is read: the text with its embeds, its contents, what it is about, what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Q

from accounts.actor import Actor
from models_app.content.articles import Links, headings_of, links_of, minutes_to_read, parts_of
from models_app.leaderboards import leaderboard, task_of
from models_app.models import Benchmark, Repo, RepoCard, RepoType

BOARD_ROWS = 8


@dataclass(frozen=True)
class Piece:
    """HTML, a run (its tag asks the gate), a repo, or a board; `found` is None where the reader sees none."""

    kind: str
    value: str
    found: Any = None


def title_of(repo: Repo, card: RepoCard | None) -> str:
    """The article's title; a repo without a card is called by its name."""
    title = card.metadata.get("title") if card is not None else None
    return title if isinstance(title, str) and title.strip() else repo.name


def summary_of(card: RepoCard | None) -> str:
    """What the author says it is about, else its first paragraph."""
    said = card.metadata.get("summary") if card is not None else None
    return said if isinstance(said, str) and said.strip() else (card.summary if card is not None else "")


def article_context(actor: Actor, repo: Repo, card: RepoCard | None) -> dict[str, Any]:
    """Everything the page shows of the text."""
    html = card.html if card is not None else ""
    links = links_of(card.metadata if card is not None else {}, html, settings.HUB_PUBLIC_URL)
    known = repos_of(actor, links)
    return {
        "title": title_of(repo, card),
        "summary": summary_of(card),
        # Above the text only what the author says of it: its first words come anyway.
        "lead": card.metadata.get("summary") if card is not None else "",
        "pieces": [_piece(actor, kind_value.kind, kind_value.value, known) for kind_value in parts_of(html)],
        "headings": headings_of(html),
        "minutes": minutes_to_read(html),
        "about": {
            kind: [found for name in names if (found := known.get((kind, name.lower()))) is not None]
            for kind, names in links.repos.items()
        },
        "runs": links.runs,
    }


def repos_of(actor: Actor, links: Links) -> dict[tuple[str, str], Repo]:
    """The linked repos that the reader may see, in one query."""
    condition = Q()
    for kind, names in links.repos.items():
        for name in names:
            namespace, _, short = name.lower().partition("/")
            condition |= Q(repo_type=kind, namespace__name__lower=namespace, name__lower=short)
    if not condition:
        return {}
    heavy = ("card__html", "card__siblings", "card__search_text", "card__metadata")
    rows = Repo.objects.visible_to(actor).filter(condition).for_lists().defer(*heavy)
    return {(row.repo_type, row.repo_id.lower()): row for row in rows}


def _piece(actor: Actor, kind: str, value: str, known: dict[tuple[str, str], Repo]) -> Piece:
    if kind in ("html", "run"):
        return Piece(kind, value)
    repo = known.get(("dataset" if kind == "board" else kind, value.lower()))
    if repo is None or kind != "board":
        return Piece(kind, value, repo)
    return Piece(kind, value, _board(actor, repo))


def _board(actor: Actor, repo: Repo) -> dict[str, Any] | None:
    """The board of a benchmark as it stands now: its first task, the best of its rows."""
    benchmark = Benchmark.objects.filter(repo=repo).first()
    task = task_of(benchmark) if benchmark is not None else None
    if benchmark is None or task is None:
        return None
    benchmark.repo = repo
    rows = leaderboard(benchmark, str(task["id"]), actor)
    return {"benchmark": benchmark, "task": task, "rows": rows[:BOARD_ROWS], "count": len(rows)}


def tutorials_about(actor: Actor, repo: Repo, most: int) -> list[tuple[str, Repo]]:
    """Tutorials whose cards name the repo, the most liked first, each with its title."""
    rows = (
        Repo.objects.visible_to(actor)
        .of_type(RepoType.TUTORIAL)
        .filter(tag_rows__kind=repo.repo_type, tag_rows__value=repo.repo_id)
        .select_related("namespace", "card")
        .defer("card__html", "card__siblings", "card__search_text")
        .order_by("-likes_count", "-created_at", "-pk")[:most]
    )
    return [(title_of(row, getattr(row, "card", None)), row) for row in rows]
