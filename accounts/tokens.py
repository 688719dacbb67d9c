"""Access tokens: made once, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import AccessToken, DeviceLogin, TokenRole, User
from accounts.prepared import Prepared

TOKEN_PREFIX = "hf_"  # noqa: S105
_LETTERS = string.ascii_letters
_TEXT = re.compile(r"hf_[A-Za-z0-9_-]{1,197}")
# Writing the time of every use would make each read of a busy client a database write.
_USE_GRAIN = timedelta(minutes=1)
_BY_HASH = Prepared(lambda hash: AccessToken.objects.filter(hash=hash).select_related("user"), "hash")


def new_text(prefix: str = TOKEN_PREFIX) -> str:
    """A fresh token text in the form the field's tools recognise: the prefix and 34 random letters."""
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(34))


def hash_text(text: str) -> str:
    """What the hub keeps of a token (64 hex). Unsalted, because 34 random letters cannot be guessed."""
    return hashlib.sha256(text.encode()).hexdigest()


def mint_token(
    user: User,
    *,
    name: str,
    role: str,
    scopes: dict[str, Any] | None = None,
    expires_at: datetime | None = None,
    text: str | None = None,
    login: DeviceLogin | None = None,
) -> tuple[AccessToken, str]:
    """Make a token; its text is never seen again. ValueError on a malformed role or text."""
    if role not in TokenRole.values:
        raise ValueError(f"A token's role is one of {', '.join(TokenRole.values)}, not {role!r}.")
    text = text or new_text()
    if not _TEXT.fullmatch(text):
        raise ValueError("A token is 'hf_' and 1 to 197 letters, digits, '-' or '_'.")
    token = AccessToken.objects.create(
        user=user,
        name=name[:100],
        prefix=text[:7],
        hash=hash_text(text),
        role=role,
        scopes=scopes or {},
        expires_at=expires_at,
        login=login,
    )
    return token, text


def find_token(text: str) -> AccessToken | None:
    """The living token with this text, or None: unknown, expired, revoked, user suspended."""
    if not text.startswith(TOKEN_PREFIX) or len(text) > 200:
        return None
    token = _BY_HASH.first(hash_text(text))
    if token is None or not token.is_living(timezone.now()):
        return None
    _note_use(token)
    return token


def still_valid(token: AccessToken | None) -> bool:
    """Ask the database again: for the last look inside a transaction, before something is made public."""
    return token is None or living_tokens().filter(pk=token.pk).exists()


def revoke_token(token: AccessToken) -> None:
    """End the token now; revoking twice keeps the first time."""
    AccessToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
    token.refresh_from_db(fields=["revoked_at"])


def living_tokens() -> QuerySet[AccessToken]:
    """Tokens that work now: not expired, not revoked, their user neither inactive nor suspended.

    The twin of `AccessToken.is_living` (tested).
    """
    alive = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return AccessToken.objects.filter(alive, revoked_at=None, user__is_active=True, user__is_suspended=False)


def _note_use(token: AccessToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > _USE_GRAIN:
        with transaction.atomic():
            AccessToken.objects.filter(pk=token.pk).update(last_used_at=now)
        token.last_used_at = now


def rename_scope(old: str, new: str) -> None:
    """Let fine-grained tokens follow a repo that moved; `old` and `new` are `type:namespace/name`."""
    if old == new:
        return
    rows = AccessToken.objects.filter(role=TokenRole.FINE_GRAINED, scopes__repos__has_key=old)
    for token in rows.select_for_update():
        token.scopes["repos"][new] = token.scopes["repos"].pop(old)
        token.save(update_fields=["scopes"])
