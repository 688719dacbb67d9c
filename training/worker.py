"""The training worker: asks the hub for runs and turns them into published results.

A message of the broker is only a wake-up, and there may be no broker at all; the hub's answer to the claim
decides. The process may die at any line: the hub notices the silence and gives the run to another attempt. It
needs no database, no Django, no user's token, and loads no engine: each run has a process of its own.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_shutting_down

from training.brokers import celery_settings
from training.confine import hide_environment
from training.errors import UserError
from training.runner import Runner
from training.workplace import WorkerSettings, isolate, take_home

log = logging.getLogger(__name__)

EXECUTE = "training.execute_run"
STOP = threading.Event()
# Until a worker that was told to stop is gone, whatever its runs do.
STOP_SECONDS = 20.0


def make_app(settings: WorkerSettings, runner: Runner) -> Celery:
    """The consumer: one message at a time, in this process, acknowledged when taken: the row is the truth."""
    app = Celery("training", set_as_current=False)
    folder = Path(settings.broker_dir) if settings.broker_dir else None
    app.conf.update(celery_settings(settings.broker_url, folder))
    app.conf.update(worker_pool="solo", worker_enable_remote_control=False)

    @app.task(name=EXECUTE)
    def execute_run(*_now: Any, **_later: Any) -> None:
        runner.wake()

    @app.task(name="training.ping")
    def ping() -> str:
        return "pong"

    return app


def main(argv: Sequence[str] = ()) -> int:
    """`python -m training worker`: work until told to stop; 2 when the environment is not complete."""
    _set_up_logging()
    try:
        settings = WorkerSettings.from_environment()
        lock = take_home(settings)
    except UserError as error:
        print(error.message, file=sys.stderr)
        return 2
    isolate(settings)
    hide_environment()
    with lock:
        runner = Runner(settings, STOP)
        flavors = ", ".join(settings.flavors)
        log.info("worker %s takes %s from %s", settings.name, flavors, settings.endpoint)
        if settings.polls:
            _poll(runner)
        else:
            _consume(runner, settings, argv)
    return 0


def _poll(runner: Runner) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _signaled)
    runner.run()


def _consume(runner: Runner, settings: WorkerSettings, argv: Sequence[str]) -> None:
    """Celery has the main thread, where signals arrive; a stop ends it between two messages."""
    setup_logging.connect(_set_up_logging, weak=False)
    worker_shutting_down.connect(_told_to_stop, weak=False)
    warnings.filterwarnings("ignore", message=".*superuser privileges")
    # Not daemonic: what is left of a stop's time is its own.
    thread = threading.Thread(target=_run, args=(runner,), name="runner")
    thread.start()
    queues = ",".join(f"train.{flavor}" for flavor in settings.flavors)
    words = ["-q", "worker", "--pool=solo", "-Q", queues, "-n", f"{settings.name}@%h"]
    words += ["--without-gossip", "--without-mingle", "--without-heartbeat", *argv]
    try:
        make_app(settings, runner).worker_main(words)
    finally:
        _told_to_stop()
        thread.join()


def _run(runner: Runner) -> None:
    runner.run()
    if not STOP.is_set():  # it never ends by itself
        os._exit(1)


def _set_up_logging(**_details: Any) -> None:
    """One readable line an event; a receiver of this signal keeps Celery from replacing it."""
    line = "%(asctime)s %(levelname).1s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=line, datefmt="%H:%M:%S")
    for name, level in (("celery", logging.WARNING), ("kombu", logging.ERROR), ("httpx2", logging.WARNING)):
        logging.getLogger(name).setLevel(level)


def _signaled(*_details: Any) -> None:
    """A second signal does not wait."""
    if STOP.is_set():
        os._exit(1)
    _told_to_stop()


def _told_to_stop(**_details: Any) -> None:
    if not STOP.is_set():
        STOP.set()
        guard = threading.Timer(STOP_SECONDS, lambda: os._exit(1))
        guard.daemon = True
        guard.start()
