"""One attempt at one run, from the claim to the last word to the hub; a process of its own does the work."""

from __future__ import annotations

import logging
import math
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training import publish as publishing
from training.childprocess import ChildProcess
from training.errors import Canceled, EngineError, Interrupted, TrainingError, UserError
from training.faults import fault_message
from training.hearing import Hearing
from training.hubclient import HubApi, NoLongerOurs, NotClaimable
from training.hubreporter import HubReporter, interruptible
from training.keeper import leave_kept, prepare
from training.machine import memory_bytes
from training.origin import Pinned
from training.outbox import Delivery
from training.overseer import MACHINE_SHARE, TIMEOUT, Limits, in_hours
from training.recipe import parse_recipe
from training.runapi import Claim, Offer, RunApi, claim_run
from training.transfers import fetch
from training.workplace import WorkerSettings

log = logging.getLogger(__name__)

INTERRUPTED_PATIENCE = 3.0
# After a stop, a result that is on its way has so long to arrive.
LAST_DELIVERY_SECONDS = 8.0
UNCUT = "This machine does not let the worker cut the network off from the run's process."


class Attempt:
    """What one attempt needs at hand; `carry_out` tells the hub how it ended, if the hub still listens.

    `take_child` gives the process that does the work.
    """

    def __init__(
        self,
        claim: Claim,
        settings: WorkerSettings,
        offer: Offer,
        stop: threading.Event,
        take_child: Callable[[], ChildProcess],
    ) -> None:
        self.claim, self.settings, self.offer, self.stop = claim, settings, offer, stop
        self.take_child = take_child
        self.hub = RunApi(settings.endpoint, claim)
        self.reporter = HubReporter(self.hub, stop)
        self.reporter.regain = self._regain
        self.folder = settings.home / "runs" / claim.run
        self.patience = settings.delivery_hours * 3600
        self.began = time.monotonic()
        self.stopped_at: float | None = None
        self.delivery: Delivery | None = None
        self.fetched: dict[tuple[str, Pinned], str] = {}

    def carry_out(self) -> None:
        """Do the work and finish; every kind of end has its own line here. Never raises."""
        self.reporter.start()
        try:
            self._work()
        except NoLongerOurs as verdict:
            self._leave(verdict.message)
        except Canceled:
            self._finish("canceled")
        except Interrupted:
            self._finish("interrupted")
        except UserError as error:
            self.reporter.log(error.message)
            self._finish("error", message_id=error.message_id, message=error.message)
        except Exception as error:  # whatever it is, the visitor must not wait for ever
            self._finish_fault(error)

    def carry_on(self, delivery: Delivery) -> None:
        """Deliver what an earlier process of this worker has left. Never raises."""
        self.reporter.take(dict(delivery.unsent))
        # The hub has not heard of this attempt since that process ended.
        self.reporter.heard_at = -math.inf
        self.reporter.start()
        try:
            self._deliver(delivery)
        except NoLongerOurs as verdict:
            self._leave(verdict.message)
        except Exception as error:
            self._finish_fault(error)

    def _work(self) -> None:
        recipe = parse_recipe(self.claim.recipe)
        if self.claim.published_oid:
            self._finish("completed", **self._adopt_published())
            return
        self._announce("fetching")
        benchmark, base = self.claim.benchmark, self.claim.base
        job = {
            "kind": self.claim.kind,
            "claim": self.claim.without_token(),
            "base_dir": self._fetch(base, "model") if base.repo else None,
            "data_dir": self._fetch(self.claim.dataset, "dataset"),
            "bench_dir": self._fetch(benchmark, "dataset") if benchmark and recipe.benchmark else None,
            "work_dir": str(self.folder),
            "cache_dir": str(self.settings.home / "cache" / "features"),
            "checkpoint_seconds": self.settings.checkpoint_seconds,
        }
        prepare(self.hub, self.reporter, self.folder)
        job["fetch_seconds"] = round(time.monotonic() - self.began, 2)
        summary = self._compute(job)["summary"]
        result = self.folder / "result" if self.claim.kind == "train" else None
        unsent = self.reporter.unsent()
        home = self.settings.home
        self._deliver(Delivery.pack(home, self.hub.claim, result, summary=summary, unsent=unsent))

    def _compute(self, job: dict[str, Any]) -> dict[str, Any]:
        """The last word of the process that does the job."""
        limits = Limits(
            seconds=self.claim.timeout_seconds - (time.monotonic() - self.began),
            memory_bytes=self.claim.memory_limit_bytes or int(memory_bytes() * MACHINE_SHARE),
            told_seconds=self.claim.timeout_seconds,
        )
        child = self.take_child()
        if child.network == "open":
            self.reporter.log(UNCUT)
        pace, patience = self.settings.checkpoint_seconds, self.patience
        hearing = Hearing(
            child, self.hub, self.reporter, self.folder, limits, checkpoint_seconds=pace, patience=patience
        )
        try:
            return hearing.attend(job)
        finally:
            child.close()

    def _deliver(self, delivery: Delivery) -> None:
        """Publish and finish. What a stop leaves undelivered stays in the outbox for the next start."""
        self.delivery = delivery
        self.reporter.stage("publishing")
        try:
            oid = interruptible(
                lambda: delivery.publish(self.hub, self._hurry, self._regained, seconds=self.patience),
                self._hurry,
            )
            while not self.reporter.deliver():
                self._hurry()
                time.sleep(0.5)
        except Interrupted:
            log.info("run %s: its result waits in the outbox", self.claim.run)
            self.reporter.close()
            return
        except Exception:
            delivery.drop()
            raise
        if self._finish("completed", result_oid=oid, summary=dict(delivery.summary)):
            delivery.drop()

    def _adopt_published(self) -> dict[str, Any]:
        """An earlier attempt died between publishing and saying so: say it for it, and publish nothing."""
        self._announce("finishing what an earlier attempt published")
        folder = self.folder / "published"
        manifest = interruptible(
            lambda: publishing.published_manifest(self.claim, endpoint=self.settings.endpoint, folder=folder),
            self._check,
        )
        return {"result_oid": self.claim.published_oid, "summary": publishing.summary_of(manifest)}

    def _fetch(self, pinned: Pinned, repo_type: str) -> str:
        """The folder with its files; what is learned from and measured on may be one repo."""
        if (repo_type, pinned) in self.fetched:
            return self.fetched[repo_type, pinned]
        self.reporter.log(f"fetching {repo_type} {pinned.repo} at {pinned.oid[:8]}")
        cache = self.settings.home / "cache" / "hub"
        endpoint, token = self.settings.endpoint, self.hub.claim.token
        found: Path = interruptible(
            lambda: fetch(pinned, repo_type, endpoint=endpoint, token=token, cache_dir=cache), self._check
        )
        self.fetched[repo_type, pinned] = str(found)
        return str(found)

    def _announce(self, activity: str) -> None:
        self.reporter.stage(activity)
        self._check()

    # --- what the hub, the clock and the operator want

    def _check(self) -> None:
        self.reporter.check()
        limit = self.claim.timeout_seconds
        if time.monotonic() - self.began > limit:
            raise EngineError("run:timeout", TIMEOUT.format(limit=in_hours(limit)))

    def _hurry(self) -> None:
        """Once publishing has begun a cancel is too late, and a stop waits for it for a moment."""
        verdict = self.reporter.verdict
        if isinstance(verdict, NoLongerOurs):
            raise verdict
        if self.stop.is_set():
            self.stopped_at = self.stopped_at or time.monotonic()
            if time.monotonic() - self.stopped_at > LAST_DELIVERY_SECONDS:
                raise Interrupted

    def _regain(self) -> bool:
        """The hub has given up on us because it did not hear of us: ask for the run again, and go on where we
        are if nobody has had it in between."""
        api = HubApi(self.settings.endpoint, self.settings.token)
        try:
            claim = claim_run(api, self.claim.run, self.offer)
        except (NotClaimable, TrainingError):
            return False
        if claim.attempt != self.hub.claim.attempt + 1:
            self._give_back(claim)
            return False
        log.info("run %s: ours again, as attempt %d", claim.run, claim.attempt)
        self.hub.go_on_as(claim)
        if self.delivery is not None:
            self.delivery.claim = claim
            self.delivery.note()
        return True

    def _regained(self, attempt: int) -> bool:
        """Whether the run has become another attempt of ours since. Raises NoLongerOurs if it is lost."""
        for _ in range(3):
            if self.reporter.touch():
                break
        self._hurry()
        return self.hub.claim.attempt != attempt

    def _give_back(self, claim: Claim) -> None:
        try:
            RunApi(self.settings.endpoint, claim).finish("interrupted", patience=INTERRUPTED_PATIENCE)
        except TrainingError:
            log.info("run %s: the hub will notice that nobody works on it", claim.run)

    # --- ends

    def _finish_fault(self, error: Exception) -> None:
        """Tell a fault of the machine from a run that was taken away while a transfer was under way."""
        try:
            self._regained(self.hub.claim.attempt)
        except (NoLongerOurs, Interrupted):
            self._leave(type(error).__name__)
            return
        log.error("run %s failed", self.claim.run, exc_info=error)
        message_id, message = fault_message(error)
        self.reporter.log(message)
        self._finish("error", message_id=message_id, message=message)

    def _leave(self, reason: str) -> None:
        """The run is not ours any more: nothing of it stays here, and nothing more is said."""
        log.info("run %s: %s", self.claim.run, reason)
        self.reporter.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.delivery is not None:
            self.delivery.drop()

    def _finish(self, outcome: str, **fields: Any) -> bool:
        """Say the last word; False when the hub could not be told."""
        interrupted = outcome == "interrupted"
        patience, stop = (INTERRUPTED_PATIENCE, None) if interrupted else (self.patience, self.stop)
        self.reporter.close()
        try:
            self.hub.finish(outcome, patience=patience, stop=stop, **fields)
            log.info("run %s: %s", self.claim.run, outcome)
        except NoLongerOurs as verdict:  # also when our first finish arrived and only its answer was lost
            log.info("run %s: %s", self.claim.run, verdict.message)
        except EngineError as error:
            log.warning("run %s: the hub was not told that it %s: %s", self.claim.run, outcome, error.message)
            return False
        if interrupted and self.folder.is_dir():
            leave_kept(self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        return True
