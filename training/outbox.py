"""Finished runs until the hub has them: result, last words and what it was not told yet, safe from a restart.

`home/outbox/<run>/` holds `result/` and `delivery.json`; the latter is written last and can be read by its
owner alone, for the run's token is in it.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import publish as publishing
from training.errors import EngineError
from training.faults import HUB_FULL
from training.hubclient import HubUnreachable
from training.recipe import parse_recipe
from training.runapi import Claim, RunApi
from training.transfers import may_pass

log = logging.getLogger(__name__)

NOTE, RESULT = "delivery.json", "result"
PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)


@dataclass
class Delivery:
    """One finished run; `unsent` is the rest of its report (see `HubReporter.unsent`)."""

    folder: Path
    claim: Claim
    summary: Mapping[str, Any]
    unsent: Mapping[str, Any]

    @classmethod
    def pack(
        cls,
        home: Path,
        claim: Claim,
        result: Path | None,
        *,
        summary: Mapping[str, Any],
        unsent: Mapping[str, Any],
    ) -> Delivery:
        """Put a run's result into the outbox; `result` is None for a run that publishes nothing."""
        folder = home / "outbox" / claim.run
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        if result is not None:
            result.rename(folder / RESULT)
        made = cls(folder, claim, summary, unsent)
        made.note()
        return made

    def note(self) -> None:
        """Write down, or again after the claim has changed, what a restarted worker needs to go on."""
        plain = {"claim": dict(self.claim.body), "summary": self.summary, "unsent": self.unsent}
        part = self.folder / f"{NOTE}.part"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(plain, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / NOTE)

    def drop(self) -> None:
        """It has arrived, or nobody waits for it any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def publish(
        self, hub: RunApi, check: Callable[[], None], regained: Callable[[int], bool], *, seconds: float
    ) -> str:
        """Commit the result, again and again for so long; the commit's oid, empty where nothing is published.

        `regained(attempt)` tells whether a refusal only meant that the run is another attempt's by now, which
        is ours too. Raises what `check` raises, UserError where the target is gone, and EngineError when
        patience ends.
        """
        if not (self.folder / RESULT).is_dir():
            return ""
        recipe, deadline = parse_recipe(self.claim.recipe), time.monotonic() + seconds
        pauses = iter((*PAUSES, *[PAUSES[-1]] * 10**6))
        while True:
            check()
            attempt = hub.claim.attempt
            try:
                return publishing.publish(
                    self.folder / RESULT, claim=hub.claim, recipe=recipe, endpoint=hub.api.endpoint
                )
            except Exception as error:
                pause = next(pauses)
                if not (may_pass(error) or _hub_is_full(error)):
                    if not regained(attempt):
                        raise
                    continue
                if time.monotonic() + pause > deadline:
                    raise _given_up(error) from None
                log.warning("run %s: publishing failed (%s)", hub.claim.run, type(error).__name__)
            _rest(pause, check)


def waiting(home: Path) -> Iterator[Delivery]:
    """What an earlier process of this worker could not deliver; halves of deliveries are removed."""
    for folder in sorted((home / "outbox").glob("*")):
        delivery = None
        with suppress(OSError, ValueError, KeyError, TypeError, EngineError):
            plain = json.loads((folder / NOTE).read_text())
            unsent = {"metrics": [], "logs": [], "seq": 0, **plain["unsent"]}
            delivery = Delivery(folder, Claim.from_json(plain["claim"]), plain["summary"], unsent)
        if delivery is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            yield delivery


def _hub_is_full(error: Exception) -> bool:
    return getattr(getattr(error, "response", None), "status_code", None) == 507


def _given_up(error: Exception) -> EngineError:
    if _hub_is_full(error):
        return EngineError("hub:disk-full", HUB_FULL)
    return HubUnreachable("hub:unreachable", "The result could not be published: the hub did not answer.")


def _rest(seconds: float, check: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        check()
        time.sleep(0.2)
