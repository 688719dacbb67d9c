"""The GPU box's side of the hub, over HTTP alone: JSON and streams, with one token, bounded and patient."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from training.errors import Canceled, EngineError

MAX_ANSWER_BYTES = 4 * 1024**2
# Without a byte moving; the whole of a large transfer may take longer.
TRANSFER_SECONDS = 60.0


class NoLongerOurs(Canceled):
    """The hub gave the run to another attempt, or ended it; this one must stop and publish nothing."""


class NotClaimable(Exception):
    """There is nothing to claim: somebody else has the run, or it has ended."""


class HubUnreachable(EngineError):
    """The hub did not answer for as long as we were ready to wait."""


class HubRefused(EngineError):
    """The hub answered, and said no for a reason that waiting will not change."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__("worker:hub-refused", f"The hub answered {status}: {message}")
        self.status = status


class HubApi:
    """JSON over HTTP with one token; the token appears in no message and no log."""

    def __init__(self, endpoint: str, token: str, *, timeout: float = 20.0) -> None:
        if urllib.parse.urlsplit(endpoint).scheme not in ("http", "https"):
            raise ValueError(f"the hub's address must begin with http:// or https://, got {endpoint!r}")
        self.endpoint = endpoint.rstrip("/")
        self.token = token
        self.timeout = timeout
        # What to add to this machine's clock to have the hub's, in seconds: as its last answer was dated.
        self.skew = 0.0

    def now(self) -> datetime:
        """The hub's time, within two seconds, whatever this machine's clock says."""
        return datetime.fromtimestamp(time.time() + self.skew, UTC)

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        patience: float = 0.0,
        stop: threading.Event | None = None,
    ) -> dict[str, Any]:
        """POST and read a JSON object; network faults and 5xx are tried again for `patience` seconds.

        A `stop` that is set ends the patience.

        Raises NoLongerOurs on 401, 403 and 409, HubRefused on other 4xx, HubUnreachable when patience ends.
        """
        return self._call("POST", path, json.dumps(body).encode(), patience, stop)

    def get(self, path: str, *, patience: float = 0.0) -> dict[str, Any]:
        """GET and read a JSON object; raises as `post` does."""
        return self._call("GET", path, None, patience)

    def get_list(self, path: str, *, patience: float = 0.0) -> list[dict[str, Any]]:
        """GET and read a JSON list of objects; raises as `post` does."""
        found = self._call("GET", path, None, patience).get("items", [])
        return [item for item in found if isinstance(item, dict)]

    def _call(
        self,
        method: str,
        path: str,
        data: bytes | None,
        patience: float,
        stop: threading.Event | None = None,
    ) -> dict[str, Any]:
        deadline = time.monotonic() + patience
        pause = 0.25
        while True:
            try:
                return self._once(method, path, data)
            except _TryAgain as fault:
                if time.monotonic() + pause > deadline or (stop is not None and stop.is_set()):
                    raise HubUnreachable(
                        "worker:hub-unreachable", f"The hub does not answer: {fault}"
                    ) from None
            time.sleep(pause)
            pause = min(pause * 2, 5.0)

    def _once(self, method: str, path: str, data: bytes | None) -> dict[str, Any]:
        with self._answered(method, path, data, {"Content-Type": "application/json"}) as answer:
            return _json_object(answer.read(MAX_ANSWER_BYTES))

    @contextmanager
    def _answered(
        self, method: str, path: str, data: Any, headers: Mapping[str, str], timeout: float | None = None
    ) -> Iterator[Any]:
        """The hub's answer to one request; what goes wrong, also while it is read, in our own errors."""
        request = urllib.request.Request(  # noqa: S310 (scheme checked in __init__)
            self.endpoint + path,
            data=data,
            method=method,
            headers={"Authorization": f"Bearer {self.token}", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout or self.timeout) as answer:  # noqa: S310
                self._read_clock(answer.headers.get("Date"))
                yield answer
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.code, error.read(64 * 1024)) from None
        except (OSError, ValueError, http.client.HTTPException) as error:  # no connection, half an answer
            raise _TryAgain(type(error).__name__) from None

    def _read_clock(self, date: str | None) -> None:
        """Dates have whole seconds: less than two are no skew."""
        with suppress(TypeError, ValueError):
            apart = parsedate_to_datetime(date or "").timestamp() - time.time()
            self.skew = apart if abs(apart) > 2 else 0.0

    def put_stream(
        self, path: str, pieces: Iterable[bytes], size: int, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """PUT `size` bytes, one try; raises as `post` does."""
        length = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        try:
            with self._answered("PUT", path, pieces, {**length, **headers}, TRANSFER_SECONDS) as answer:
                return _json_object(answer.read(MAX_ANSWER_BYTES))
        except _TryAgain as fault:
            raise HubUnreachable("worker:hub-unreachable", f"The hub does not answer: {fault}") from None

    def get_stream(self, path: str) -> Iterator[bytes]:
        """GET in pieces of at most 1 MiB, one try; raises as `post` does."""
        try:
            with self._answered("GET", path, None, {}, TRANSFER_SECONDS) as answer:
                while piece := answer.read(1024**2):
                    yield piece
        except _TryAgain as fault:
            raise HubUnreachable("worker:hub-unreachable", f"The hub does not answer: {fault}") from None


class _TryAgain(Exception):
    """A fault that may pass."""


def _refusal(status: int, body: bytes) -> Exception:
    try:
        message = str(_json_object(body).get("error", ""))[:500]
    except ValueError:
        message = ""
    if status >= 500 or status in (408, 429):
        return _TryAgain(f"status {status}")
    if status in (401, 403, 409):
        return NoLongerOurs(message or "The hub no longer accepts this attempt.")
    return HubRefused(status, message or "no reason given")


def _json_object(body: bytes) -> dict[str, Any]:
    """A JSON object; a list comes as the object's `items`."""
    value = json.loads(body or b"{}")
    if isinstance(value, list):
        return {"items": value}
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value
