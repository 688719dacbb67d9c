"""Who follows whom, and which repos and boards."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor, Level
from accounts.models import Namespace
from models_app import access
from models_app.actions.events import record_event
from models_app.actions.locking import check_credential, lock_repo
from models_app.actions.refusals import InvalidInput
from models_app.models import Benchmark, EventTag, Follow, Followed, Repo, RepoFollow

# Repos and boards that one person may follow: what is told of them is written a row a person.
MAX_FOLLOWED = 5000


def follow(actor: Actor, *, namespace: Namespace) -> None:
    """Follow a person or an organization; doing it twice changes nothing. InvalidInput for oneself."""
    person = access.check_person(actor)
    if namespace.user_id == person.pk:
        raise InvalidInput("You cannot follow yourself.")
    with transaction.atomic():
        check_credential(actor)
        _row, made = Follow.objects.get_or_create(user=person, namespace=namespace)
        if made:
            record_event(actor, EventTag.FOLLOW_ADD, namespace=namespace.name)


def unfollow(actor: Actor, *, namespace: Namespace) -> None:
    """Follow no longer; where nobody was followed nothing changes."""
    person = access.check_person(actor)
    with transaction.atomic():
        check_credential(actor)
        if Follow.objects.filter(user=person, namespace=namespace).delete()[0]:
            record_event(actor, EventTag.FOLLOW_REMOVE, namespace=namespace.name)


def follow_repo(actor: Actor, *, repo: Repo, what: str = Followed.REPO) -> None:
    """Follow a repo, or the board of a benchmark; doing it twice changes nothing.

    Raises InvalidInput where there is no board or too much is followed, or the gate's refusals.
    """
    person = access.check_person(actor)
    if what not in Followed.values:
        raise InvalidInput(_("A repo or a board can be followed."))
    with transaction.atomic():
        row = lock_repo(actor, repo, Level.READ, content=False)
        if what == Followed.BOARD and not Benchmark.objects.filter(repo=row).exists():
            raise InvalidInput(_("This dataset has no board."))
        if RepoFollow.objects.filter(user=person).count() >= MAX_FOLLOWED:
            raise InvalidInput(
                _("You follow %(most)d repos and boards: leave one first.") % {"most": MAX_FOLLOWED}
            )
        _row, made = RepoFollow.objects.get_or_create(user=person, repo=row, what=what)
        if made:
            record_event(actor, EventTag.REPO_FOLLOW, repo=row, what=str(what))


def unfollow_repo(actor: Actor, *, repo: Repo, what: str = Followed.REPO) -> None:
    """Follow a repo or board no longer, also one that the actor may not see any more."""
    person = access.check_person(actor)
    with transaction.atomic():
        check_credential(actor)
        if RepoFollow.objects.filter(user=person, repo=repo, what=what).delete()[0]:
            record_event(actor, EventTag.REPO_UNFOLLOW, repo=repo, what=str(what))
