"""Making people and groups without asking who may: for `accounts.actions` and for operators."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import Membership, Namespace, Organization, Role, User
from accounts.names import validate_namespace_name


class NameTaken(ValidationError):
    """A user or an organization has the name already, in whatever case."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The name {name!r} is taken.", code="taken")


def make_user(
    *, name: str, password: str | None = None, email: str = "", fullname: str = "", staff: bool = False
) -> User:
    """A user with their namespace; without a password they cannot sign in by browser.

    Raises ValidationError (malformed or reserved name) or NameTaken; nothing is made then.
    """
    validate_namespace_name(name)
    email = User.objects.normalize_email(email)
    user = User(username=name, email=email, fullname=fullname, is_staff=staff, is_superuser=staff)
    user.set_password(password)  # outside the transaction: it takes long on purpose, and writers would wait
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            Namespace.objects.create(name=name, user=user)
    except IntegrityError as error:
        raise NameTaken(name) from error
    return user


def make_organization(*, name: str, fullname: str = "", private_by_default: bool = False) -> Organization:
    """An organization with its namespace and no members yet. Raises like `make_user`."""
    validate_namespace_name(name)
    try:
        with transaction.atomic():
            made = Organization.objects.create(fullname=fullname, private_by_default=private_by_default)
            Namespace.objects.create(name=name, organization=made)
    except IntegrityError as error:
        raise NameTaken(name) from error
    return made


def put_member(organization: Organization, user: User, role: str) -> Membership:
    """Make the user a member with this role, or change the role; ValidationError on an unknown role."""
    if role not in Role.values:
        raise ValidationError(f"A role is one of {', '.join(Role.values)}, not {role!r}.", code="role")
    membership, _ = Membership.objects.update_or_create(
        organization=organization, user=user, defaults={"role": role}
    )
    return membership
