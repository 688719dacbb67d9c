"""A recipe from the command line: fetch, fine-tune, measure, write the card, publish where asked to."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.distributed import world
from training.errors import EngineError, UserError
from training.finetune import FinetuneResult, finetune
from training.forecast import Advice, Forecast, fit
from training.measures.drawings import drawings
from training.measures.plots import curves, standalone
from training.origin import OID_LENGTH, LocalOrigin, Pinned
from training.publish import Outcome, describe
from training.recipe import Recipe
from training.reporting import Reporter, SilentReporter
from training.resources import Resources
from training.sources import resolve_source
from training.study import Study, run_study
from training.tasks import task_kind


def run_here(
    recipe: Recipe, *, near: Path, out: Path, target: str | None, reporter: Reporter
) -> dict[str, Any]:
    """Carry out `recipe`; model, card and `run.json` lie in `out/model` then, a summary in `out/result.json`.

    `near`: where relative paths of the recipe start. `target`: the model repo to publish to. Raises what
    `finetune` raises, and `UserError` for repos that cannot be read or written. Of several processes the
    first one does all that comes after learning; what the others return is empty.
    """
    began, resources, leads = time.monotonic(), Resources(), world().leads
    place = Target(target) if target and leads else None
    base, data = recipe.base_model, recipe.dataset
    with world().leader_first():
        base_dir = resolve_source(base.repo, "model", revision=base.revision, near=near) if base else None
        data_dir = resolve_source(data.repo, "dataset", revision=data.revision, near=near)
    result = finetune(recipe, base_dir=base_dir, data_dir=data_dir, work_dir=out, reporter=reporter)
    if not leads:
        return {}
    evaluation = _measure(recipe, result.model_dir, near, reporter) if recipe.benchmark else None
    outcome = Outcome(
        labels=result.labels,
        metrics=result.metrics,
        history=result.history,
        seconds={"train": round(result.seconds, 2), "total": round(time.monotonic() - began, 2)},
        evaluation=evaluation,
        resources=_of_all(resources.told()),
    )
    origin = _origin(recipe, target or out.name, base_dir, data_dir)
    describe(result.model_dir, origin=origin, recipe=recipe, outcome=outcome, base_dir=base_dir)
    summary = _summary(result, outcome)
    if place:
        summary["published"] = place.publish(result.model_dir, origin)
    _draw(out / "plots", outcome)
    (out / "result.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def _draw(folder: Path, outcome: Outcome) -> None:
    """The run's curves, and what was measured on its benchmark, as SVG files."""
    plots = drawings(outcome.evaluation or {})
    lines = {
        name: [(row["step"], row[name]) for row in outcome.history if name in row]
        for name in ("train/loss", "val/loss")
    }
    plots["loss"] = curves("Loss", {name: points for name, points in lines.items() if points})
    folder.mkdir(exist_ok=True)
    for name, text in plots.items():
        (folder / f"{name}.svg").write_text(standalone(text), encoding="utf-8")


def _of_all(told: dict[str, Any]) -> dict[str, Any]:
    """What a run has cost, and that it was measured in one of several processes, where there were several."""
    size = world().size
    if size > 1:
        told["processes"] = size
        told["energy"]["method"] += f"; the first of {size} processes alone"
    return told


def study_here(recipe: Recipe, *, near: Path, out: Path, reporter: Reporter) -> Study:
    """Carry out the study of `recipe`; `out/study.json` holds what was found. Raises as `run_study` does."""
    base, data = recipe.base_model, recipe.dataset
    out.mkdir(parents=True, exist_ok=True)

    def measure(changed: Recipe, model_dir: Path) -> dict[str, float]:
        found = _measure(changed, model_dir, near, reporter)
        return {name: value for name, value in found.items() if isinstance(value, float)}

    return run_study(
        recipe,
        base_dir=resolve_source(base.repo, "model", revision=base.revision, near=near) if base else None,
        data_dir=resolve_source(data.repo, "dataset", revision=data.revision, near=near),
        out=out,
        reporter=reporter,
        measure=measure if recipe.benchmark else None,
    )


