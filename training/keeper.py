"""Checkpoints on their way to the hub and back: the newest only, one at a time, and seldom enough.

Before a checkpoint counts, every point of the curve up to its step is on the hub: who goes on from it, here
or elsewhere, draws the rest. A local checkpoint that the hub never took is not used for the same reason.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

from training.errors import EngineError
from training.hubclient import HubRefused, HubUnreachable, NoLongerOurs
from training.hubreporter import Errand, HubReporter
from training.parcel import BadParcel, Parcel, lay_out, unpack
from training.runapi import RunApi

log = logging.getLogger(__name__)

# For so many times as long as the last one took, no other is sent.
SHARE = 20
AFTER_FAILURE_SECONDS = 5.0
KEPT, NOTE = "kept", "kept.json"
_FOLDER = re.compile(r"\d{6}")
TOO_LARGE = (
    "The hub does not keep this run's checkpoints: {reason} If this worker is lost, the run starts anew."
)


class Keeper:
    """Sends what the run's process has put aside in `folder/saved`; the last that the hub took is in
    `folder/kept`."""

    def __init__(self, hub: RunApi, reporter: HubReporter, folder: Path, *, seconds: float) -> None:
        self.hub, self.reporter, self.folder, self.seconds = hub, reporter, folder, seconds
        self._newest: tuple[int, Path] | None = None
        self._errand: Errand | None = None
        self._next_at = 0.0
        self._refused = False

    def offer(self, step: int, name: str) -> None:
        """A checkpoint after `step` lies in `saved/name`; an older one that still waits is forgotten."""
        if not _FOLDER.fullmatch(name):
            raise EngineError("worker:child-protocol", "The run's process named no checkpoint of its own.")
        if self._newest is not None:
            shutil.rmtree(self._newest[1], ignore_errors=True)
        self._newest = step, self.folder / "saved" / name

    def tick(self) -> None:
        """Send the newest if there is one and it is time."""
        if self._errand is not None and not self._errand.wait():
            return
        self._settle()
        if self._newest is not None and time.monotonic() >= self._next_at and not self._refused:
            step, folder = self._newest
            self._newest = None
            self._errand = Errand(lambda: self._send(step, folder))

    def finish(self, seconds: float) -> None:
        """Send the newest now and wait for it, at most so long: the run is handed back."""
        deadline, self._next_at = time.monotonic() + seconds, 0.0
        while time.monotonic() < deadline:
            self.tick()
            if self._errand is None or (self._errand.wait(0.1) and self._newest is None):
                break
        self._settle()

    def _settle(self) -> None:
        errand = self._errand
        if errand is None or not errand.wait():
            return
        self._errand = None
        try:
            self._next_at = time.monotonic() + errand.value()
        except NoLongerOurs as verdict:
            log.info("run %s: its checkpoint came too late: %s", self.hub.claim.run, verdict.message)
        except HubRefused as refusal:
            self._refused = True
            self.reporter.log(TOO_LARGE.format(reason=refusal.message))
        except (HubUnreachable, OSError) as error:
            self._next_at = time.monotonic() + AFTER_FAILURE_SECONDS
            log.info("run %s: its checkpoint could not be sent now (%s)", self.hub.claim.run, error)

    def _send(self, step: int, folder: Path) -> float:
        """Seconds to wait until the next may be sent."""
        if not self.reporter.deliver(step):
            raise HubUnreachable("worker:hub-unreachable", "The curve up to it could not be sent.")
        began = time.monotonic()
        parcel = Parcel(folder)
        digest = parcel.sha256()
        self.hub.keep_checkpoint(step, parcel.pieces(), parcel.size, digest)
        kept = self.folder / KEPT
        shutil.rmtree(kept, ignore_errors=True)
        folder.rename(kept)
        (kept / NOTE).write_text(json.dumps({"step": step, "sha256": digest}))
        return max(self.seconds, SHARE * (time.monotonic() - began))


def prepare(hub: RunApi, reporter: HubReporter, folder: Path) -> None:
    """Leave in the run's own place nothing but the checkpoint that the hub keeps, if it keeps one.

    Raises HubUnreachable, NoLongerOurs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name == KEPT:
            continue
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    kept, wanted = folder / KEPT, hub.claim.checkpoint
    if wanted is None:
        shutil.rmtree(kept, ignore_errors=True)
        return
    if _digest(kept) != wanted.sha256:
        reporter.log(f"fetching the checkpoint after step {wanted.step}")
        try:
            unpack(hub.kept_checkpoint(), kept, size=wanted.bytes, sha256=wanted.sha256)
        except (BadParcel, HubRefused) as error:
            reporter.log(f"The checkpoint after step {wanted.step} cannot be used, so the run starts anew.")
            log.warning("run %s: %s", hub.claim.run, error)
            return
        (kept / NOTE).write_text(json.dumps({"step": wanted.step, "sha256": wanted.sha256}))
    lay_out(kept, folder)


def leave_kept(folder: Path) -> None:
    """Of the run's own place keep only what the hub has too: it spares the next attempt here a download."""
    for path in folder.iterdir():
        if path.name != KEPT:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    if not (folder / KEPT / NOTE).is_file():
        shutil.rmtree(folder, ignore_errors=True)


def _digest(kept: Path) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((kept / NOTE).read_text())["sha256"])
    return ""
