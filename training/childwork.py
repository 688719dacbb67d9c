"""What the process of a run does: fine-tune, measure, write what to publish; or foretell a run's needs."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training import publish as publishing
from training.child import Wire, WireReporter
from training.finetune import CHECKPOINT, FinetuneResult, finetune
from training.phases import PROBE_CHECKPOINT
from training.recipe import Recipe, parse_recipe
from training.resources import Resources
from training.runapi import Claim
from training.tasks import task_kind
from training.tasks.base import Report

# A curve has about so many points, at steps that depend on the recipe alone: a run that was killed in between
# has the curve of one that was not.
POINTS = 1000
CHECKPOINT_FILES = (CHECKPOINT, PROBE_CHECKPOINT)
MAX_CONFUSION_CLASSES = 50
MAX_EVALUATION_BYTES = 32 * 1024


def work(job: Mapping[str, Any], wire: Wire) -> Mapping[str, Any]:
    """Do the job; what is returned goes into the last event. Raises what `finetune` raises."""
    return _foretell(job, wire) if job["kind"] == "preflight" else Training(job, wire).carry_out()


def _foretell(job: Mapping[str, Any], wire: Wire) -> Mapping[str, Any]:
    from training.preflight import foretell

    forecast = foretell(
        parse_recipe(job["claim"]["recipe"]),
        base_dir=_path(job["base_dir"]),
        data_dir=Path(job["data_dir"]),
        work_dir=Path(job["work_dir"]),
        reporter=WireReporter(wire),
        cache_dir=Path(job["cache_dir"]),
        bench_dir=_path(job["bench_dir"]),
    )
    return {"summary": {"forecast": forecast.as_dict()}}


class Training:
    """One run of kind `train`."""

    def __init__(self, job: Mapping[str, Any], wire: Wire) -> None:
        self.job, self.wire = job, wire
        self.claim = Claim.from_json({**job["claim"], "token": ""})
        self.reporter = WireReporter(wire)
        self.work_dir = Path(job["work_dir"])
        self.began, self.resources = time.monotonic(), Resources()
        self.saves = 0

    def carry_out(self) -> Mapping[str, Any]:
        """The folder `result` in the run's own place is what to publish then."""
        recipe, fetched = parse_recipe(self.claim.recipe), float(self.job["fetch_seconds"])
        base_dir = _path(self.job["base_dir"])
        result = finetune(
            recipe,
            base_dir=base_dir,
            data_dir=Path(self.job["data_dir"]),
            work_dir=self.work_dir,
            reporter=self.reporter,
            cache_dir=Path(self.job["cache_dir"]),
            checkpoint_seconds=float(self.job["checkpoint_seconds"]),
            points=POINTS,
            on_saved=self._saved,
        )
        seconds = {"fetch": fetched, "train": time.monotonic() - self.began}
        evaluation, proof = self._measure(recipe, result, seconds)
        seconds["total"] = fetched + time.monotonic() - self.began
        outcome = publishing.Outcome(
            labels=result.labels,
            metrics=result.metrics,
            history=result.history,
            seconds={name: round(value, 2) for name, value in seconds.items()},
            evaluation=evaluation,
            proof=proof,
            resources=self.resources.told(),
        )
        publishing.write_result(
            self.work_dir / "result",
            claim=self.claim,
            recipe=recipe,
            outcome=outcome,
            model_dir=result.model_dir,
            base_dir=base_dir,
        )
        return {"summary": publishing.summary_of(publishing.run_manifest(self.claim, recipe, outcome))}

    def _measure(
        self, recipe: Recipe, result: FinetuneResult, seconds: dict[str, float]
    ) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """The benchmark's evaluation and the hub's proof of it, which comes through the worker."""
        bench_dir = _path(self.job["bench_dir"])
        if bench_dir is None or recipe.benchmark is None:
            return None, {}
        self.reporter.stage("evaluating")
        self.reporter.check()
        began, split = time.monotonic(), recipe.benchmark.split
        report = task_kind(recipe.task).evaluate(
            result.model_dir, bench_dir, split, recipe=recipe, reporter=self.reporter
        )
        seconds["evaluate"] = time.monotonic() - began
        evaluation = evaluation_of(report)
        self.wire.tell("measured", evaluation=evaluation)
        proof = self.wire.answer()
        ranked, value = proof.get("metric", report.metric), float(proof.get("value", report.value))
        self.reporter.log(f"{split}: {ranked} {value:.4f} on {report.n} rows")
        return evaluation, proof

    def _saved(self, step: int) -> None:
        """Put the checkpoint as it lies there now aside for the worker: the next save does not touch it."""
        self.saves += 1
        folder = self.work_dir / "saved" / f"{self.saves:06d}"
        try:
            folder.mkdir(parents=True)
            for name in CHECKPOINT_FILES:
                if (self.work_dir / name).is_file():
                    _link(self.work_dir / name, folder / name)
        except OSError:  # no room: the run itself goes on
            shutil.rmtree(folder, ignore_errors=True)
            return
        self.wire.tell("checkpoint", step=step, folder=folder.name)


def evaluation_of(report: Report) -> dict[str, Any]:
    """The report as the hub keeps it: numbers always, tables by class only where they are small."""
    plain = report.as_dict()
    if len(plain.get("labels", ())) > MAX_CONFUSION_CLASSES:
        plain.pop("confusion", None)
    if len(json.dumps(plain)) > MAX_EVALUATION_BYTES:
        plain = {name: value for name, value in plain.items() if isinstance(value, int | float | str)}
    return plain


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