def preflight_here(recipe: Recipe, *, near: Path, limit_gib: float | None) -> tuple[Forecast, Advice | None]:
    """What the recipe needs on this machine, and a change that makes it fit where `limit_gib` is too little.

    Raises as `foretell` does.
    """
    from training.preflight import foretell

    base, data, bench = recipe.base_model, recipe.dataset, recipe.benchmark
    bench_dir = resolve_source(bench.repo, "dataset", revision=bench.revision, near=near) if bench else None
    with tempfile.TemporaryDirectory() as folder:
        forecast = foretell(
            recipe,
            base_dir=resolve_source(base.repo, "model", revision=base.revision, near=near) if base else None,
            data_dir=resolve_source(data.repo, "dataset", revision=data.revision, near=near),
            bench_dir=bench_dir,
            work_dir=Path(folder),
            reporter=SilentReporter(),
        )
    return forecast, fit(forecast, int(limit_gib * 2**30)) if limit_gib else None


def _summary(result: FinetuneResult, outcome: Outcome) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "model": str(result.model_dir),
        "metrics": result.metrics,
        "seconds": round(result.seconds, 2),
        "history": result.history,
    }
    if outcome.evaluation:
        summary["benchmark"] = {key: item for key, item in outcome.evaluation.items() if key != "confusion"}
    return summary


def _measure(recipe: Recipe, model_dir: Path, near: Path, reporter: Reporter) -> dict[str, Any]:
    benchmark = recipe.benchmark
    assert benchmark is not None
    reporter.stage("evaluate")
    data_dir = resolve_source(benchmark.repo, "dataset", revision=benchmark.revision, near=near)
    report = task_kind(recipe.task).evaluate(
        model_dir, data_dir, benchmark.split, recipe=recipe, reporter=reporter
    )
    return report.as_dict()


def _origin(recipe: Recipe, target: str, base_dir: Path | None, data_dir: Path) -> LocalOrigin:
    base, benchmark = recipe.base_model, recipe.benchmark
    return LocalOrigin(
        target=target,
        base=_pinned(base.repo, base.revision, base_dir) if base else None,
        dataset=_pinned(recipe.dataset.repo, recipe.dataset.revision, data_dir),
        benchmark=_pinned(benchmark.repo, benchmark.revision, None) if benchmark else None,
    )


def _pinned(repo: str, revision: str | None, folder: Path | None) -> Pinned:
    """A snapshot's folder is called after its commit; a directory of one's own has none."""
    name = folder.name if folder is not None else revision or ""
    is_oid = len(name) == OID_LENGTH and all(letter in "0123456789abcdef" for letter in name)
    return Pinned(repo.partition("@")[0], name if is_oid else "")


class Target:
    """The model repo a result goes to; made at once, so that nobody learns after the run that it cannot be.

    Raises `UserError` for a name that is none and for a hub that refuses.
    """

    def __init__(self, repo: str) -> None:
        from huggingface_hub import HfApi

        self.repo = repo
        self.api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
        with _told():
            self.api.create_repo(repo, exist_ok=True)

    def publish(self, folder: Path, origin: LocalOrigin) -> str:
        """Commit the folder with the stock client; the commit's address."""
        source = " on ".join(item.repo for item in (origin.base, origin.dataset) if item)
        with _told():
            done = self.api.upload_folder(
                repo_id=self.repo, folder_path=folder, commit_message=f"Fine-tune {source}"
            )
        return str(done)


@contextmanager
def _told() -> Iterator[None]:
    """What the client says of a hub that refuses, in one sentence."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except HFValidationError as error:
        raise UserError("publish:bad-name", f"--publish must be namespace/name: {error}") from None
    except HfHubHTTPError as error:
        reason = error.server_message or str(error).splitlines()[0]
        raise UserError("publish:refused", f"The hub did not take the model: {reason}") from None
    except OSError as error:
        raise EngineError("hub:unreachable", f"The hub could not be reached: {error}") from None
