"""Slowing down those who guess: failures counted in the cache by name and address."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest


@dataclass(frozen=True)
class Limit:
    """At most `most` notes within `seconds`; the window begins with the first one."""

    area: str
    most: int
    seconds: int

    def is_full(self, who: str) -> bool:
        return cache.get(self._key(who), 0) >= self.most

    def note(self, who: str) -> None:
        """Count one; expiry is set by the first of a window."""
        key = self._key(who)
        cache.add(key, 0, self.seconds)
        try:
            cache.incr(key)
        except ValueError:  # the window ended between the two calls
            cache.set(key, 1, self.seconds)

    def forget(self, who: str) -> None:
        cache.delete(self._key(who))

    def _key(self, who: str) -> str:
        return f"throttle:{self.area}:{hashlib.sha256(who.encode()).hexdigest()[:32]}"


# By name and address for one guesser, by address for many names, by name for many addresses (generous, since
# anybody can use it up and keep the owner out).
ONE_GUESSER = Limit("login-pair", 8, 15 * 60)
ONE_ADDRESS = Limit("login-address", 40, 15 * 60)
ONE_NAME = Limit("login-name", 200, 15 * 60)
SIGN_UPS = Limit("sign-up", 30, 3600)


def address_of(request: HttpRequest) -> str:
    """The client's address; behind HUB_PROXIES proxies, what the outermost of ours wrote down."""
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    if 0 < settings.HUB_PROXIES <= len(hops):
        return hops[-settings.HUB_PROXIES]
    return str(request.META.get("REMOTE_ADDR", ""))


def may_try(request: HttpRequest, name: str) -> bool:
    """Whether another password for this name may be tried from here."""
    return not any(limit.is_full(who) for limit, who in _login_limits(request, name))


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
