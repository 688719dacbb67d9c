"""The worker's own life: a process kept ready, results of earlier lives delivered, and run after run."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from training import publish as publishing
from training.childprocess import ChildProcess
from training.errors import EngineError, TrainingError
from training.execute import Attempt
from training.hubclient import HubApi, HubRefused, HubUnreachable, NoLongerOurs
from training.machine import hardware
from training.outbox import waiting
from training.runapi import Claim, Offer, claim_next
from training.workplace import WorkerSettings, prune, tidy

log = logging.getLogger(__name__)

READY_SECONDS = 180.0
# Between two questions for work while there is none. With a broker, which wakes us, asking is a precaution.
FIRST_PAUSE, GROWTH = 1.0, 1.5
POLLING_PAUSE, WOKEN_PAUSE = 15.0, 30.0
JITTER = 0.25
HELLO_SECONDS = 10.0
NO_WORD = EngineError("worker:failed", "The worker could not start the process of this run.")


class Runner:
    """Everything between two runs; `run` belongs in a thread that lives as long as the worker: the processes
    of runs die with the thread that started them."""

    def __init__(self, settings: WorkerSettings, stop: threading.Event) -> None:
        self.settings, self.stop = settings, stop
        self.api = HubApi(settings.endpoint, settings.token)
        self.offer = Offer(settings.name, settings.flavors, publishing.versions(), hardware())
        self.state = "active"
        self.rounds = 0
        self._spare: ChildProcess | None = None
        self._woken = threading.Event()
        self._pause = FIRST_PAUSE
        self._hello_at, self._hello_seconds = 0.0, HELLO_SECONDS
        self._complaint = ""

    def run(self) -> None:
        """Ask for work and do it until told to stop."""
        tidy(self.settings.home)
        try:
            self._deliver_leftovers()
            while not self.stop.is_set():
                if not self._take_one():
                    self.rounds += 1
                    self._rest()
        except Exception:  # a bug of ours must end the worker, not leave a deaf process behind
            log.exception("the worker stops")
            self.stop.set()
        finally:
            self._hello("stopping")
            if self._spare is not None:
                self._spare.close()

    def wake(self) -> None:
        """There may be work. Returns when there is none left: who is busy must take no more messages, which
        are for others then."""
        before = self.rounds
        self._woken.set()
        while self.rounds == before and not self.stop.is_set():
            time.sleep(0.05)

    def _take_one(self) -> bool:
        """Do the next run, if there is one for us."""
        if not self._is_ready():
            return False
        claim = self._claim()
        if claim is None:
            return False
        log.info("run %s: attempt %d begins", claim.run, claim.attempt)
        self._hello("busy")
        Attempt(claim, self.settings, self.offer, self.stop, self._take_child).carry_out()
        prune(self.settings.home)
        self._pause, self._hello_at = FIRST_PAUSE, 0.0
        return True

    def _claim(self) -> Claim | None:
        if time.monotonic() >= self._hello_at:
            self._hello("idle")
        if self.state != "active":
            self._complain(f"the hub wants this worker to be {self.state}")
            return None
        try:
            claim = claim_next(self.api, self.offer)
        except NoLongerOurs as refusal:
            self._complain(refusal.message)
        except (HubUnreachable, HubRefused, EngineError) as error:
            self._complain(error.message)
        else:
            self._complain("")
            return claim
        return None

    def _hello(self, doing: str) -> None:
        """Tell the hub that we are here, and learn what it wants of us; it may not know the question yet."""
        body = {**self.offer.as_dict(), "doing": doing}
        with suppress(TrainingError, ValueError, TypeError):
            answer: Mapping[str, Any] = self.api.post("/api/workers/hello", body)
            self.state = str(answer.get("state", "active"))
            self._hello_seconds = max(0.2, float(answer.get("heartbeat_seconds", HELLO_SECONDS)))
        self._hello_at = time.monotonic() + self._hello_seconds

    def _complain(self, text: str) -> None:
        """Once for each reason, not at every question."""
        if text and text != self._complaint:
            log.warning("no work now: %s", text)
        self._complaint = text

    def _rest(self) -> None:
        """Wait for a message, or for the next question; hello is said in between."""
        longest = POLLING_PAUSE if self.settings.polls else WOKEN_PAUSE
        pause = min(self._pause, longest) if self.settings.polls else longest
        self._pause = min(self._pause * GROWTH, longest)
        until = time.monotonic() + pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
        while time.monotonic() < until and not self.stop.is_set():
            if self._woken.wait(min(0.5, max(0.0, until - time.monotonic()))):
                break
            if time.monotonic() >= self._hello_at:
                self._hello("idle")
        self._woken.clear()

    # --- processes of runs

    def _is_ready(self) -> bool:
        """Whether a process waits for a job; nothing is claimed before, so that a broken installation takes
        no run down with it."""
        if self._spare is not None and self._spare.status is not None:
            log.warning("the process kept ready has ended: %s", " / ".join(self._spare.tail))
            self._spare.close()
            self._spare = None
        if self._spare is None:
            spare = ChildProcess(self.settings.home)
            if not spare.wait_ready(READY_SECONDS):
                log.error("no process can be kept ready: %s", " / ".join(spare.tail))
                spare.close()
                return False
            self._spare = spare
        return True

    def _take_child(self) -> ChildProcess:
        if not self._is_ready() or self._spare is None:
            raise NO_WORD
        spare, self._spare = self._spare, None
        return spare

    def _deliver_leftovers(self) -> None:
        for delivery in waiting(self.settings.home):
            log.info("run %s: its result is still here", delivery.claim.run)
            Attempt(delivery.claim, self.settings, self.offer, self.stop, self._take_child).carry_on(delivery)
