"""Where a repo that was moved is now; asked only when nothing has the old id."""

from __future__ import annotations

from urllib.parse import quote

from accounts.actor import Actor
from models_app.access import Refusal, check_repo
from models_app.models import Repo, RepoRedirect

_PREFIXES = ("datasets", "spaces", "kernels", "recipes", "tutorials", "leaderboards")


def moved_repo(actor: Actor, repo_type: str, repo_id: str) -> Repo | None:
    """The repo that had this id before it was moved; None when there is none that the actor may know of."""
    if "\0" in repo_id:  # PostgreSQL has no text with NUL
        return None
    namespace, _, name = repo_id.partition("/")
    old = {"namespace_name__lower": namespace.lower(), "name__lower": name.lower()}
    rows = RepoRedirect.objects.select_related("repo__namespace").filter(repo_type=repo_type, **old)
    row = rows.first()
    if row is None:
        return None
    try:
        return check_repo(actor, row.repo, content=False)
    except Refusal:
        return None


def moved_path(path: str, repo: Repo) -> str:
    """The percent-encoded `path` of a wire or page URL with the repo's present id in place of the old one.

    `/api/models/old/name/…`, `/datasets/old/name/…` and `/old/name.git/…` keep what is before and after.
    """
    parts = path.split("/")
    at = 3 if parts[1] == "api" else 2 if parts[1] in _PREFIXES else 1
    suffix = ".git" if parts[at + 1].endswith(".git") else ""
    parts[at : at + 2] = [quote(repo.namespace.name, safe=""), quote(repo.name, safe="") + suffix]
    return "/".join(parts)
