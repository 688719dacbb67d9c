"""Signing in with a password: names in any case, guessing slowed down, suspended people refused."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts import throttle
from accounts.models import User


class AccountBackend(ModelBackend):
    """The only backend, so that the admin's login has the same rules as the hub's own."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The user, or None; PermissionDenied when too many wrong passwords came before."""
        if username is None or password is None:
            return None
        if request is not None and not throttle.may_try(request, username):
            raise PermissionDenied
        stored = User.objects.filter(username__iexact=username).values_list("username", flat=True).first()
        user = super().authenticate(request, username=stored or username, password=password)
        if request is not None:
            (throttle.note_failure if user is None else throttle.forget_failures)(request, username)
        return user

    def user_can_authenticate(self, user: Any) -> bool:
        """Asked at login and on every request of a session, so suspending works at once."""
        return super().user_can_authenticate(user) and not user.is_suspended
