"""What somebody wants to be told of, and where."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.models import Digest, User
from models_app.actions.refusals import InvalidInput
from models_app.models import NoteKind, NoteSetting


@transaction.atomic
def choose_notes(actor: Actor, *, wanted: Mapping[str, tuple[bool, str]], digest: str, by_mail: bool) -> None:
    """Keep for each kind whether the inbox shows it and how it goes by mail; InvalidInput changes nothing."""
    user = actor.at_browser()
    if digest not in Digest.values:
        raise InvalidInput(_("Choose how often the digest comes."))
    if any(
        kind not in NoteKind.values or mail not in NoteSetting.Mail.values
        for kind, (_on, mail) in wanted.items()
    ):
        raise InvalidInput(_("Choose for every kind how it goes by mail."))
    User.objects.filter(pk=user.pk).update(digest=digest, note_mail=by_mail)
    NoteSetting.objects.bulk_create(
        [NoteSetting(user=user, kind=kind, in_site=on, mail=mail) for kind, (on, mail) in wanted.items()],
        update_conflicts=True,
        unique_fields=["user", "kind"],
        update_fields=["in_site", "mail"],
    )
