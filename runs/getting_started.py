"""The first steps on a fresh hub and of a new member: each checked against what is really there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import AccessToken, User
from models_app.models import Follow, Like, Repo, RepoFollow
from runs.models import Guide, Run, Worker

OPERATOR, MEMBER, BACKUP = "tour:operator", "tour:member", "tour:backup"
# What a person can close for good.
NAMES = (OPERATOR, MEMBER, BACKUP)
# Nobody is new for longer.
NEW_FOR = timedelta(days=30)
SEEN = timedelta(minutes=10)


@dataclass(frozen=True)
class Step:
    """One thing to do: its words, where it is done or told of, and whether it is done. `tick`: by hand."""

    words: Any
    why: Any
    address: str
    is_done: bool
    tick: str = ""


@dataclass(frozen=True)
class Panel:
    """A list of steps; `name` is what closing it is remembered by."""

    name: str
    title: Any
    steps: list[Step]

    @property
    def done(self) -> int:
        return sum(step.is_done for step in self.steps)


def panel_for(user: User, host: str) -> Panel | None:
    """What this person is shown at the top of the start page; None for most."""
    closed = set(user.dismissed)
    panel: Panel | None = None
    if user.is_staff and OPERATOR not in closed:
        panel = Panel(OPERATOR, _("Set up this hub"), _operator_steps(user, host))
    elif MEMBER not in closed and user.date_joined > timezone.now() - NEW_FOR:
        panel = Panel(MEMBER, _("Getting started"), _member_steps(user))
    return panel if panel is not None and panel.done < len(panel.steps) else None


def dismiss(user: User, name: str) -> None:
    """Close it for good; a name that is none of `NAMES` is nothing."""
    if name not in NAMES:
        return
    with transaction.atomic():
        row = User.objects.select_for_update().get(pk=user.pk)
        if name not in row.dismissed:
            row.dismissed = [*row.dismissed, name]
            row.save(update_fields=["dismissed"])


def _operator_steps(user: User, host: str) -> list[Step]:
    seen = timezone.now() - SEEN
    there: dict[str, Callable[[], bool]] = {
        "worker": Worker.objects.filter(is_enabled=True, last_seen_at__gt=seen).exists,
        "model": Repo.objects.models().exists,
        "dataset": Repo.objects.datasets().exists,
        "run": Run.objects.training().exists,
    }
    return [
        Step(
            _("Set the address people use"),
            _("HUB_PUBLIC_URL stands in examples, mails and what clients are told."),
            "/docs/admins/settings",
            urlsplit(settings.HUB_PUBLIC_URL).netloc == host,
        ),
        Step(
            _("Let it send mail"),
            _("For forgotten passwords, ended runs and digests."),
            "/docs/admins/settings",
            settings.HUB_MAIL_ON,
        ),
        Step(
            _("Connect a worker"), _("The machine that does runs."), "/docs/admins/workers", there["worker"]()
        ),
        Step(_("Publish the first model"), _("With any client."), "/docs/publish", there["model"]()),
        Step(
            _("Publish the first data set"),
            _("In the browser or with a client."),
            "/docs/upload",
            there["dataset"](),
        ),
        Step(_("Start the first run"), _("Five stages, no code."), "/start", there["run"]()),
        Step(
            _("Keep copies"),
            _("Know what to copy and how to come back from it, before you need it."),
            "/docs/admins/install",
            BACKUP in user.dismissed,
            BACKUP,
        ),
    ]


def _member_steps(user: User) -> list[Step]:
    follows = Follow.objects.filter(user=user).exists() or RepoFollow.objects.filter(user=user).exists()
    return [
        Step(
            _("Make a model of your own"),
            _("Five stages, no code."),
            "/start",
            Guide.objects.filter(user=user).exists() or Run.objects.filter(created_by=user).exists(),
        ),
        Step(
            _("Make a token"),
            _("For the clients and scripts you know."),
            "/settings/tokens",
            AccessToken.objects.filter(user=user).exists(),
        ),
        Step(
            _("Publish something, or like what is here"),
            _("A model, data, or a recipe."),
            "/new",
            Repo.objects.filter(namespace__user=user).exists() or Like.objects.filter(user=user).exists(),
        ),
        Step(
            _("Follow somebody or something"),
            _("News of it come to your inbox."),
            "/models",
            follows,
        ),
    ]
