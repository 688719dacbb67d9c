"""The GPU box's side of the hub, over HTTP alone: claim a run, fetch its inputs, report, finish."""

from __future__ import annotations

import errno
import json
import logging
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from training.errors import Canceled, EngineError, UserError
from training.origin import MODEL_FILES, Pinned

log = logging.getLogger(__name__)

T = TypeVar("T")
MAX_ANSWER_BYTES = 4 * 1024**2


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
        request = urllib.request.Request(  # noqa: S310 (scheme checked in __init__)
            self.endpoint + path,
            data=data,
            method=method,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:  # noqa: S310
                return _json_object(answer.read(MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.code, error.read(64 * 1024)) from None
        except (OSError, ValueError) as error:  # no connection, reset, timeout, half an answer
            raise _TryAgain(type(error).__name__) from None


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


@dataclass(frozen=True)
class Claim:
    """What the hub hands to the attempt that got the run."""

    run: str
    url: str
    attempt: int
    token: str
    recipe: Mapping[str, Any]
    base: Pinned
    dataset: Pinned
    benchmark: Pinned | None
    target: str
    heartbeat_seconds: float
    published_oid: str | None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Claim:
        """Raises EngineError when the hub speaks another dialect than we do."""
        try:
            benchmark = body.get("benchmark")
            return cls(
                run=str(body["run"]),
                url=str(body.get("url", "")),
                attempt=int(body["attempt"]),
                token=str(body["token"]),
                recipe=body["recipe"],
                base=_pinned(body["base"]),
                dataset=_pinned(body["dataset"]),
                benchmark=_pinned(benchmark) if benchmark else None,
                target=str(body["target"]["repo"]),
                heartbeat_seconds=float(body.get("heartbeat_seconds", 5)),
                published_oid=body.get("published_oid"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError("worker:protocol", f"The hub's answer to a claim lacks {error}.") from None


def _pinned(body: Mapping[str, Any]) -> Pinned:
    return Pinned(str(body["repo"]), str(body["oid"]))


def claim_run(
    api: HubApi,
    run_id: str,
    *,
    name: str,
    flavors: Sequence[str],
    versions: Mapping[str, str],
    patience: float,
) -> Claim:
    """Claim with the worker's token. Raises NotClaimable, HubUnreachable."""
    body = {"worker": name, "flavors": list(flavors), "versions": dict(versions)}
    try:
        return Claim.from_json(api.post(f"/api/runs/{run_id}/claim", body, patience=patience))
    except NoLongerOurs as refusal:
        raise NotClaimable(refusal.message) from None
    except HubRefused as refusal:
        raise NotClaimable(refusal.message) from None


class RunApi:
    """The endpoints of one attempt, with the run's own token."""

    def __init__(self, endpoint: str, claim: Claim) -> None:
        self.api = HubApi(endpoint, claim.token)
        self.claim = claim

    def report(self, body: Mapping[str, Any]) -> bool:
        """Send progress (an empty body is a heartbeat); True when to cancel. One try only."""
        return bool(self._post("report", body, 0.0).get("cancel"))

    def result(
        self, evaluation: Mapping[str, Any], *, patience: float, stop: threading.Event | None = None
    ) -> dict[str, Any]:
        """Tell what was measured; the answer is `{"proof", "date", "metric", "value"}` of what is ranked."""
        answer = self._post("result", {"evaluation": dict(evaluation)}, patience, stop)
        words = {name: str(answer[name]) for name in ("proof", "date", "metric")}
        return {**words, "value": float(answer["value"])}

    def finish(
        self, outcome: str, *, patience: float, stop: threading.Event | None = None, **fields: Any
    ) -> None:
        """End this attempt: completed, error, canceled or interrupted."""
        self._post("finish", {"outcome": outcome, **fields}, patience, stop)

    def _post(
        self, what: str, body: Mapping[str, Any], patience: float, stop: threading.Event | None = None
    ) -> dict[str, Any]:
        path = f"/api/runs/{self.claim.run}/{what}"
        return self.api.post(path, {"attempt": self.claim.attempt, **body}, patience=patience, stop=stop)


def persist(work: Callable[[], T], *, pauses: Sequence[float] = (1, 2, 4, 8, 16, 32)) -> T:
    """Do a transfer with the stock client, again after each pause while what failed may pass (a restart)."""
    for pause in pauses:
        try:
            return work()
        except Exception as error:
            if not may_pass(error):
                raise
            log.warning("a transfer failed (%s); trying again in %g s", type(error).__name__, pause)
            time.sleep(pause)
    return work()


def may_pass(error: Exception) -> bool:
    """Whether a transfer's failure is of the network or of a hub that restarts, not an answer of the hub."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return (status >= 500 and status != HTTPStatus.INSUFFICIENT_STORAGE) or status in (408, 429)
    if isinstance(error, OSError):
        return error.errno not in (errno.ENOSPC, errno.EDQUOT)
    # The client's transport and hf-xet's native half have roots of their own.
    return isinstance(error, RuntimeError) or type(error).__module__.startswith("httpx")


def fetch(pinned: Pinned, repo_type: str, *, endpoint: str, token: str, cache_dir: Path) -> Path:
    """Download a repo at its commit with the stock client and return the folder.

    Of a model only what is read is fetched: never code, never pickles. Raises UserError when the hub refuses.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        folder = persist(
            lambda: snapshot_download(
                pinned.repo,
                repo_type=repo_type,
                revision=pinned.oid,
                endpoint=endpoint,
                token=token,
                cache_dir=cache_dir,
                allow_patterns=MODEL_FILES if repo_type == "model" else None,
            )
        )
    except (RepositoryNotFoundError, RevisionNotFoundError):
        text = f"The {repo_type} {pinned.repo} at {pinned.oid[:8]} can no longer be read."
        raise UserError("run:repo-unreadable", text) from None
    return Path(folder)
