"""Attending to a run's process: what it tells goes to the hub, what the hub and the clock want goes to it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.childprocess import MAX_OUTPUT_LINES, ChildProcess
from training.errors import Canceled, EngineError, Interrupted, UserError
from training.hubclient import NoLongerOurs
from training.hubreporter import MAX_STEP, Errand, HubReporter
from training.keeper import Keeper
from training.overseer import Limits, Overseer
from training.runapi import RunApi

log = logging.getLogger(__name__)

# To bring the last checkpoint to the hub when the worker is told to stop.
LAST_CHECKPOINT_SECONDS = 5.0
PROOF_TRIES, PROOF_PAUSE = 20, 1.0


class Hearing:
    """The time between a job and the last word about it; `attend` returns the event `end` of a whole run."""

    def __init__(
        self,
        child: ChildProcess,
        hub: RunApi,
        reporter: HubReporter,
        folder: Path,
        limits: Limits,
        *,
        checkpoint_seconds: float,
        patience: float,
    ) -> None:
        self.child, self.hub, self.reporter = child, hub, reporter
        self.patience = patience
        self.keeper = Keeper(hub, reporter, folder, seconds=checkpoint_seconds)
        self.overseer = Overseer(child, limits)
        self._proof: Errand | None = None
        self._measured: Mapping[str, Any] = {}
        self._proof_tries = 0
        self._proof_at = 0.0

    def attend(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Give the job and stay until its end. Raises what the run ended with, if it did not end well:
        Canceled, NoLongerOurs, Interrupted, UserError for the recipe's or the data's faults, EngineError for
        ours and for a limit that was passed."""
        self.child.on_output = self.reporter.log
        self.child.give(job)
        while True:
            # Asked before it is heard: one that goes meanwhile may have said more than was read by then.
            gone = self.child.status is not None
            event = self.child.last_words() if gone else self.child.next_event(0.1)
            if event is not None and event.get("event") == "end":
                return self._ended(event)
            if event is not None:
                self._hear(event)
            elif gone:
                raise self._crash()
            self._govern()

    def _hear(self, event: dict[str, Any]) -> None:
        try:
            match event.get("event"):
                case "stage":
                    self.reporter.stage(_text(event["name"]))
                case "log":
                    self.reporter.log(_text(event["text"]))
                case "report":
                    metrics = {_text(name): float(value) for name, value in event["metrics"].items()}
                    self.reporter.report(_step(event["step"]), _step(event["total"]), metrics)
                case "checkpoint":
                    self.keeper.offer(_step(event["step"]), _text(event["folder"]))
                case "measured":
                    self._measured = dict(event["evaluation"])
                    self._ask_proof()
                case "trace":
                    log.error("run %s:\n%s", self.hub.claim.run, _text(event["text"]))
                case other:
                    raise ValueError(other, event.get("text"))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.error("run %s: its process said what nobody understands: %r", self.hub.claim.run, error)
            text = "The run's process and the worker do not understand each other; this is our fault."
            raise EngineError("worker:child-protocol", text) from None

    def _govern(self) -> None:
        verdict = self.reporter.verdict
        if verdict is not None:
            if self.overseer.wish("cancel"):
                raise verdict
        elif self.reporter.stop.is_set() and self.overseer.wish("interrupt"):
            self.keeper.finish(LAST_CHECKPOINT_SECONDS / 2)
            raise Interrupted
        self.overseer.look()
        self.keeper.tick()
        self._bring_proof()

    def _ended(self, event: dict[str, Any]) -> dict[str, Any]:
        outcome = event.get("outcome")
        message_id, message = str(event.get("message_id"))[:64], str(event.get("message"))[:2000]
        if outcome == "completed" and isinstance(event.get("summary"), dict):
            return event
        if outcome == "canceled":
            raise self.reporter.verdict or Canceled()
        if outcome == "interrupted":
            self.keeper.finish(LAST_CHECKPOINT_SECONDS)
            raise Interrupted
        if outcome == "refused":
            raise UserError(message_id, message)
        if outcome == "fault":
            raise EngineError(message_id, message)
        raise EngineError("worker:child-protocol", "The run's process ended with a word nobody understands.")

    def _crash(self) -> EngineError:
        """With the last words of the process in the log and, of these, the telling one in the sentence."""
        error, tail = self.overseer.crash(), list(self.child.tail)
        if self.child.output_lines > MAX_OUTPUT_LINES:
            for line in tail:
                self.reporter.log(line)
        fatal = [line for line in tail if "rror" in line or "Fatal" in line]
        if words := (fatal or tail)[-1:]:
            return EngineError(error.message_id, f"{error.message} Its last words: {words[0][:300]}")
        return error

    # --- the benchmark's proof, which only the hub can give

    def _ask_proof(self) -> None:
        self._proof_tries += 1
        self._proof_at = time.monotonic() + PROOF_PAUSE
        self._proof = Errand(
            lambda: self.hub.result(self._measured, patience=self.patience, stop=self.reporter.stop)
        )

    def _bring_proof(self) -> None:
        if self._proof is None or not self._proof.wait():
            return
        try:
            self.child.tell("proof", proof=self._proof.value())
        except NoLongerOurs:
            # The reporter finds out whether the run can be had again; until then, once a second.
            if self._proof_tries > PROOF_TRIES:
                raise
            if self.reporter.verdict is None and time.monotonic() > self._proof_at:
                self._ask_proof()
            return
        self._proof = None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value))
    return value


def _step(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_STEP:
        raise ValueError(value)
    return value
