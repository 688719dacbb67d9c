"""Slowing down those who guess or flood: failures and calls counted by name and address.

Counted in the database, because several web processes answer the same people.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Tally


@dataclass(frozen=True)
class Limit:
    """At most `most` notes within `seconds`; the window begins with the first one."""

    area: str
    most: int
    seconds: int

    def is_full(self, who: str) -> bool:
        return (self._running(who).values_list("count", flat=True).first() or 0) >= self.most

    def note(self, who: str) -> None:
        """Count one; the first of a window sets its end."""
        now = timezone.now()
        with transaction.atomic():
            Tally.objects.filter(until__lte=now).delete()
            first = {"count": 1, "until": now + timedelta(seconds=self.seconds)}
            row, made = Tally.objects.get_or_create(key=self._key(who), defaults=first)
            if not made:
                Tally.objects.filter(pk=row.pk).update(count=F("count") + 1)

    def forget(self, who: str) -> None:
        Tally.objects.filter(key=self._key(who)).delete()

    def headers(self, who: str) -> dict[str, str]:
        """What a client may read of a full limit (wire section 1); the stock one waits as long as it says."""
        until = self._running(who).values_list("until", flat=True).first()
        left = max(1, math.ceil((until - timezone.now()).total_seconds())) if until else 1
        name = self.area.replace("-", "_")  # the stock client reads word characters only
        return {
            "Retry-After": str(left),
            "RateLimit": f'"{name}";r=0;t={left}',
            "RateLimit-Policy": f'"fixed window";"{name}";q={self.most};w={self.seconds}',
        }

    def _running(self, who: str) -> QuerySet[Tally]:
        return Tally.objects.filter(key=self._key(who), until__gt=timezone.now())

    def _key(self, who: str) -> str:
        return f"{self.area}:{hashlib.sha256(who.encode()).hexdigest()[:32]}"


# By name and address for one guesser, by address for many names, by name for many addresses (generous, since
# anybody can use it up and keep the owner out).
ONE_GUESSER = Limit("login-pair", 8, 15 * 60)
ONE_ADDRESS = Limit("login-address", 40, 15 * 60)
ONE_NAME = Limit("login-name", 200, 15 * 60)
SIGN_UPS = Limit("sign-up", 30, 3600)
# Logins of devices: begun, asked after, and codes that somebody typed and nobody was given.
DEVICE_STARTS = Limit("device-start", 60, 15 * 60)
DEVICE_POLLS = Limit("device-token", 1200, 15 * 60)
DEVICE_GUESSES = Limit("device-code", 10, 15 * 60)
UPLOADS = Limit("uploads", 120, 3600)


def address_of(request: HttpRequest) -> str:
    """The client's address; behind HUB_PROXIES proxies, what the outermost of ours wrote down."""
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    if 0 < settings.HUB_PROXIES <= len(hops):
        return hops[-settings.HUB_PROXIES]
    return str(request.META.get("REMOTE_ADDR", ""))


def may_try(request: HttpRequest, name: str) -> bool:
    """Whether another password for this name may be tried from here."""
    return not any(limit.is_full(who) for limit, who in _login_limits(request, name))


def wait_headers(request: HttpRequest, name: str) -> dict[str, str]:
    """The headers of the first limit that keeps this name from being tried from here, if any does."""
    full = (limit.headers(who) for limit, who in _login_limits(request, name) if limit.is_full(who))
    return next(full, {})


def note_failure(request: HttpRequest, name: str) -> None:
    """A wrong password."""
    for limit, who in _login_limits(request, name):
        limit.note(who)


def forget_failures(request: HttpRequest, name: str) -> None:
    """The right password: this person's own slips are forgiven."""
    ONE_GUESSER.forget(_pair(request, name))


def _pair(request: HttpRequest, name: str) -> str:
    return f"{name.lower()}\n{address_of(request)}"


def _login_limits(request: HttpRequest, name: str) -> list[tuple[Limit, str]]:
    address = address_of(request)
    return [(ONE_GUESSER, _pair(request, name)), (ONE_ADDRESS, address), (ONE_NAME, name.lower())]
