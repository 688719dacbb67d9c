"""The box that says how a repo is used, with this hub's address and the name of a token of the reader's."""

from __future__ import annotations

from django.conf import settings

from accounts.actor import Actor
from accounts.models import AccessToken
from models_app.content.snippets import Snippet, Subject, snippets_for
from models_app.models import Repo, RepoCard, RepoType

# Libraries whose repos hold a config.json: that a download of it counts is no accident.
_CONFIGURED = ("transformers", "timm", "torchvision", "keras", "tuneyard")


def snippets_of(
    repo: Repo, card: RepoCard | None, actor: Actor, *, base: str = "", can_tune: bool = False
) -> list[Snippet]:
    """A query where the repo needs a login; none otherwise."""
    needs_login = repo.private or repo.gated != "false"
    library = card.library_name if card else ""
    subject = Subject(
        repo_type=repo.repo_type,
        repo_id=repo.repo_id,
        address=repo.get_absolute_url(),
        endpoint=settings.HUB_PUBLIC_URL,
        branch=repo.default_branch,
        library=library,
        pipeline_tag=card.pipeline_tag if card else "",
        has_config=repo.repo_type == RepoType.MODEL and library in _CONFIGURED,
        has_card=card is not None and bool(card.html or card.metadata),
        base=base,
        needs_login=needs_login,
        token=token_name(actor) if needs_login or can_tune else "",
        can_tune=can_tune,
    )
    return snippets_for(subject)


def token_name(actor: Actor) -> str:
    """What the reader calls the token they made last; empty where they have none."""
    if actor.user is None:
        return ""
    rows = AccessToken.objects.filter(user=actor.user)
    return rows.order_by("-pk").values_list("name", flat=True).first() or ""
