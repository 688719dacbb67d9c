"""Server-sent events within bounds: a stream ends after a while, and only so many run at once.

Clients are made for that: they come again and go on where they were. A stream holds a thread of the web
server, so without bounds a few followers could keep everybody else out.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.http import StreamingHttpResponse

# How long one stream lasts, how often it looks, and how long it is silent at most (all in seconds). A client
# that does not follow recognises a drained log by five silent seconds, so the silence must be longer.
STREAM_SECONDS = 180.0
POLL_SECONDS = 1.0
SILENCE_SECONDS = 15.0
MAX_STREAMS = 8
_KEEP_ALIVE = b": keep-alive\n\n"

_slots = threading.BoundedSemaphore(MAX_STREAMS)


def sse(data: dict[str, Any], event: str = "") -> bytes:
    """One event; its data is one line of JSON."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()


class Slot:
    """The right to follow: one of `MAX_STREAMS`. Give it back, or give it to a response that will."""

    def __init__(self) -> None:
        self._held = _slots.acquire(blocking=False)

    def __bool__(self) -> bool:
        return self._held

    def release(self) -> None:
        """Let somebody else follow; doing it twice is harmless."""
        if self._held:
            self._held = False
            _slots.release()


def follow(poll: Callable[[], Iterable[bytes] | None]) -> Iterator[bytes]:
    """What `poll` finds, until it says None (there will be no more) or the stream's time is over.

    A comment opens the stream, so that headers go out at once, and keeps it alive while there is nothing.
    """
    yield _KEEP_ALIVE
    end = time.monotonic() + STREAM_SECONDS
    spoke = time.monotonic()
    while True:
        found = poll()
        if found is None:
            return
        for event in found:
            yield event
            spoke = time.monotonic()
        now = time.monotonic()
        if now >= end:
            return
        if now - spoke >= SILENCE_SECONDS:
            yield _KEEP_ALIVE
            spoke = now
        time.sleep(min(POLL_SECONDS, max(0.0, end - now)))


class _Held:
    """An iterator that gives its slot back when the response is closed, also if nobody ever read from it."""

    def __init__(self, events: Iterator[bytes], slot: Slot) -> None:
        self._events = events
        self._slot = slot

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._events)

    def close(self) -> None:
        self._slot.release()


def event_stream(events: Iterator[bytes], slot: Slot | None = None) -> StreamingHttpResponse:
    """The response; the slot, where one is needed, is free again when it is closed."""
    held = _Held(events, slot) if slot else events
    response = StreamingHttpResponse(held, content_type="text/event-stream")
    response["Cache-Control"] = "no-cache, no-store"
    response["X-Accel-Buffering"] = "no"  # a proxy in front must pass every line on at once
    return response
