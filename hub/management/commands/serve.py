"""`manage.py serve`: web, hub worker and training worker as one process tree on one machine."""

from __future__ import annotations

import signal
import socket
import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.utils import timezone

from accounts.models import AccessToken, User
from accounts.tokens import mint_token, revoke_token
from hub import processes
from hub.migrating import migrate_if_needed
from hub.provisioning import UserWish
from hub.serving import answers, claim_data_dir, empty_tmp, open_listener, public_url_for
from hub.supervisor import POLL_SECONDS, Supervisor, describe_status
from models_app.actions.forum import ensure_topics
from runs.workers import enroll_worker

START_SECONDS = 60
# Known to everybody who reads this file: they own demo content and nothing else.
DEMO_LOGINS = {"demo": "demo-tuneyard", "visitor": "visitor-tuneyard"}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Command(BaseCommand):
    """An empty data directory becomes a working hub; started again, it is up in seconds."""

    requires_system_checks = ()
    help = "Run the whole hub on this machine: web, hub worker, training worker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (8000; 0: a free one)")
        parser.add_argument("--data-dir", help="where everything is kept (default: HUB_DATA_DIR)")
        parser.add_argument("--demo", action="store_true", help="load the demo content once the hub is up")
        parser.add_argument(
            "--no-workers", action="store_true", help="the web alone: runs wait for other workers"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        lock = claim_data_dir(settings.HUB_DATA_DIR)
        listener = open_listener(options["host"], options["port"])
        try:
            self._serve(listener, options)
        finally:
            listener.close()
            lock.close()

    def _serve(self, listener: socket.socket, options: dict[str, Any]) -> None:
        self.url = public_url_for(options["host"], listener.getsockname()[1])
        self.supervisor = Supervisor(print_line=self._print)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.supervisor.request_stop)
        empty_tmp(settings.HUB_TMP_DIR)
        if migrate_if_needed():
            self.supervisor.say("database brought up to date")
        if topics := ensure_topics():
            self.supervisor.say(f"forum opened with {len(topics)} topics")
        connections.close_all()  # the supervisor itself has no use for one
        self._start_web(listener, options["no_workers"])
        if not self.supervisor.stops and not self.supervisor.failed:
            self._print(f"Tuneyard is up at {self.url}")
            if not options["no_workers"]:
                self._start_trainer()
            if options["demo"]:
                self._start_demo(options["host"])
            self.supervisor.run()
        listener.close()  # nobody new may queue up behind a hub that is leaving
        self._stop()

    def _start_web(self, listener: socket.socket, no_workers: bool) -> None:
        """Start the web and the hub worker, and wait until the web answers."""
        child = processes.web(listener, self.url)
        child.on_end = self._web_ended_early
        self.supervisor.start(child)
        if not no_workers:
            self.supervisor.start(processes.jobs(self.url))
        deadline = time.monotonic() + START_SECONDS
        while not self.supervisor.stops and not self.supervisor.failed and not answers(listener):
            self.supervisor.tick()
            if time.monotonic() > deadline:
                self._fail(f"The web did not answer within {START_SECONDS} s.")
            time.sleep(POLL_SECONDS)
        child.on_end = None

    def _web_ended_early(self, status: int) -> None:
        self._fail(f"The web ended before it answered ({describe_status(status)}): its last lines say why.")

    def _fail(self, reason: str) -> None:
        self.supervisor.failed = True
        self.reason = reason

    def _start_trainer(self) -> None:
        if not processes.can_train():
            self.supervisor.say("no training worker: install the 'train' extra to have runs trained here")
            return
        flavors = settings.HUB_FLAVORS
        _, token = enroll_worker("local", flavors=flavors)
        self.supervisor.start(processes.trainer(self.url, token, flavors))
        connections.close_all()

    def _start_demo(self, host: str) -> None:
        """Make the demo's people; load the content unless an earlier start finished doing so."""
        for name, password in DEMO_LOGINS.items():
            if not User.objects.filter(username=name).exists():
                UserWish(name, password=password).fulfil()
        logins = " · ".join(f"{name} / {password}" for name, password in DEMO_LOGINS.items())
        self._print(f"Demo logins: {logins}")
        if host not in _LOOPBACK:
            self.supervisor.say("these passwords are public: change them before others reach this address")
        done = settings.HUB_DATA_DIR / "demo.done"
        if done.exists():
            return
        if not processes.can_train():
            self.supervisor.say("no demo content: it needs the 'train' extra")
            return
        user = User.objects.get(username="demo")
        token, text = mint_token(
            user, name="demo loader", role="write", expires_at=timezone.now() + timedelta(hours=1)
        )
        child = processes.demo(self.url, text)
        child.on_end = lambda status: self._demo_ended(status, token)
        self.supervisor.start(child)
        connections.close_all()

    def _demo_ended(self, status: int, token: AccessToken) -> None:
        revoke_token(token)
        connections.close_all()
        if status == 0:
            (settings.HUB_DATA_DIR / "demo.done").touch()
            self.supervisor.say(f"the demo is loaded: {self.url}")
        elif not self.supervisor.stops:
            self.supervisor.say(f"the demo was not loaded ({describe_status(status)}): start again to retry")

    def _stop(self) -> None:
        failed = self.supervisor.failed
        if not failed:
            self._print("Stopping; press Ctrl-C again to stop at once.")
        clean = self.supervisor.stop()
        if failed:
            raise CommandError(self.reason)
        self._print("Stopped." if clean else "Stopped; something had to be killed.")

    def _print(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
