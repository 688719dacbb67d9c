"""One writer at a time per repo, with the questions that may have a new answer since the gate asked them."""

from __future__ import annotations

from accounts.actor import Actor, Level
from accounts.tokens import still_valid
from models_app import access
from models_app.actions.refusals import CredentialEnded
from models_app.models import Repo


def lock_repo(actor: Actor, repo: Repo, need: Level = Level.WRITE, *, content: bool = True) -> Repo:
    """The repo's fresh row, locked until the transaction ends; call inside one.

    On SQLite the immediate transaction itself is the lock. `content` as in `access.access_repo`. Raises
    CredentialEnded when the token died meanwhile (a cut-off worker must not publish), and what the gate does.
    """
    row = Repo.objects.select_for_update(of=("self",)).select_related("namespace").filter(pk=repo.pk).first()
    if row is None:
        raise access.RepoNotFound("Repository not found")
    check_credential(actor)
    # A fresh actor: roles may have been taken away while the body arrived.
    return access.check_repo(Actor(actor.user, actor.token), row, need, content=content)


def check_credential(actor: Actor) -> None:
    """CredentialEnded when the token was revoked or has expired since the request began."""
    if actor.token is not None and not still_valid(actor.token):
        raise CredentialEnded
