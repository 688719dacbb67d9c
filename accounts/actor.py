"""Who is asking, and what the credential in hand may do at most."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property

from django.core.exceptions import PermissionDenied

from accounts.models import AccessToken, Membership, Namespace, Role, TokenRole, User


class Level(enum.IntEnum):
    """What somebody may do with a repo; compared, never a set of booleans."""

    NONE = 0
    READ = 1
    WRITE = 2
    ADMIN = 3


_ROLE_LEVELS = {
    Role.READ: Level.READ,
    Role.CONTRIBUTOR: Level.READ,
    Role.WRITE: Level.WRITE,
    Role.ADMIN: Level.ADMIN,
}
_SCOPE_LEVELS = {"read": Level.READ, "write": Level.WRITE, "admin": Level.ADMIN}


@dataclass(frozen=True)
class Actor:
    """A user with the token they came by (none for a browser session); anonymous is an actor too."""

    user: User | None = None
    token: AccessToken | None = None

    @property
    def is_anonymous(self) -> bool:
        return self.user is None

    @cached_property
    def namespace_levels(self) -> dict[int, Level]:
        """What the user is in each namespace they belong to, by namespace id; one or two queries, kept."""
        if self.user is None:
            return {}
        levels = dict.fromkeys(
            Namespace.objects.filter(user=self.user).values_list("pk", flat=True), Level.ADMIN
        )
        rows = Membership.objects.filter(user=self.user).values_list("organization__namespace__pk", "role")
        levels.update({pk: _ROLE_LEVELS[Role(role)] for pk, role in rows if pk is not None})
        return levels

    @property
    def is_scoped(self) -> bool:
        """Whether the token lists what it reaches (fine-grained and run tokens)."""
        return self.token is not None and self.token.role == TokenRole.FINE_GRAINED

    def namespace_ceiling(self, namespace: Namespace) -> Level:
        """The most this credential allows in a namespace, whatever the user could do."""
        if self.token is None or self.token.role == TokenRole.WRITE:
            return Level.ADMIN
        if self.token.role == TokenRole.READ:
            return Level.READ
        return _SCOPE_LEVELS.get(self.token.scopes.get("namespaces", {}).get(namespace.name, ""), Level.NONE)

    def repo_ceiling(self, repo_type: str, repo_id: str, namespace: Namespace) -> Level:
        """The most this credential allows on one repo (public repos stay readable by every credential)."""
        listed = (
            self.token.scopes.get("repos", {}).get(f"{repo_type}:{repo_id}", "")
            if self.is_scoped and self.token
            else ""
        )
        return max(self.namespace_ceiling(namespace), _SCOPE_LEVELS.get(listed, Level.NONE))

    def at_browser(self) -> User:
        """Whoever sits at a browser, for what no token may do; PermissionDenied for tokens and nobody."""
        if self.user is None or self.token is not None:
            raise PermissionDenied("Sign in by browser to change an account.")
        return self.user


ANONYMOUS = Actor()
