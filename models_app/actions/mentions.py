"""What a comment names, and where that is: people, threads of the same repo, public repos."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Q

from accounts.models import Namespace
from models_app.content.references import MENTION, NUMBER, REPO, References
from models_app.models import Discussion, Repo, RepoType

_TYPES = {f"{kind}s": kind for kind in RepoType.values}


def references_in(repo: Repo) -> References:
    """The references that a comment in `repo` may make. Private repos are nobody's business: they stay
    plain text, for its readers may be anybody who reads the thread."""
    return References(lambda wanted: _addresses(repo, wanted), settings.HUB_PUBLIC_URL)


def _addresses(repo: Repo, wanted: list[str]) -> dict[str, str]:
    return {
        **_people([text for text in wanted if text.startswith("@")]),
        **_threads(repo, [text for text in wanted if text.startswith("#")]),
        **_repos([text for text in wanted if "/" in text]),
    }


def _people(wanted: list[str]) -> dict[str, str]:
    names = {text: found[1].lower() for text in wanted if (found := MENTION.fullmatch(text))}
    if not names:
        return {}
    rows = Namespace.objects.filter(name__lower__in=set(names.values())).values_list("name", flat=True)
    known = {name.lower(): name for name in rows}
    return {text: f"/{known[name]}" for text, name in names.items() if name in known}


def _threads(repo: Repo, wanted: list[str]) -> dict[str, str]:
    nums = {text: int(found[1]) for text in wanted if (found := NUMBER.fullmatch(text))}
    if not nums:
        return {}
    known = set(
        Discussion.objects.filter(repo=repo, num__in=set(nums.values())).values_list("num", flat=True)
    )
    base = repo.get_absolute_url()
    return {text: f"{base}/discussions/{num}" for text, num in nums.items() if num in known}


def _repos(wanted: list[str]) -> dict[str, str]:
    asked = {
        text: (_TYPES.get(found[1] or "models", RepoType.MODEL), found[2].lower(), found[3])
        for text in wanted
        if (found := REPO.fullmatch(text))
    }
    condition = Q()
    for repo_type, repo_id, _num in asked.values():
        namespace, _, name = repo_id.partition("/")
        condition |= Q(repo_type=repo_type, namespace__name__lower=namespace, name__lower=name)
    if not asked:
        return {}
    rows = Repo.objects.filter(condition, private=False, disabled_at=None).select_related("namespace")
    known = {(row.repo_type, row.repo_id.lower()): row.get_absolute_url() for row in rows}
    return {
        text: known[repo_type, repo_id] + (f"/discussions/{num}" if num else "")
        for text, (repo_type, repo_id, num) in asked.items()
        if (repo_type, repo_id) in known
    }
