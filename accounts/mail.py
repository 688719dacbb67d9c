"""The ways out of mail and into it: addresses in mails that end it without signing in, also for who never
signed up, and those that prove whose an address is."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import current_app
from django.conf import settings
from django.core import signing
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import RunMail, User
from accounts.throttle import Limit

log = logging.getLogger(__name__)

_SALT = "accounts.mail.stop"
_VERIFY_SALT = "accounts.mail.verify"
VERIFY_DAYS = 3
VERIFY = "accounts.tasks.send_verification"
# What somebody can be made to receive at an address that is not theirs.
VERIFICATIONS = Limit("verify-mail", 5, 24 * 3600)
RUNS, NOTES = "runs", "notes"


def stop_address(user: User, what: str = RUNS) -> str:
    """Where this person ends all mail about runs, or all that the inbox sends; it can do nothing else, and
    works until it is used."""
    said = user.pk if what == RUNS else [user.pk, what]
    return settings.HUB_PUBLIC_URL + reverse("mail-stop", args=[signing.dumps(said, salt=_SALT)])


def person_of(text: str) -> tuple[User, str] | None:
    """Whose address this is, and of which mail; None for one that we did not make."""
    try:
        said = signing.loads(text, salt=_SALT)
    except signing.BadSignature:
        return None
    key, what = said if isinstance(said, list) else (said, RUNS)
    person = User.objects.filter(pk=key).first()
    return (person, what) if person is not None else None


@transaction.atomic
def stop_mail(user: User, what: str = RUNS) -> None:
    """No more mail about runs, or none from the inbox."""
    changes = {"run_mail": RunMail.NONE} if what == RUNS else {"note_mail": False}
    User.objects.filter(pk=user.pk).update(**changes)


# --- whose an address is


def ask_for_proof(user: User) -> bool:
    """Have a link sent to the address somebody named; False where none can go: no mail, or too many asked
    for. Call inside the transaction that wrote the address."""
    who = str(user.pk)
    if not settings.HUB_MAIL_ON or not user.email or user.email_verified or VERIFICATIONS.is_full(who):
        return False
    VERIFICATIONS.note(who)
    transaction.on_commit(lambda: _wake(user.pk))
    return True


def _wake(key: int) -> None:
    try:
        current_app.send_task(VERIFY, args=[key], queue="hub", retry=False)
    except Exception:  # any transport, any failure: the person can ask again
        log.warning("mail: a verification could not be handed over", exc_info=True)


def proof_address(user: User) -> str:
    """Where this person says that the address is theirs; good for this address and a few days."""
    signed = signing.dumps([user.pk, user.email], salt=_VERIFY_SALT)
    return settings.HUB_PUBLIC_URL + reverse("mail-verify", args=[signed])


def proven(text: str) -> User | None:
    """Whose address is proven by this; None when it is old, not ours, or they have another address now."""
    try:
        key, email = signing.loads(text, salt=_VERIFY_SALT, max_age=timedelta(days=VERIFY_DAYS))
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return User.objects.filter(pk=key, email=email).exclude(email="").first()


def prove(user: User) -> None:
    """Take the address as theirs."""
    User.objects.filter(pk=user.pk, email=user.email).update(email_verified=True)


def send_proof(user: User) -> None:
    """Write the mail, in the person's language."""
    with translation.override(user.language or settings.LANGUAGE_CODE):
        context = {"user": user, "address": proof_address(user), "hub": settings.HUB_PUBLIC_URL}
        EmailMessage(
            subject=_("Is this your address?"),
            body=render_to_string("accounts/mail_verify.txt", context),
            to=[user.email],
            headers={"Auto-Submitted": "auto-generated"},
        ).send()
