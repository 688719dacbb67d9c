"""One attempt at one run, from the claim to the last word to the hub."""

from __future__ import annotations

import errno
import json
import logging
import shutil
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from training import publish as publishing
from training.errors import Canceled, EngineError, Interrupted, TrainingError, UserError
from training.finetune import finetune
from training.hubclient import (
    Claim,
    HubApi,
    NoLongerOurs,
    NotClaimable,
    RunApi,
    claim_run,
    fetch,
)
from training.hubreporter import HubReporter, interruptible
from training.origin import Pinned
from training.recipe import Recipe, parse_recipe
from training.resources import Resources
from training.tasks import task_kind
from training.tasks.base import Report
from training.workplace import WorkerSettings, prune

log = logging.getLogger(__name__)

CLAIM_PATIENCE = 60.0
FINISH_PATIENCE = 900.0
INTERRUPTED_PATIENCE = 3.0
MAX_CONFUSION_CLASSES = 50
MAX_EVALUATION_BYTES = 32 * 1024
OUR_FAULT = "Something failed on the worker's side; this is our fault, not your recipe's. Its log says what."
NO_MEMORY = "The worker ran out of memory. Choose a smaller batch size or image size, or a larger flavor."
HUB_FULL = "The hub's disk is full, so the result could not be published. Please tell its operator."
DISK_FULL = "The worker's disk is full. Please tell the operator of this hub, and submit the run again."


def execute(run_id: str, settings: WorkerSettings, stop: threading.Event) -> None:
    """Claim the run and carry it to its end; leave quietly when there is nothing to claim. Never raises."""
    try:
        claim = claim_run(
            HubApi(settings.endpoint, settings.token),
            run_id,
            name=settings.name,
            flavors=settings.flavors,
            versions=publishing.versions(),
            patience=CLAIM_PATIENCE,
        )
    except NotClaimable as refusal:
        log.info("run %s: %s", run_id, refusal)
        return
    except TrainingError as error:
        log.warning("run %s could not be claimed: %s", run_id, error.message)
        return
    log.info("run %s: attempt %d begins", run_id, claim.attempt)
    attempt = Attempt(claim, settings, stop)
    attempt.carry_out()
    prune(settings.home)


