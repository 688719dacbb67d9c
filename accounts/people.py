"""Making people and groups without asking who may: for `accounts.actions` and for operators."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.lookalikes import plain_text, skeleton
from accounts.models import Membership, Namespace, Organization, Role, User
from accounts.names import RESERVED, validate_namespace_name

_RESERVED_LOOKS = {skeleton(word): word for word in RESERVED}


class NameTaken(ValidationError):
    """A user or an organization has the name already, in whatever case."""

    def __init__(self, name: str) -> None:
        super().__init__(_("The name %(name)s is taken."), code="taken", params={"name": repr(name)})


class NameTooAlike(ValidationError):
    """The name cannot be told from one that is here, or from a word of the hub's own, at a glance."""

    def __init__(self, name: str, other: str) -> None:
        super().__init__(
            _("The name %(name)s looks too much like %(other)s, which is taken."),
            code="taken",
            params={"name": repr(name), "other": repr(other)},
        )


def check_new_name(name: str) -> None:
    """ValidationError unless a new user or organization may be called so; who is here keeps theirs."""
    validate_namespace_name(name)
    if Namespace.objects.named(name).exists():
        raise NameTaken(name)
    look = skeleton(name)
    other = Namespace.objects.filter(skeleton=look).values_list("name", flat=True).first()
    if other is None:
        other = _RESERVED_LOOKS.get(look)
    if other is not None:
        raise NameTooAlike(name, other)


def make_user(
    *, name: str, password: str | None = None, email: str = "", fullname: str = "", staff: bool = False
) -> User:
    """A user with their namespace; without a password they cannot sign in by browser.

    Raises ValidationError (malformed or reserved name) or NameTaken; nothing is made then.
    """
    check_new_name(name)
    email = User.objects.normalize_email(email)
    user = User(username=name, email=email, fullname=plain_text(fullname), is_staff=staff, is_superuser=staff)
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
    check_new_name(name)
    try:
        with transaction.atomic():
            made = Organization.objects.create(
                fullname=plain_text(fullname), private_by_default=private_by_default
            )
            Namespace.objects.create(name=name, organization=made)
    except IntegrityError as error:
        raise NameTaken(name) from error
    return made


def put_member(organization: Organization, user: User, role: str) -> Membership:
    """Make the user a member with this role, or change the role; ValidationError on an unknown role."""
    if role not in Role.values:
        raise ValidationError(f"A role is one of {', '.join(Role.values)}, not {role!r}.", code="role")
    membership, _made = Membership.objects.update_or_create(
        organization=organization, user=user, defaults={"role": role}
    )
    return membership
