"""Programs signed in by a device code: access tokens, and refresh tokens that rotate (RFC 6749 section 6)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Least
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import DeviceLogin, TokenRole, User
from accounts.tokens import hash_text, mint_token, new_text

# The stock client renews when less than a day is left: a month of silence ends nothing, half a year does.
ACCESS_LIFE = timedelta(days=30)
REFRESH_LIFE = timedelta(days=180)
# A renewed token's predecessor: other processes of the same machine may still hold it.
_OVERLAP = timedelta(days=1)
STOCK_CLIENT = "26be6b09-91c5-47da-9861-d2d2bb7a7e36"
_TOKEN_PREFIX = "hf_oauth_"  # noqa: S105


class OAuthError(Exception):
    """A refusal as OAuth has it: `code` for programs, `description` for people (RFC 6749 section 5.2)."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code, self.description = code, description


@dataclass(frozen=True)
class Grant:
    """What a device is handed; `expires_in` counts seconds of the access token."""

    access_token: str
    refresh_token: str
    expires_in: int


def client_name(client_id: str) -> str:
    """What people call the program."""
    return "hf, the Hugging Face client" if client_id == STOCK_CLIENT else client_id


def begin_login(user: User, *, client_id: str, now: datetime) -> Grant:
    """Sign a program in; call inside a transaction."""
    refresh = secrets.token_urlsafe(48)
    login = DeviceLogin.objects.create(
        user=user,
        client_id=client_id,
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
    if login.user_id != actor.at_browser().pk:
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
