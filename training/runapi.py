"""Claims of runs, and the endpoints that one attempt may speak to with its own token."""

from __future__ import annotations

import math
import threading
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.errors import EngineError
from training.hubclient import HubApi, HubRefused, NoLongerOurs, NotClaimable
from training.origin import Pinned


@dataclass(frozen=True)
class Kept:
    """The newest checkpoint that the hub keeps of a run: steps taken, size and SHA-256 of what it sends."""

    step: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Claim:
    """What the hub hands to the attempt that got the run.

    `kind`: `train` or `preflight`; the latter publishes nothing and has no `target`. `memory_limit_bytes`:
    None for as much as this machine has. `body` is the answer itself, token and all.
    """

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
    kind: str = "train"
    timeout_seconds: float = math.inf
    checkpoint: Kept | None = None
    memory_limit_bytes: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Claim:
        """Raises EngineError when the hub speaks another dialect than we do."""
        try:
            benchmark, kept, limit = (body.get(k) for k in ("benchmark", "checkpoint", "memory_limit_bytes"))
            return cls(
                run=str(body["run"]),
                url=str(body.get("url", "")),
                attempt=int(body["attempt"]),
                token=str(body["token"]),
                recipe=body["recipe"],
                base=_pinned(body["base"]),
                dataset=_pinned(body["dataset"]),
                benchmark=_pinned(benchmark) if benchmark else None,
                target=str((body["target"] or {"repo": ""})["repo"]),
                heartbeat_seconds=float(body.get("heartbeat_seconds", 5)),
                published_oid=body.get("published_oid"),
                kind=str(body.get("kind", "train")),
                timeout_seconds=float(body.get("timeout_seconds") or math.inf),
                checkpoint=Kept(int(kept["step"]), int(kept["bytes"]), str(kept["sha256"])) if kept else None,
                memory_limit_bytes=int(limit) if limit else None,
                body=dict(body),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError("worker:protocol", f"The hub's answer to a claim lacks {error}.") from None

    def without_token(self) -> dict[str, Any]:
        """The hub's answer as the run's own process may know it."""
        return {name: value for name, value in self.body.items() if name != "token"}


def _pinned(body: Mapping[str, Any]) -> Pinned:
    return Pinned(str(body["repo"]), str(body["oid"]))


@dataclass(frozen=True)
class Offer:
    """What a worker has to offer: names of flavors, versions that decide a number, and its hardware."""

    name: str
    flavors: Sequence[str]
    versions: Mapping[str, str]
    hardware: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        plain = {
            "flavors": list(self.flavors),
            "versions": dict(self.versions),
            "hardware": dict(self.hardware),
        }
        return {"worker": self.name, **plain}


def claim_next(api: HubApi, offer: Offer) -> Claim | None:
    """The next run for this worker, if one waits; one try. Raises NoLongerOurs where the token counts for
    nothing, HubUnreachable, HubRefused."""
    body = api.post("/api/runs/claim", offer.as_dict())
    return Claim.from_json(body) if body else None


def claim_run(api: HubApi, run_id: str, offer: Offer, *, patience: float = 0.0) -> Claim:
    """Claim this one run with the worker's token. Raises NotClaimable, HubUnreachable."""
    try:
        return Claim.from_json(api.post(f"/api/runs/{run_id}/claim", offer.as_dict(), patience=patience))
    except (NoLongerOurs, HubRefused) as refusal:
        raise NotClaimable(refusal.message) from None


class RunApi:
    """The endpoints of one attempt, with the run's own token."""

    def __init__(self, endpoint: str, claim: Claim) -> None:
        self.api = HubApi(endpoint, claim.token)
        self.claim = claim

    def go_on_as(self, claim: Claim) -> None:
        """Speak as the attempt of another claim to the same run from now on."""
        self.api.token, self.claim = claim.token, claim

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

    def keep_checkpoint(self, step: int, pieces: Iterable[bytes], size: int, sha256: str) -> None:
        """Hand the hub a checkpoint after `step`; one try."""
        query = urllib.parse.urlencode({"attempt": self.claim.attempt, "step": step})
        path = f"/api/runs/{self.claim.run}/checkpoint?{query}"
        self.api.put_stream(path, pieces, size, {"X-Checksum-Sha256": sha256})

    def kept_checkpoint(self) -> Iterator[bytes]:
        """The checkpoint that the hub keeps, in pieces; one try."""
        query = urllib.parse.urlencode({"attempt": self.claim.attempt})
        return self.api.get_stream(f"/api/runs/{self.claim.run}/checkpoint?{query}")

    def _post(
        self, what: str, body: Mapping[str, Any], patience: float, stop: threading.Event | None = None
    ) -> dict[str, Any]:
        path = f"/api/runs/{self.claim.run}/{what}"
        return self.api.post(path, {"attempt": self.claim.attempt, **body}, patience=patience, stop=stop)
