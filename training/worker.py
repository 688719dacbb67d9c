"""The training worker: a Celery consumer that turns a run's id into a published result.

A message is only a wake-up; the hub's answer to the claim decides. The process may die at any line: the hub
notices the silence and gives the run to another attempt. It needs no database, no Django, no user's token.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_shutting_down

from training.errors import UserError
from training.workplace import WorkerSettings, isolate, take_home

log = logging.getLogger(__name__)

EXECUTE = "training.execute_run"
STOP = threading.Event()


def make_app(settings: WorkerSettings) -> Celery:
    """The consumer: one run at a time, in this process, acknowledged when taken (the row is the truth)."""
    app = Celery("training", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        broker_transport_options=_transport_options(settings),
        broker_connection_retry_on_startup=True,
        accept_content=["json"],
        task_ignore_result=True,
        worker_pool="solo",
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        timezone="UTC",
    )

    @app.task(name=EXECUTE)
    def execute_run(run_id: str, *_later: Any, **_newer: Any) -> None:
        if not STOP.is_set():
            from training.allocator import give_back_memory
            from training.execute import execute

            execute(str(run_id), settings, STOP)
            give_back_memory()

    @app.task(name="training.ping")
    def ping() -> str:
        return "pong"

    return app


def _transport_options(settings: WorkerSettings) -> dict[str, Any]:
    """The filesystem broker's folders, as `hub/celery.py` lays them out."""
    if not settings.broker_url.startswith("filesystem:"):
        return {}
    folders = {name: Path(settings.broker_dir) / name for name in ("messages", "control")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    messages = str(folders["messages"])
    return {
        "data_folder_in": messages,
        "data_folder_out": messages,
        "control_folder": str(folders["control"]),
        "polling_interval": 0.2,
    }


def main(argv: Sequence[str] = ()) -> int:
    """`python -m training worker`: consume until told to stop; 2 when the environment is not complete."""
    _set_up_logging()
    try:
        settings = WorkerSettings.from_environment()
        lock = take_home(settings)
    except UserError as error:
        print(error.message, file=sys.stderr)
        return 2
    isolate(settings)
    setup_logging.connect(_set_up_logging, weak=False)
    worker_shutting_down.connect(_told_to_stop, weak=False)
    # Importing torch takes seconds; do it while nobody waits for a run.
    threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()
    queues = ",".join(f"train.{flavor}" for flavor in settings.flavors)
    warnings.filterwarnings("ignore", message=".*superuser privileges")
    log.info("worker %s takes %s from %s", settings.name, queues, settings.endpoint)
    with lock:
        make_app(settings).worker_main(
            [
                *("-q", "worker", "--pool=solo"),
                *("-Q", queues, "-n", f"{settings.name}@%h"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat", *argv),
            ]
        )
    return 0


def _set_up_logging(**_details: Any) -> None:
    """One readable line an event; a receiver of this signal keeps Celery from replacing it."""
    line = "%(asctime)s %(levelname).1s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=line, datefmt="%H:%M:%S")
    for name, level in (("celery", logging.WARNING), ("kombu", logging.ERROR), ("httpx2", logging.WARNING)):
        logging.getLogger(name).setLevel(level)


def _told_to_stop(**_details: Any) -> None:
    STOP.set()


def _warm_up() -> None:
    try:
        import training.execute
        import training.finetune  # noqa: F401
    except Exception:  # the first run will meet the same fault and report it properly
        log.exception("warming up failed")
