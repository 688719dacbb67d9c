"""How progress reaches the hub while a run goes on, and how the hub's wishes reach the run."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from training.errors import Canceled, EngineError, Interrupted
from training.hubclient import HubUnreachable, NoLongerOurs
from training.runapi import RunApi

log = logging.getLogger(__name__)

T = TypeVar("T")
MAX_METRICS_PER_REPORT = 1000
MAX_LOGS_PER_REPORT = 200
MAX_LOG_CHARS = 2000
MAX_LOGS = 20_000
# Points that wait for a hub that is away; beyond this, every second step of the older half is left out.
MAX_POINTS = 20_000
# Points of validation are kept whatever happens, short of a run that tells nothing else.
MAX_VALIDATION_POINTS = 100_000
MAX_STEP = 2**31 - 1
# As the hub reads them (runs/payloads.py): one name that it does not know would cost the whole report.
METRIC_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+){0,2}")
# The engine's stages as a visitor reads them.
ACTIVITIES = {"data": "reading the data", "features": "computing features", "train": "training"}
ACTIVITIES |= {"evaluate": "evaluating", "save": "saving"}
Point = dict[str, Any]


class HubReporter:
    """A `Reporter` that sends from a thread of its own, every second, and learns what the hub wants.

    A hub that restarts costs nothing: what could not be sent is kept (within bounds) and sent later.
    `regain`, if given, is asked where the hub says that the run is no longer ours after a time in which it
    did not hear of us; True: it is ours again. `check` raises Canceled, NoLongerOurs or Interrupted.
    """

    def __init__(self, api: RunApi, stop: threading.Event, *, interval: float = 1.0) -> None:
        self.api = api
        self.stop = stop
        self.interval = min(interval, api.claim.heartbeat_seconds)
        self.regain: Callable[[], bool] | None = None
        self.heard_at = time.monotonic()
        self.verdict: Canceled | None = None
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._points: list[Point] = []
        self._logs: list[dict[str, Any]] = []
        self._news: dict[str, Any] = {}
        # Where the run began or began again: told by itself and first, for the hub then forgets what was
        # drawn beyond.
        self._start: dict[str, Any] = {}
        self._step: int | None = None
        self._seq = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="hub-reporter", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and send what is left, once."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(self.api.api.timeout + 5)
        while self._has_news() and self.verdict is None and self._flush():
            pass

    def deliver(self, step: int = MAX_STEP) -> bool:
        """Send until no point up to `step` waits; False when the hub cannot be reached now."""
        while self._waits_for(step):
            if self.verdict is not None or not self._flush():
                return False
        return True

    def touch(self) -> bool:
        """Send one report now, be it empty; whether the hub has taken it."""
        return self._flush()

    def unsent(self) -> dict[str, Any]:
        """What the hub does not know yet, as parts of a report."""
        with self._lock:
            waiting = {"metrics": list(self._points), "logs": list(self._logs), "seq": self._seq}
            return {**self._start, **self._news, **waiting}

    def take(self, unsent: dict[str, Any]) -> None:
        """Begin with what an earlier process could not send."""
        with self._lock:
            self._points, self._logs = list(unsent["metrics"]), list(unsent["logs"])
            self._news = {name: unsent[name] for name in ("step", "total_steps") if name in unsent}
            # That process may have said more before it ended; a number used twice would cost a line.
            self._seq = int(unsent["seq"]) + MAX_LOGS_PER_REPORT

    # --- the Reporter protocol

    def stage(self, name: str) -> None:
        with self._lock:
            self._news["activity"] = ACTIVITIES.get(name, name)[:40]

    def log(self, text: str) -> None:
        log.info("%s", text)
        now = self.api.api.now().isoformat()
        with self._lock:
            self._logs.append({"seq": self._seq, "at": now, "text": text[:MAX_LOG_CHARS]})
            self._seq += 1
            del self._logs[:-MAX_LOGS]

    def report(self, step: int, total_steps: int, metrics: dict[str, float]) -> None:
        points = [
            {"step": step, "name": name, "value": float(value)}
            for name, value in metrics.items()
            if math.isfinite(value) and len(name) <= 64 and METRIC_NAME.fullmatch(name)
        ]
        with self._lock:
            told = {"step": step, "total_steps": total_steps}
            if self._step is None or step < self._step:
                self._points = [point for point in self._points if point["step"] <= step]
                self._start = told
            self._step = step
            self._news |= told
            self._points = _bounded(self._points + points) if points else self._points
        if not all(map(math.isfinite, metrics.values())):
            self.log(f"step {step}: a metric is not a finite number; the learning rate may be too high")

    def check(self) -> None:
        if self.verdict is not None:
            raise self.verdict
        if self.stop.is_set():
            raise Interrupted

    def check_lost(self) -> None:
        """As `check`, but deaf to a visitor's cancel: once publishing has begun, it is too late for that."""
        if isinstance(self.verdict, NoLongerOurs):
            raise self.verdict
        if self.stop.is_set():
            raise Interrupted

    # --- sending

    def _loop(self) -> None:
        while not self._closing.wait(self.interval) and not isinstance(self.verdict, NoLongerOurs):
            self._flush()

    def _has_news(self) -> bool:
        with self._lock:
            return bool(self._start or self._news or self._points or self._logs)

    def _waits_for(self, step: int) -> bool:
        with self._lock:
            return bool(self._start) or any(point["step"] <= step for point in self._points)

    def _flush(self) -> bool:
        """Send one report, and forget it only when the hub has it; False when it could not be sent."""
        with self._sending:
            body = self._next()
            try:
                cancel = self.api.report(body)
            except NoLongerOurs as verdict:
                if not self._is_ours_again():
                    self.verdict = verdict
                return False
            except HubUnreachable:
                return False
            except EngineError as refusal:  # a report the hub cannot read must not be sent for ever
                log.warning("a report was refused: %s", refusal.message)
                cancel = False
            self.heard_at = time.monotonic()
            if cancel and self.verdict is None:
                self.verdict = Canceled()
            self._forget(body)
        return True

    def _next(self) -> dict[str, Any]:
        with self._lock:
            if self._start:
                return {name: self._news[name] for name in ("activity",) if name in self._news} | self._start
            metrics, logs = self._points[:MAX_METRICS_PER_REPORT], self._logs[:MAX_LOGS_PER_REPORT]
            return {**self._news, "metrics": metrics, "logs": logs}

    def _forget(self, body: dict[str, Any]) -> None:
        with self._lock:
            if "metrics" not in body:
                self._start = {} if self._start.get("step") == body["step"] else self._start
                body = body | {"metrics": [], "logs": []}
            self._news = {key: value for key, value in self._news.items() if body.get(key) != value}
            sent = {id(item) for item in [*body["metrics"], *body["logs"]]}
            self._points = [item for item in self._points if id(item) not in sent]
            self._logs = [item for item in self._logs if id(item) not in sent]

    def _is_ours_again(self) -> bool:
        """Only a hub that could not hear us takes a run away by mistake."""
        if self.regain is None or self.stop.is_set() or self.verdict is not None:
            return False
        silent = time.monotonic() - self.heard_at
        return silent > 3 * self.api.claim.heartbeat_seconds and self.regain()


