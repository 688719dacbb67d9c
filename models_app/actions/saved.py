"""Searches are saved, changed and forgotten; what is new in them is told of."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.lookalikes import plain_text
from models_app.access import check_person
from models_app.actions.notes import Note, put_note
from models_app.actions.refusals import InvalidInput
from models_app.finding import clean_query
from models_app.models import NoteKind, SavedSearch
from models_app.saved import TYPES, new_count, newest_key

MAX_SAVED = 50
MAX_QUERY, MAX_TITLE = 1000, 100
# A search is looked at so often, and so many in one round.
PAUSE = timedelta(hours=1)
MAX_CHECKED = 200


class SavedAlready(InvalidInput):
    """The person has the same search under some name; `row` is it."""

    def __init__(self, row: SavedSearch) -> None:
        super().__init__(_("You have saved this search already, as “%(title)s”.") % {"title": row.title})
        self.row = row


def save_search(actor: Actor, *, repo_type: str, query: str, title: str) -> SavedSearch:
    """Keep a list's filters under a name; what comes from now on is new. InvalidInput, SavedAlready."""
    person = check_person(actor)
    if repo_type not in TYPES:
        raise InvalidInput(_("Searches of models, datasets, spaces and kernels can be saved."))
    clean = clean_query(repo_type, QueryDict(query[: 4 * MAX_QUERY]))
    if len(clean) > MAX_QUERY:
        raise InvalidInput(_("This search is too long to be saved: choose fewer filters."))
    title = checked_title(title)
    with transaction.atomic():
        if SavedSearch.objects.filter(user=person).count() >= MAX_SAVED:
            words = _("You have %(most)d saved searches: delete one first.")
            raise InvalidInput(words % {"most": MAX_SAVED})
        row = SavedSearch(user=person, repo_type=repo_type, query=clean, title=title, seen_pk=newest_key())
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            raise SavedAlready(
                SavedSearch.objects.get(user=person, repo_type=repo_type, query=clean)
            ) from None
    return row


def change_saved(
    actor: Actor, *, row: SavedSearch, title: str | None = None, alert: bool | None = None
) -> None:
    """Another name, or whether it is told of."""
    check_person(actor)
    if title is not None:
        row.title = checked_title(title)
    if alert is not None:
        row.has_alert = alert
    row.save(update_fields=["title", "has_alert"])


def see_saved(actor: Actor, *, row: SavedSearch) -> None:
    """Its person looks at the list: nothing there is new any more."""
    check_person(actor)
    SavedSearch.objects.filter(pk=row.pk).update(seen_pk=newest_key(), told=0, checked_at=timezone.now())


def forget_saved(actor: Actor, *, row: SavedSearch) -> None:
    """Delete it."""
    check_person(actor)
    row.delete()


def check_saved(now: datetime) -> int:
    """Tell of what is new since the last round, those that have waited longest first; how many were looked
    at. Safe to run twice at once."""
    due = SavedSearch.objects.filter(has_alert=True, checked_at__lte=now - PAUSE)
    due = due.filter(user__is_active=True, user__is_suspended=False)
    keys = list(due.order_by("checked_at", "pk").values_list("pk", flat=True)[:MAX_CHECKED])
    for key in keys:
        _check(key, now)
    return len(keys)


def _check(key: int, now: datetime) -> None:
    with transaction.atomic():
        mine = SavedSearch.objects.filter(pk=key, checked_at__lte=now - PAUSE)
        if not mine.update(checked_at=now):
            return  # another worker has it
        row = SavedSearch.objects.select_related("user").get(pk=key)
        new = new_count(Actor(row.user), row)
        if new <= row.told:
            return
        SavedSearch.objects.filter(pk=key).update(told=new)
        about = {"title": row.title, "new": new}
        put_note(Note(NoteKind.SEARCH, f"search:{row.pk}", {row.user_id}, None, f"/saved/{row.uuid}", about))


def checked_title(text: str) -> str:
    """The name as it is kept, or InvalidInput."""
    title = plain_text(text)
    if not 1 <= len(title) <= MAX_TITLE:
        raise InvalidInput(_("A name has 1 to %(most)d characters.") % {"most": MAX_TITLE})
    return title
