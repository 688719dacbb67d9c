"""What people do to accounts: each verb checks the actor and writes in one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction

from accounts import people
from accounts.actor import Actor
from accounts.lookalikes import plain_text
from accounts.mail import ask_for_proof
from accounts.models import AccessToken, Membership, Organization, Role, TokenRole, User
from accounts.tokens import living_tokens, mint_token, revoke_token

MAX_TOKENS = 100


def sign_up(actor: Actor, *, username: str, password: str, email: str = "", fullname: str = "") -> User:
    """A new user, where registration is open or staff does it; ValidationError names what is wrong."""
    if settings.HUB_REGISTRATION != "open" and not _is_staff(actor):
        raise PermissionDenied("Registration is closed on this hub: ask its operator for an account.")
    validate_password(password, User(username=username, email=email))
    made = people.make_user(name=username, password=password, email=email, fullname=fullname)
    ask_for_proof(made)
    return made


@transaction.atomic
def create_organization(
    actor: Actor, *, name: str, fullname: str = "", private_by_default: bool = False
) -> Organization:
    """A new organization whose first admin is the actor."""
    user = actor.at_browser()
    organization = people.make_organization(
        name=name, fullname=fullname, private_by_default=private_by_default
    )
    people.put_member(organization, user, Role.ADMIN)
    return organization


@transaction.atomic
def change_organization(
    actor: Actor,
    *,
    organization: Organization,
    fullname: str,
    website: str,
    details: str,
    private_by_default: bool,
) -> None:
    """Change what others see of it and how its repos start; repos made earlier stay as they are."""
    _require_admin(actor, organization)
    organization.fullname, organization.website = plain_text(fullname), website
    organization.details, organization.private_by_default = plain_text(details), private_by_default
    organization.full_clean()
    organization.save()


@transaction.atomic
def set_member(actor: Actor, *, organization: Organization, user: User, role: str) -> Membership:
    """Add a member or change a role; an organization keeps at least one admin."""
    _lock(organization)
    _require_admin(actor, organization)
    if role != Role.ADMIN:
        _require_other_admin(organization, user)
    return people.put_member(organization, user, role)


@transaction.atomic
def remove_member(actor: Actor, *, organization: Organization, user: User) -> None:
    """End a membership; members may leave by themselves, the last admin may not."""
    _lock(organization)
    if actor.user != user:
        _require_admin(actor, organization)
    _require_other_admin(organization, user)
    Membership.objects.filter(organization=organization, user=user).delete()


@transaction.atomic
def change_profile(actor: Actor, *, fullname: str, bio: str, email: str, run_mail: str | None = None) -> User:
    """Change what others see of the actor, the address the hub writes to, and about which runs."""
    user = actor.at_browser()
    is_new = email != user.email
    if is_new:
        user.email_verified = False
    user.fullname, user.bio, user.email = plain_text(fullname), plain_text(bio), email
    user.run_mail = run_mail or user.run_mail
    user.full_clean(exclude=["password"])
    user.save(update_fields=["fullname", "bio", "email", "email_verified", "run_mail"])
    if is_new:
        ask_for_proof(user)
    return user


def change_password(actor: Actor, *, old: str, new: str) -> User:
    """A new password for somebody who knows the old one; every other session of theirs ends.

    In no transaction: hashing takes long on purpose, and other writers would wait for it.
    """
    user = actor.at_browser()
    if not user.check_password(old):
        raise ValidationError("This is not your password.", code="old")
    validate_password(new, user)
    user.set_password(new)
    user.save(update_fields=["password"])
    return user


@transaction.atomic
def create_token(
    actor: Actor,
    *,
    name: str,
    role: str,
    scopes: dict[str, Any] | None = None,
    expires_at: datetime | None = None,
) -> tuple[AccessToken, str]:
    """A token of the actor's own with its text, shown once; only people make tokens, never a token."""
    user = actor.at_browser()
    if role == TokenRole.FINE_GRAINED and not (scopes or {}).get("repos"):
        raise ValidationError("A fine-grained token names at least one repo.", code="scopes")
    if living_tokens().filter(user=user, login=None, scopes__run__isnull=True).count() >= MAX_TOKENS:
        raise ValidationError(f"You have {MAX_TOKENS} tokens: revoke one first.", code="limit")
    return mint_token(user, name=name, role=role, scopes=scopes, expires_at=expires_at)


@transaction.atomic
def end_token(actor: Actor, *, token: AccessToken) -> None:
    """Revoke a token of the actor's own; staff may revoke anybody's."""
    if token.user_id != actor.at_browser().pk and not _is_staff(actor):
        raise PermissionDenied("This token is not yours.")
    revoke_token(token)


@transaction.atomic
def suspend(actor: Actor, *, user: User) -> None:
    """Lock a person out: no login, no session, no token works until restored. Nothing they made is hidden."""
    _require_staff(actor)
    if user == actor.user:
        raise ValidationError("You cannot suspend yourself.", code="self")
    User.objects.filter(pk=user.pk).update(is_suspended=True)


@transaction.atomic
def restore(actor: Actor, *, user: User) -> None:
    """Let a suspended person back in."""
    _require_staff(actor)
    User.objects.filter(pk=user.pk).update(is_suspended=False)


def _is_staff(actor: Actor) -> bool:
    return actor.user is not None and actor.token is None and actor.user.is_staff


def _require_staff(actor: Actor) -> None:
    if not _is_staff(actor):
        raise PermissionDenied("Only staff may do this.")


def _require_admin(actor: Actor, organization: Organization) -> None:
    admins = Membership.objects.filter(organization=organization, role=Role.ADMIN)
    if not _is_staff(actor) and not admins.filter(user=actor.at_browser()).exists():
        raise PermissionDenied("Only an admin of the organization may do this.")


def _lock(organization: Organization) -> None:
    # Of two admins who leave at the same moment one must see that the other has.
    Organization.objects.select_for_update().filter(pk=organization.pk).first()


def _require_other_admin(organization: Organization, user: User) -> None:
    admins = Membership.objects.filter(organization=organization, role=Role.ADMIN)
    if admins.filter(user=user).exists() and not admins.exclude(user=user).exists():
        raise ValidationError("An organization keeps at least one admin.", code="last-admin")
