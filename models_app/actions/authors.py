"""How a hub user appears in git."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from accounts.actor import Actor
from models_app.access import LoginRequired
from models_app.storage.gitcommit import Author


def author_of(actor: Actor, at: datetime | None = None) -> Author:
    """The actor as the author of a commit: the user name (the wire's `authors[].user`), never the real
    e-mail."""
    if actor.user is None:
        raise LoginRequired("Invalid username or password.")
    name = actor.user.username
    return Author(name, email_of(name), at or timezone.now())


def email_of(name: str) -> str:
    """The address that stands for a user name in commits; no mail reaches it."""
    host = urlsplit(settings.HUB_PUBLIC_URL).hostname or "localhost"
    return f"{name}@users.noreply.{host}"
