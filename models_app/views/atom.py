"""Feeds as Atom: entries in, an answer out that need not be sent again while nothing changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.feedgenerator import Atom1Feed
from django.utils.http import http_date
from django.views.decorators.http import require_safe

MAX_AGE = 300


@dataclass(frozen=True)
class Entry:
    """One thing in a feed; `key` names it for good."""

    key: str
    title: str
    address: str
    at: datetime
    author: str = ""
    text: str = ""


@dataclass(frozen=True)
class Channel:
    """A feed: what it is of, and where that is."""

    title: str
    address: str
    entries: list[Entry]
    since: datetime | None = None


class _Atom(Atom1Feed):
    """Without entries a feed is as old as what it is of, not new at every look."""

    def latest_post_date(self) -> datetime:
        if self.items or self.feed["since"] is None:
            return super().latest_post_date()
        moment: datetime = self.feed["since"]
        return moment


def feed(make: Callable[..., Channel]) -> Callable[..., HttpResponseBase]:
    """The view of a function that makes a channel; in English, as programs are answered."""

    @require_safe
    @wraps(make)
    def view(request: HttpRequest, **words: object) -> HttpResponseBase:
        with translation.override("en"):
            return _answer(request, make(**words))

    return view


def _answer(request: HttpRequest, channel: Channel) -> HttpResponseBase:
    site = settings.HUB_PUBLIC_URL
    atom = _Atom(
        title=channel.title,
        link=site + channel.address,
        description="",
        language="en",
        author_name="Tuneyard",
        feed_url=site + request.path,
        feed_guid=site + request.path,
        since=channel.since,
    )
    for entry in channel.entries:
        atom.add_item(
            title=entry.title,
            link=site + entry.address,
            description=entry.text or entry.title,
            unique_id=f"{site}/feeds/entry/{entry.key}",
            pubdate=entry.at,
            updateddate=entry.at,
            author_name=entry.author or "Tuneyard",
        )
    body = atom.writeString("utf-8").encode()
    # Readers ask every few minutes for what seldom changes.
    newest = max((entry.at for entry in channel.entries), default=channel.since)
    response = HttpResponse(body, content_type="application/atom+xml; charset=utf-8")
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"' if newest else None
    response["ETag"] = etag or ""
    if newest is not None:
        response["Last-Modified"] = http_date(newest.timestamp())
    patch_cache_control(response, public=True, max_age=MAX_AGE)
    stamp = int(newest.timestamp()) if newest else None
    return get_conditional_response(request, etag, stamp, response) or response
