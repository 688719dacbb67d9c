"""Signing in a device without a browser (RFC 8628): codes, a person's answer, tokens that renew."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Least
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.actor import Actor
from accounts.models import DeviceCode, DeviceLogin, DeviceStatus, TokenRole, User
from accounts.tokens import hash_text, mint_token, new_text

CODE_LIFE = timedelta(seconds=900)
INTERVAL_SECONDS = 5
# The stock client renews when less than a day is left: a month of silence ends nothing, half a year does.
ACCESS_LIFE = timedelta(days=30)
REFRESH_LIFE = timedelta(days=180)
# A renewed token's predecessor: other processes of the same machine may still hold it.
_OVERLAP = timedelta(days=1)
MAX_LOGINS = 50
MAX_CLIENT_ID = 100
# RFC 8628 section 6.1: no vowels, no digits, nothing that is read as something else.
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
STOCK_CLIENT = "26be6b09-91c5-47da-9861-d2d2bb7a7e36"
_TOKEN_PREFIX = "hf_oauth_"  # noqa: S105


class OAuthError(Exception):
    """A refusal as OAuth has it: `code` for programs, `description` for people (RFC 6749 section 5.2)."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code, self.description = code, description


@dataclass(frozen=True)
class Started:
    """Both codes of a login just begun, in the clear for the only time."""

    device_code: str
    user_code: str


@dataclass(frozen=True)
class Grant:
    """What a device is handed; `expires_in` counts seconds of the access token."""

    access_token: str
    refresh_token: str
    expires_in: int


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


def client_name(client_id: str) -> str:
    """What people call the program."""
    return "hf, the Hugging Face client" if client_id == STOCK_CLIENT else client_id


@transaction.atomic
def decide(actor: Actor, *, code: DeviceCode, approve: bool) -> None:
    """A person's answer, in a browser session; ValidationError when the code was answered or has expired."""
    user = _person(actor)
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
    refresh = secrets.token_urlsafe(48)
    login = DeviceLogin.objects.create(
        user=user,
        client_id=code.client_id,
        refresh_hash=hash_text(refresh),
        created_at=now,
        expires_at=now + REFRESH_LIFE,
    )
    return _grant(login, user, refresh, now)


def refresh(*, refresh_token: str, client_id: str) -> Grant:
    """A new access token and a new refresh token for the current one; OAuthError `invalid_grant` otherwise.

    The one before is taken too while its successor's token was never used: the answer was lost on its way.
    """
    now, hashed = timezone.now(), hash_text(refresh_token)
    with transaction.atomic():
        login = (
            DeviceLogin.objects.select_for_update(of=("self",))
            .select_related("user")
            .filter(Q(refresh_hash=hashed) | Q(previous_hash=hashed), client_id=client_id)
            .filter(revoked_at=None, expires_at__gt=now, user__is_active=True, user__is_suspended=False)
            .first()
        )
        grant = _rotate(login, hashed, now) if login is not None else None
    if grant is None:  # raised out here, so that the end of a stolen login is kept
        raise OAuthError("invalid_grant", "This refresh token has expired or was revoked: sign in again.")
    return grant


def _rotate(login: DeviceLogin, hashed: str, now: datetime) -> Grant | None:
    if login.refresh_hash != hashed:
        newest = login.tokens.order_by("-pk").first()
        if newest is None or newest.last_used_at is not None:
            _end(login, now)
            return None
        login.tokens.filter(pk=newest.pk).update(revoked_at=now)
    login.tokens.filter(revoked_at=None).update(expires_at=Least("expires_at", now + _OVERLAP))
    refresh = secrets.token_urlsafe(48)
    login.previous_hash, login.refresh_hash = hashed, hash_text(refresh)
    login.expires_at = now + REFRESH_LIFE
    login.save(update_fields=["previous_hash", "refresh_hash", "expires_at"])
    return _grant(login, login.user, refresh, now)


def _grant(login: DeviceLogin, user: User, refresh: str, now: datetime) -> Grant:
    # The name under which the stock client keeps a token it got this way.
    _, text = mint_token(
        user,
        name=f"oauth-{user.username}",
        role=TokenRole.WRITE,
        expires_at=now + ACCESS_LIFE,
        text=new_text(_TOKEN_PREFIX),
        login=login,
    )
    return Grant(text, refresh, int(ACCESS_LIFE.total_seconds()))


@transaction.atomic
def end_login(actor: Actor, *, login: DeviceLogin) -> None:
    """Sign a program out: neither its tokens nor its refresh token work any more."""
    if login.user_id != _person(actor).pk:
        raise PermissionDenied("This login is not yours.")
    _end(login, timezone.now())


def _end(login: DeviceLogin, now: datetime) -> None:
    DeviceLogin.objects.filter(pk=login.pk, revoked_at=None).update(revoked_at=now)
    login.tokens.filter(revoked_at=None).update(revoked_at=now)


def living_logins(user: User) -> QuerySet[DeviceLogin]:
    """The programs that are signed in as this person."""
    return DeviceLogin.objects.filter(user=user, revoked_at=None, expires_at__gt=timezone.now())


def login_rows(user: User) -> list[dict[str, object]]:
    """`login`, its program's `name` and when a token of it was `used` last, newest first, for the page."""
    rows = living_logins(user).annotate(used=Max("tokens__last_used_at")).order_by("-created_at")
    return [{"login": row, "name": client_name(row.client_id), "used": row.used} for row in rows]


def _waiting() -> QuerySet[DeviceCode]:
    return DeviceCode.objects.filter(status=DeviceStatus.PENDING, expires_at__gt=timezone.now())


def _user_hash(letters: str) -> str:
    # Keyed, since eight letters can be tried through by whoever reads the table.
    return salted_hmac("accounts.device", letters, algorithm="sha256").hexdigest()


def _person(actor: Actor) -> User:
    if actor.user is None or actor.token is not None:
        raise PermissionDenied("Sign in by browser to answer a login.")
    return actor.user
