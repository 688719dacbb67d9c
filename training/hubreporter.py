"""How progress reaches the hub while the engine computes, and how the hub's wishes reach the engine."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from training.errors import Canceled, EngineError, Interrupted
from training.hubclient import HubUnreachable, NoLongerOurs, RunApi

log = logging.getLogger(__name__)

T = TypeVar("T")
MAX_METRICS_PER_REPORT = 1000
MAX_LOGS_PER_REPORT = 200
MAX_LOG_CHARS = 2000
MAX_BUFFERED = 20_000
# The engine's stages as a visitor reads them.
ACTIVITIES = {"data": "reading the data", "features": "computing features", "train": "training"}
ACTIVITIES |= {"evaluate": "evaluating", "save": "saving"}


class HubReporter:
    """A `Reporter` that sends from a thread of its own, at most once a second, and learns what the hub wants.

    A hub that restarts costs nothing: what could not be sent is kept (within bounds) and sent later. `check`
    raises Canceled, NoLongerOurs or Interrupted at the next step border.
    """

    def __init__(self, api: RunApi, stop: threading.Event, *, interval: float = 1.0) -> None:
        self.api = api
        self.stop = stop
        self.interval = min(interval, api.claim.heartbeat_seconds)
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._metrics: list[dict[str, Any]] = []
        self._logs: list[dict[str, Any]] = []
        self._news: dict[str, Any] = {}
        self._seq = 0
        self._verdict: Canceled | None = None
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
        while self._has_news() and self._verdict is None and self._flush():
            pass

    # --- the Reporter protocol

    def stage(self, name: str) -> None:
        with self._lock:
            self._news["activity"] = ACTIVITIES.get(name, name)[:40]

    def log(self, text: str) -> None:
        log.info("%s", text)
        now = datetime.now(UTC).isoformat()
        with self._lock:
            self._logs.append({"seq": self._seq, "at": now, "text": text[:MAX_LOG_CHARS]})
            self._seq += 1
            del self._logs[:-MAX_BUFFERED]

    def report(self, step: int, total_steps: int, metrics: dict[str, float]) -> None:
        points = [
            {"step": step, "name": name, "value": float(value)}
            for name, value in metrics.items()
            if math.isfinite(value)
        ]
        with self._lock:
            self._news |= {"step": step, "total_steps": total_steps}
            self._metrics.extend(points)
            del self._metrics[:-MAX_BUFFERED]
        if len(points) < len(metrics):
            self.log(f"step {step}: a metric is not a finite number; the learning rate may be too high")

    def check(self) -> None:
        if self._verdict is not None:
            raise self._verdict
        if self.stop.is_set():
            raise Interrupted

    def check_lost(self) -> None:
        """As `check`, but deaf to a visitor's cancel: once publishing has begun, it is too late for that."""
        if isinstance(self._verdict, NoLongerOurs):
            raise self._verdict
        if self.stop.is_set():
            raise Interrupted

    # --- sending

    def _loop(self) -> None:
        last_sent = time.monotonic()
        while not self._closing.wait(self.interval) and not isinstance(self._verdict, NoLongerOurs):
            due = time.monotonic() - last_sent >= self.api.claim.heartbeat_seconds
            if (due or self._has_news()) and self._flush():
                last_sent = time.monotonic()

    def _has_news(self) -> bool:
        with self._lock:
            return bool(self._news or self._metrics or self._logs)

    def _flush(self) -> bool:
        """Send one report, and forget it only when the hub has it; False when it could not be sent."""
        with self._sending:
            with self._lock:
                news = dict(self._news)
                metrics, logs = self._metrics[:MAX_METRICS_PER_REPORT], self._logs[:MAX_LOGS_PER_REPORT]
            try:
                cancel = self.api.report({**news, "metrics": metrics, "logs": logs})
            except NoLongerOurs as verdict:
                self._verdict = verdict
                return False
            except HubUnreachable:
                return False
            except EngineError as refusal:  # a report the hub cannot read must not be sent for ever
                log.warning("a report was refused: %s", refusal.message)
                cancel = False
            if cancel and self._verdict is None:
                self._verdict = Canceled()
            with self._lock:
                self._forget(news, metrics, logs)
        return True

    def _forget(self, news: dict[str, Any], metrics: list[Any], logs: list[Any]) -> None:
        self._news = {key: value for key, value in self._news.items() if news.get(key) != value}
        sent = {id(item) for item in [*metrics, *logs]}
        self._metrics = [item for item in self._metrics if id(item) not in sent]
        self._logs = [item for item in self._logs if id(item) not in sent]


def interruptible(work: Callable[[], T], check: Callable[[], None]) -> T:
    """Do blocking work in a thread while asking `check` five times a second; what that raises abandons it.

    For transfers, which nothing else can stop; the abandoned thread's token is about to be revoked.
    """
    done: list[T] = []
    failed: list[BaseException] = []

    def target() -> None:
        try:
            done.append(work())
        except BaseException as error:  # carried over to the caller's thread
            failed.append(error)

    thread = threading.Thread(target=target, name="transfer", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
        check()
    if failed:
        raise failed[0]
    return done[0]
