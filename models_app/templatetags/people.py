"""What pages show of people: whom and what they follow."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.actor import ANONYMOUS
from accounts.models import Namespace
from models_app import social
from models_app.activity import followed_lines
from models_app.finding import clean_query
from models_app.models import Benchmark, Followed, Notification, Repo, RepoType, SavedSearch
from models_app.saved import TYPES, words_of
from models_app.telling_words import sentence

register = template.Library()


@register.inclusion_tag("profiles/_follow_repo_button.html", takes_context=True)
def follow_repo_button(context: dict[str, Any], repo: Repo, what: str = "") -> dict[str, Any]:
    """The button that follows a repo, or with `what="board"` the board that it is."""
    request = context.get("request")
    actor = getattr(request, "actor", ANONYMOUS)
    what = what if what in Followed.values else str(Followed.REPO)
    following, count = social.repo_follow(actor, repo, what)
    return {
        "repo": repo,
        "what": what,
        "is_following": following,
        "count": count,
        "user": actor.user,
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "address": f"/leaderboards/{repo.repo_id}" if what == Followed.BOARD else repo.get_absolute_url(),
    }


@register.filter
def said(note: Notification) -> str:
    """The line of the inbox in one sentence."""
    return sentence(note)


@register.filter
def day_name(moment: datetime) -> str:
    """`Today`, `Yesterday`, or the day."""
    day, today = timezone.localdate(moment), timezone.localdate()
    if day == today:
        return _("Today")
    return _("Yesterday") if day == today - timedelta(days=1) else date_format(day, "DATE_FORMAT")


@register.inclusion_tag("saved/_save.html", takes_context=True)
def save_search(context: dict[str, Any], repo_type: str) -> dict[str, Any]:
    """The button that keeps a list's filters under a name."""
    request = context["request"]
    query = clean_query(repo_type, request.GET)
    words = words_of(SavedSearch(repo_type=repo_type, query=query))
    return {
        "repo_type": repo_type,
        "query": query,
        "title": ", ".join(words)[:100] or TYPES.get(RepoType(repo_type), ""),
        "user": request.actor.user,
        "csrf_token": context.get("csrf_token"),
        "address": request.get_full_path(),
    }


@register.inclusion_tag("profiles/_feed_for_me.html", takes_context=True)
def feed_for_me(context: dict[str, Any], limit: int = 10) -> dict[str, Any]:
    """What the people, organizations and repos did lately that the reader follows; empty for anonymous."""
    actor = context["request"].actor
    return {"user": actor.user, "lines": followed_lines(actor, limit)}


@register.inclusion_tag("profiles/_feed_links.html", takes_context=True)
def feed_links(context: dict[str, Any]) -> dict[str, Any]:
    """For the head of a page: the feeds of the site and of what the page is about, if that is public."""
    links = [(_("Tuneyard: what happened lately"), reverse("feed"))]
    owner, repo, benchmark = (context.get(name) for name in ("owner", "repo", "benchmark"))
    if isinstance(owner, Namespace):
        links.append((owner.display_name(), reverse("feed-person", args=[owner.name])))
    if isinstance(repo, Repo) and not repo.private and repo.disabled_at is None:
        space, name = repo.namespace.name, repo.name
        if repo.repo_type == RepoType.FORUM:
            links.append((name, reverse("feed-topic", args=[name])))
        elif isinstance(benchmark, Benchmark) and context.get("section") == "leaderboards":
            links.append((str(benchmark.name or name), reverse("feed-board", args=[space, name])))
        else:
            links.append((repo.repo_id, reverse("feed-repo", args=[repo.repo_type, space, name])))
    return {"links": links}