def _bounded(points: list[Point]) -> list[Point]:
    """The points, of the older half only every second step where they are too many; validation's all."""
    if len(points) <= MAX_POINTS:
        return points
    older, newer = points[: MAX_POINTS // 2], points[MAX_POINTS // 2 :]
    steps = sorted({point["step"] for point in older})
    kept = set(steps[::2])
    thinned = [point for point in older if point["step"] in kept or point["name"].startswith("val/")] + newer
    return thinned[-MAX_VALIDATION_POINTS:]


def interruptible(work: Callable[[], T], check: Callable[[], None]) -> T:
    """Do blocking work in a thread while asking `check` five times a second; what that raises abandons it.

    For transfers, which nothing else can stop; the abandoned thread's token is about to be revoked.
    """
    errand = Errand(work)
    while not errand.wait(0.2):
        check()
    return errand.value()


class Errand:
    """Blocking work in a thread of its own."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._done: list[Any] = []
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(work,), name="errand", daemon=True)
        self._thread.start()

    def wait(self, seconds: float = 0.0) -> bool:
        """Whether it is done, waited for so long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def value(self) -> Any:
        """What the work returned; raises what it raised."""
        if self._failed:
            raise self._failed[0]
        return self._done[0]

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self._done.append(work())
        except BaseException as error:  # carried over to who asks for the value
            self._failed.append(error)
