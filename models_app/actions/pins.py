"""What a person shows first on their profile, and in which order."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.models import User
from models_app.actions.refusals import InvalidInput
from models_app.models import ProfilePin, Repo, RepoType

MOST = 6


@transaction.atomic
def pin(actor: Actor, *, repo: Repo) -> None:
    """Put a public repo, which came from the gate, behind what is pinned; twice is as good as once.

    InvalidInput where it is not public, no repo of a list, or one too many.
    """
    pins = _pins(actor)
    if any(one.repo_id == repo.pk for one in pins):
        return
    if repo.private or repo.repo_type == RepoType.FORUM:
        raise InvalidInput(_("Only public repos can be pinned."))
    if len(pins) >= MOST:
        raise InvalidInput(
            _("At most %(most)d repos are pinned: take one of them away first.") % {"most": MOST}
        )
    last = pins[-1].position + 1 if pins else 0
    ProfilePin.objects.create(user=actor.at_browser(), repo=repo, position=last)


@transaction.atomic
def unpin(actor: Actor, *, key: int) -> None:
    """Take a pin away, also of a repo that the person may not see any more; where there is none nothing
    changes."""
    for one in _pins(actor):
        if one.pk == key:
            one.delete()


@transaction.atomic
def pin_earlier(actor: Actor, *, key: int) -> None:
    """Change places with the pin before it, if there is one."""
    pins = _pins(actor)
    at = next((n for n, one in enumerate(pins) if one.pk == key), 0)
    if at:
        pins[at - 1], pins[at] = pins[at], pins[at - 1]
    for n, one in enumerate(pins):
        one.position = n
    ProfilePin.objects.bulk_update(pins, ["position"])


def _pins(actor: Actor) -> list[ProfilePin]:
    """The person's pins in order, whose number and order nobody else changes meanwhile."""
    user = actor.at_browser()
    User.objects.select_for_update(of=("self",)).get(pk=user.pk)
    return list(ProfilePin.objects.filter(user=user).order_by("position", "pk"))
