"""Who follows whom."""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor
from accounts.models import Namespace
from models_app import access
from models_app.actions.events import record_event
from models_app.actions.locking import check_credential
from models_app.actions.refusals import InvalidInput
from models_app.models import EventTag, Follow


def follow(actor: Actor, *, namespace: Namespace) -> None:
    """Follow a person or an organization; doing it twice changes nothing. InvalidInput for oneself."""
    person = access.check_person(actor)
    if namespace.user_id == person.pk:
        raise InvalidInput("You cannot follow yourself.")
    with transaction.atomic():
        check_credential(actor)
        _, made = Follow.objects.get_or_create(user=person, namespace=namespace)
        if made:
            record_event(actor, EventTag.FOLLOW_ADD, namespace=namespace.name)


def unfollow(actor: Actor, *, namespace: Namespace) -> None:
    """Follow no longer; where nobody was followed nothing changes."""
    person = access.check_person(actor)
    with transaction.atomic():
        check_credential(actor)
        if Follow.objects.filter(user=person, namespace=namespace).delete()[0]:
            record_event(actor, EventTag.FOLLOW_REMOVE, namespace=namespace.name)
