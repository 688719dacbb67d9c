"""Signing in a device without a browser (RFC 8628, wire section 2): codes, and a person's answer."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.actor import Actor
from accounts.logins import Grant, OAuthError, begin_login, living_logins
from accounts.models import DeviceCode, DeviceStatus, User
from accounts.tokens import hash_text

CODE_LIFE = timedelta(seconds=900)
INTERVAL_SECONDS = 5
MAX_LOGINS = 50
MAX_CLIENT_ID = 100
# RFC 8628 section 6.1: no vowels, no digits, nothing that is read as something else.
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"


@dataclass(frozen=True)
class Started:
    """Both codes of a login just begun, in the clear for the only time."""

    device_code: str
    user_code: str


def start(*, client_id: str) -> Started:
    """Begin a login for a program; nobody is asked yet who they are. OAuthError for a malformed client id."""
    if not client_id or len(client_id) > MAX_CLIENT_ID or not client_id.isprintable():
        raise OAuthError("invalid_request", f"client_id must be 1 to {MAX_CLIENT_ID} printable characters.")
    now = timezone.now()
    DeviceCode.objects.filter(expires_at__lt=now - timedelta(days=1)).delete()
    # 20^8 codes and at most a few hundred alive: a collision is a fault worth an exception, not a loop.
    letters = "".join(secrets.choice(ALPHABET) for _ in range(8))
    started = Started(secrets.token_urlsafe(32), f"{letters[:4]}-{letters[4:]}")
    DeviceCode.objects.create(
        device_hash=hash_text(started.device_code),
        user_hash=_user_hash(letters),
        client_id=client_id,
        interval=INTERVAL_SECONDS,
        created_at=now,
        expires_at=now + CODE_LIFE,
    )
    return started


def find_waiting(typed: str) -> DeviceCode | None:
    """The login that waits for an answer under the code somebody typed, in any case, with or without dash."""
    letters = "".join(letter for letter in typed.upper() if letter.isalnum())
    if len(letters) != 8:
        return None
    return _waiting().filter(user_hash=_user_hash(letters)).first()


@transaction.atomic
def decide(actor: Actor, *, code: DeviceCode, approve: bool) -> None:
    """A person's answer, in a browser session; ValidationError when the code was answered or has expired."""
    user = actor.at_browser()
    if approve and living_logins(user).count() >= MAX_LOGINS:
        raise ValidationError(
            f"{MAX_LOGINS} programs are signed in as you: sign one out first.", code="limit"
        )
    answer = DeviceStatus.APPROVED if approve else DeviceStatus.DENIED
    if not _waiting().filter(pk=code.pk).update(status=answer, user=user):
        raise ValidationError("This code was answered already, or has expired.", code="late")


def redeem(*, device_code: str, client_id: str) -> Grant:
    """The tokens of an approved login, once.

    Raises OAuthError with `authorization_pending`, `slow_down`, `access_denied`, `expired_token` or
    `invalid_grant`.
    """
    code = DeviceCode.objects.select_related("user").filter(device_hash=hash_text(device_code)).first()
    now = timezone.now()
    if code is None or code.client_id != client_id or code.status == DeviceStatus.REDEEMED:
        raise OAuthError("invalid_grant", "This device code is unknown or was used already.")
    if code.status == DeviceStatus.DENIED:
        raise OAuthError("access_denied", "The login was denied.")
    if code.expires_at <= now:
        raise OAuthError("expired_token", "The code has expired: start the login again.")
    if code.status == DeviceStatus.PENDING or code.user is None:
        raise _not_yet(code, now)
    return _redeem_approved(code, code.user, now)


def _not_yet(code: DeviceCode, now: datetime) -> OAuthError:
    """Note the question; who asks too often has to wait longer (RFC 8628 section 3.5)."""
    # A second of grace: a client that keeps its time exactly must not be punished for the network's.
    patient = code.polled_at is None or now - code.polled_at >= timedelta(seconds=code.interval - 1)
    if patient:
        DeviceCode.objects.filter(pk=code.pk).update(polled_at=now)
        return OAuthError("authorization_pending", "Nobody has answered yet.")
    slower = min(code.interval + 5, 60)
    DeviceCode.objects.filter(pk=code.pk).update(polled_at=now, interval=slower)
    return OAuthError("slow_down", f"Ask every {slower} seconds at most.")


@transaction.atomic
def _redeem_approved(code: DeviceCode, user: User, now: datetime) -> Grant:
    approved = DeviceCode.objects.filter(pk=code.pk, status=DeviceStatus.APPROVED)
    if not approved.update(status=DeviceStatus.REDEEMED):
        raise OAuthError("invalid_grant", "This device code was used already.")
    if not user.is_active or user.is_suspended:
        raise OAuthError("access_denied", "This account may not sign in.")
    return begin_login(user, client_id=code.client_id, now=now)


def _waiting() -> QuerySet[DeviceCode]:
    return DeviceCode.objects.filter(status=DeviceStatus.PENDING, expires_at__gt=timezone.now())


def _user_hash(letters: str) -> str:
    # Keyed, since eight letters can be tried through by whoever reads the table.
    return salted_hmac("accounts.device", letters, algorithm="sha256").hexdigest()
