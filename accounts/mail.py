"""The way out of mail: an address that ends it without signing in, also for who never signed up."""

from __future__ import annotations

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse

from accounts.models import RunMail, User

_SALT = "accounts.mail.stop"


def stop_address(user: User) -> str:
    """Where this person ends all mail about runs; it can do nothing else, and works until it is used."""
    return settings.HUB_PUBLIC_URL + reverse("mail-stop", args=[signing.dumps(user.pk, salt=_SALT)])


def person_of(text: str) -> User | None:
    """Whose address this is; None for one that we did not make."""
    try:
        key = signing.loads(text, salt=_SALT)
    except signing.BadSignature:
        return None
    return User.objects.filter(pk=key).first()


@transaction.atomic
def stop_mail(user: User) -> None:
    """No more mail about runs."""
    User.objects.filter(pk=user.pk).update(run_mail=RunMail.NONE)