class Attempt:
    """What one attempt needs at hand; `carry_out` tells the hub how it ended, if the hub still listens."""

    def __init__(self, claim: Claim, settings: WorkerSettings, stop: threading.Event) -> None:
        self.claim = claim
        self.settings = settings
        self.hub = RunApi(settings.endpoint, claim)
        self.stop = stop
        self.reporter = HubReporter(self.hub, stop)
        self.folder = settings.home / "runs" / claim.run
        self.began = time.monotonic()

    def carry_out(self) -> None:
        """Do the work and finish; every kind of end has its own line here."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.reporter.start()
        try:
            self._finish("completed", **self._work())
        except NoLongerOurs as verdict:
            log.info("run %s: %s", self.claim.run, verdict.message)
            self.reporter.close()
        except Canceled:
            self._finish("canceled")
        except Interrupted:
            self._finish("interrupted")
        except UserError as error:
            self.reporter.log(error.message)
            self._finish("error", message_id=error.message_id, message=error.message)
        except Exception as error:  # whatever it is, the visitor must not wait for ever
            self._finish_fault(error)

    def _work(self) -> dict[str, Any]:
        """The straight road; answers what `finish` wants to know about a completed run."""
        recipe = parse_recipe(self.claim.recipe)
        if self.claim.published_oid:
            return self._adopt_published()
        self._announce("fetching")
        base_dir = self._fetch(self.claim.base, "model")
        data_dir = self._fetch(self.claim.dataset, "dataset")
        bench_dir = self._fetch(self.claim.benchmark, "dataset") if self.claim.benchmark else None
        outcome, model_dir = self._learn(recipe, base_dir, data_dir, bench_dir)
        self._announce("publishing")
        folder = publishing.write_result(
            self.folder / "result",
            claim=self.claim,
            recipe=recipe,
            outcome=outcome,
            model_dir=model_dir,
            base_dir=base_dir,
        )
        self.reporter.check()
        oid = interruptible(lambda: self._publish(folder, recipe), self.reporter.check_lost)
        manifest = publishing.run_manifest(self.claim, recipe, outcome)
        return {"result_oid": oid, "summary": publishing.summary_of(manifest)}

    def _learn(
        self, recipe: Recipe, base_dir: Path, data_dir: Path, bench_dir: Path | None
    ) -> tuple[publishing.Outcome, Path]:
        began, resources = time.monotonic(), Resources()
        result = finetune(
            recipe,
            base_dir=base_dir,
            data_dir=data_dir,
            work_dir=self.folder,
            reporter=self.reporter,
            cache_dir=self.settings.home / "cache" / "features",
        )
        seconds = {"fetch": began - self.began, "train": time.monotonic() - began}
        evaluation, proof = None, {}
        if bench_dir is not None and recipe.benchmark is not None:
            self._announce("evaluating")
            began = time.monotonic()
            report = task_kind(recipe.task).evaluate(
                result.model_dir, bench_dir, recipe.benchmark.split, recipe=recipe, reporter=self.reporter
            )
            seconds["evaluate"] = time.monotonic() - began
            evaluation = evaluation_of(report)
            self.reporter.log(
                f"{recipe.benchmark.split}: {report.metric} {report.value:.4f} on {report.n} rows"
            )
            proof = self.hub.result(evaluation, patience=FINISH_PATIENCE, stop=self.stop)
        seconds["total"] = time.monotonic() - self.began
        outcome = publishing.Outcome(
            labels=result.labels,
            metrics=result.metrics,
            history=result.history,
            seconds={name: round(value, 2) for name, value in seconds.items()},
            evaluation=evaluation,
            proof=proof,
            resources=resources.told(),
        )
        return outcome, result.model_dir

    def _adopt_published(self) -> dict[str, Any]:
        """An earlier attempt died between publishing and saying so: say it for it, and publish nothing."""
        self._announce("finishing what an earlier attempt published")
        folder = self.folder / "published"
        manifest = interruptible(
            lambda: publishing.published_manifest(self.claim, endpoint=self.settings.endpoint, folder=folder),
            self.reporter.check,
        )
        return {"result_oid": self.claim.published_oid, "summary": publishing.summary_of(manifest)}

    def _fetch(self, pinned: Pinned, repo_type: str) -> Path:
        self.reporter.log(f"fetching {repo_type} {pinned.repo} at {pinned.oid[:8]}")
        cache = self.settings.home / "cache" / "hub"
        endpoint, token = self.settings.endpoint, self.claim.token
        return interruptible(
            lambda: fetch(pinned, repo_type, endpoint=endpoint, token=token, cache_dir=cache),
            self.reporter.check,
        )

    def _publish(self, folder: Path, recipe: Recipe) -> str:
        return publishing.publish(folder, claim=self.claim, recipe=recipe, endpoint=self.settings.endpoint)

    def _announce(self, activity: str) -> None:
        self.reporter.stage(activity)
        self.reporter.check()

    def _finish_fault(self, error: Exception) -> None:
        """Tell a fault of the machine from a run that was taken away while a transfer was under way."""
        try:
            self.hub.report({})
        except NoLongerOurs:
            log.info("run %s was taken away: %s", self.claim.run, type(error).__name__)
            self.reporter.close()
            return
        except EngineError:
            log.info("run %s: the hub does not answer now", self.claim.run)
        log.error("run %s failed", self.claim.run, exc_info=error)
        message_id, message = fault_message(error)
        self._finish("error", message_id=message_id, message=message)

    def _finish(self, outcome: str, **fields: Any) -> None:
        interrupted = outcome == "interrupted"
        patience, stop = (INTERRUPTED_PATIENCE, None) if interrupted else (FINISH_PATIENCE, self.stop)
        self.reporter.close()
        try:
            self.hub.finish(outcome, patience=patience, stop=stop, **fields)
            log.info("run %s: %s", self.claim.run, outcome)
        except NoLongerOurs as verdict:  # also when our first finish arrived and only its answer was lost
            log.info("run %s: %s", self.claim.run, verdict.message)
        except EngineError as error:
            log.warning("run %s: the hub was not told that it %s: %s", self.claim.run, outcome, error.message)
            return  # another attempt on this machine goes on from here
        if not interrupted:
            shutil.rmtree(self.folder, ignore_errors=True)


def evaluation_of(report: Report) -> dict[str, Any]:
    """The report as the hub keeps it: numbers always, tables by class only where they are small."""
    plain = report.as_dict()
    if len(plain.get("labels", ())) > MAX_CONFUSION_CLASSES:
        plain.pop("confusion", None)
    if len(json.dumps(plain)) > MAX_EVALUATION_BYTES:
        plain = {name: value for name, value in plain.items() if isinstance(value, int | float | str)}
    return plain


def fault_message(error: Exception) -> tuple[str, str]:
    """Message id and sentence for a failure that is not the user's."""
    if isinstance(error, EngineError):
        return error.message_id, error.message
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "worker:out-of-memory", NO_MEMORY
    if getattr(getattr(error, "response", None), "status_code", None) == HTTPStatus.INSUFFICIENT_STORAGE:
        return "hub:disk-full", HUB_FULL
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "worker:disk-full", DISK_FULL
    return "worker:failed", OUR_FAULT
