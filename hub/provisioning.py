"""What `manage.py provision` does for each thing it is told of: make it, or bring it to what was asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from accounts.models import AccessToken, Membership, Namespace, Organization, User
from accounts.people import make_organization, make_user, put_member
from accounts.tokens import hash_text, mint_token
from runs.models import Tier, Worker
from runs.workers import enroll_worker

_WORKER_TOKEN = re.compile(r"tyw_[A-Za-z0-9_-]{16,190}")


@dataclass
class TokenWish:
    """A token text an operator chose; role None is `write` for a new one, unchanged for an old one."""

    text: str
    role: str | None = None


@dataclass
class UserWish:
    """`--user` and the options after it; None leaves what is there."""

    name: str
    password: str | None = None
    email: str | None = None
    fullname: str | None = None
    staff: bool = False
    tokens: list[TokenWish] = field(default_factory=list)

    def fulfil(self) -> list[str]:
        """Make or change the user and their tokens; returns one line for each thing, naming no secret."""
        found = Namespace.objects.named(self.name).select_related("user").first()
        if found is None:
            user = make_user(
                name=self.name,
                password=self.password,
                email=self.email or "",
                fullname=self.fullname or "",
                staff=self.staff,
            )
            note = "" if self.password else " (no password: no browser login)"
            lines = [f"user {self.name}: made{note}"]
        elif found.user is None:
            raise ValidationError(f"{found.name!r} is an organization, not a user.")
        else:
            user = found.user
            lines = [f"user {user.username}: {_changed(self._change(user))}"]
        return lines + [_put_token(user, wish) for wish in self.tokens]

    def _change(self, user: User) -> list[str]:
        changed = []
        for name in ("email", "fullname"):
            wanted = getattr(self, name)
            if wanted is not None and wanted != getattr(user, name):
                setattr(user, name, wanted)
                changed.append(name)
        if self.staff and not (user.is_staff and user.is_superuser):
            user.is_staff = user.is_superuser = True
            changed.append("staff")
        if self.password and not user.check_password(self.password):
            user.set_password(self.password)
            changed.append("password")
        if changed:
            user.save()
        return changed


@dataclass
class OrganizationWish:
    """`--org` and the options after it; members are (user name, role)."""

    name: str
    fullname: str | None = None
    private_by_default: bool = False
    members: list[tuple[str, str]] = field(default_factory=list)

    def fulfil(self) -> list[str]:
        """Make or change the organization and its members; returns one line for each thing."""
        found = Namespace.objects.named(self.name).select_related("organization").first()
        if found is None:
            organization = make_organization(
                name=self.name, fullname=self.fullname or "", private_by_default=self.private_by_default
            )
            lines = [f"organization {self.name}: made"]
        elif found.organization is None:
            raise ValidationError(f"{found.name!r} is a user, not an organization.")
        else:
            organization = found.organization
            lines = [f"organization {found.name}: {_changed(self._change(organization))}"]
        return lines + [self._put_member(organization, name, role) for name, role in self.members]

    def _change(self, organization: Organization) -> list[str]:
        changed = []
        if self.fullname is not None and self.fullname != organization.fullname:
            organization.fullname = self.fullname
            changed.append("fullname")
        if self.private_by_default and not organization.private_by_default:
            organization.private_by_default = True
            changed.append("private by default")
        if changed:
            organization.save()
        return changed

    def _put_member(self, organization: Organization, name: str, role: str) -> str:
        user = User.objects.filter(username__iexact=name).first()
        if user is None:
            raise ValidationError(f"No user {name!r}: put --user {name} before the --org it is a member of.")
        before = Membership.objects.filter(organization=organization, user=user).first()
        if before is not None and before.role == role:
            return f"member {user.username} of {self.name}: {role}, there already"
        put_member(organization, user, role)
        return f"member {user.username} of {self.name}: {role}, {'changed' if before else 'added'}"


@dataclass
class WorkerWish:
    """`--worker` with the flavors it takes, and whose it is. Without a token given, one is made and shown."""

    name: str
    flavors: list[str] = field(default_factory=list)
    tokens: list[TokenWish] = field(default_factory=list)
    tier: str | None = None
    owner: str | None = None

    def fulfil(self) -> list[str]:
        """Enroll the worker, or leave it alone when nothing about it changes."""
        text = self.tokens[-1].text if self.tokens else None
        if text is not None and not _WORKER_TOKEN.fullmatch(text):
            raise ValidationError("A worker's token is 'tyw_' and 16 to 190 letters, digits, '-' or '_'.")
        found = Worker.objects.filter(name=self.name).select_related("owner").first()
        wanted = self._wanted(found)
        if found is None or (text is not None and found.token_hash != hash_text(text)):
            _, made = enroll_worker(
                self.name, flavors=wanted["flavors"], text=text, tier=wanted["tier"], owner=wanted["owner"]
            )
            shown = "" if text else f", HUB_WORKER_TOKEN={made} (shown this once)"
            return [f"worker {self.name}: {'new token' if found else 'made'}{shown}"]
        changed = [name for name, value in wanted.items() if value != getattr(found, name)]
        if changed:
            Worker.objects.filter(pk=found.pk).update(**wanted)
        return [f"worker {self.name}: {_changed(changed)}"]

    def _wanted(self, found: Worker | None) -> dict[str, Any]:
        """What the row is to hold: what the options say, else what is there."""
        owner = found.owner if found else None
        if self.owner is not None:
            owner = Namespace.objects.named(self.owner).first()
            if owner is None:
                raise ValidationError(
                    f"Nobody is called {self.owner!r}: put their --user or --org before it."
                )
        tier = Tier(self.tier or (found.tier if found else Tier.OWNER if owner else Tier.TRUSTED))
        if owner is None and tier == Tier.OWNER:
            raise ValidationError(f"The worker {self.name} takes its owner's runs only, and has no --owner.")
        flavors = self.flavors or (list(found.flavors) if found else ["cpu-basic"])
        return {"flavors": flavors, "tier": tier, "owner": owner}


Wish = UserWish | OrganizationWish | WorkerWish


def _put_token(user: User, wish: TokenWish) -> str:
    found = AccessToken.objects.filter(hash=hash_text(wish.text)).select_related("user").first()
    if found is None:
        token, _ = mint_token(user, name="provisioned", role=wish.role or "write", text=wish.text)
        return f"token {token.prefix}… of {user.username}: {token.role}, made"
    if found.user_id != user.pk:
        raise ValidationError(f"The token {found.prefix}… belongs to {found.user.username}.")
    if found.revoked_at is not None:
        raise ValidationError(f"The token {found.prefix}… of {user.username} was revoked: choose another.")
    if wish.role is None or wish.role == found.role:
        return f"token {found.prefix}… of {user.username}: {found.role}, there already"
    found.role = wish.role
    found.save(update_fields=["role"])
    return f"token {found.prefix}… of {user.username}: {found.role}, changed"


def _changed(names: list[str]) -> str:
    return f"changed {', '.join(names)}" if names else "there already"
