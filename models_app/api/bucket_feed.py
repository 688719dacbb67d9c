"""What changes in a bucket, as it happens: `GET /api/buckets/{id}/events` (section 16).

The feed is read off the log of events: its cursor is the number of the last event told. A session begins with
what the caller has missed, says `ready`, follows for a while and ends with `reconnect`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from rest_framework.request import Request

from accounts.actor import Actor
from accounts.tokens import still_valid
from models_app.access import Refusal
from models_app.api import sse
from models_app.api.bucket_view import BucketAPIView
from models_app.api.wire import WireError, error_response, read_time, wire_time
from models_app.buckets import check_bucket
from models_app.models import Bucket, Event, EventTag

# Further back than so many batches, listing the bucket again is quicker than replaying.
MAX_REPLAYED = 200
BUSY = "Too many clients are following at the moment; please come again."
_TIMES = ("uploadedAt", "mtime")


class BucketEvents(BucketAPIView):
    """GET …/events?cursor=|?since=: `changes`, `ready`, `reset`, `reconnect`; without either what comes.

    503 with `Retry-After` when as many are following as the hub has threads for.
    """

    def get(self, request: Request, **words: str) -> HttpResponseBase:
        bucket = self.bucket()
        missed = _missed(bucket, request)
        slot = sse.Slot()
        if not slot:
            return error_response(503, BUSY, headers={"Retry-After": "20"})
        return sse.event_stream(_session(self.actor, bucket, missed), slot)


def _batches(bucket: Bucket) -> QuerySet[Event]:
    rows = Event.objects.filter(tag=EventTag.BUCKET_CHANGE, data__bucket=str(bucket.uuid))
    return rows.order_by("pk")


def _missed(bucket: Bucket, request: Request) -> QuerySet[Event] | None:
    """What to replay: after the cursor, or since a time; None for nothing. WireError 400 for neither."""
    cursor, since = request.GET.get("cursor", ""), request.GET.get("since", "")
    if cursor:
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
            raise WireError(400, "'cursor' is not one of this feed.")
        return _batches(bucket).filter(pk__gt=int(cursor))
    if since:
        return _batches(bucket).filter(at__gt=_time(since))
    return None


def _time(text: str) -> datetime:
    moment = read_time(text[:64])
    if moment is None:
        raise WireError(400, "'since' must be a time in ISO 8601 with its zone.")
    return moment


def _session(actor: Actor, bucket: Bucket, missed: QuerySet[Event] | None) -> Iterator[bytes]:
    last = bucket.last_event
    if missed is not None:
        events = list(missed[: MAX_REPLAYED + 1])
        if len(events) > MAX_REPLAYED:
            yield sse.sse({"reason": "too far behind: list the bucket again"}, "reset")
            return
        yield from map(_changes, events)
        last = max([last, *(event.pk for event in events)])
    yield sse.sse({"cursor": str(last)}, "ready")
    feed = _Feed(actor, bucket, last)
    yield from sse.follow(feed.poll)
    yield sse.sse({"cursor": str(feed.last)}, "reconnect")


class _Feed:
    """Where one follower is."""

    def __init__(self, actor: Actor, bucket: Bucket, last: int) -> None:
        self._actor = actor
        self._bucket = bucket
        self.last = last

    def poll(self) -> list[bytes] | None:
        """The batches since the last look; None once the follower may not read the bucket any more."""
        bucket = Bucket.objects.select_related("namespace").filter(pk=self._bucket.pk).first()
        if bucket is None or not still_valid(self._actor.token):
            return None
        try:
            check_bucket(Actor(self._actor.user, self._actor.token), bucket)
        except Refusal:
            return None
        if bucket.last_event <= self.last:
            return []
        events = list(_batches(bucket).filter(pk__gt=self.last)[:MAX_REPLAYED])
        self.last = events[-1].pk if events else bucket.last_event
        return [_changes(event) for event in events]


def _changes(event: Event) -> bytes:
    changes = [_change(change) for change in event.data["changes"]]
    return sse.sse({"cursor": str(event.pk), "changes": changes}, "changes")


def _change(change: dict[str, Any]) -> dict[str, Any]:
    """As kept, with times as the wire has them and without what is not known."""
    times = {name: wire_time(datetime.fromisoformat(change[name])) for name in _TIMES if change.get(name)}
    return {name: value for name, value in change.items() if value is not None} | times
