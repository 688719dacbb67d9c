"""Our arm: `training.finetune.finetune`, whole, its own choice of everything."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from bench.train_peers.work import BATCH, RATES, SIZE, TOKENS, Job


def recipe_of(job: Job) -> Any:
    from training.recipe import parse_recipe

    image = job.race != "minilm"
    dataset: dict[str, Any] = {"repo": "data", "validation_fraction": 0.0}
    dataset |= {"image_size": SIZE} if image else {"max_tokens": TOKENS}
    return parse_recipe(
        {
            "task": "image-classification" if image else "text-classification",
            "base_model": {"repo": "base"},
            "dataset": dataset,
            "init": "scratch" if job.race == "resnet" else "pretrained",
            "strategy": {"kind": "full"},
            "optim": {
                "lr": RATES[job.race],
                "epochs": job.epochs,
                "batch_size": BATCH,
                "schedule": "constant",
                "warmup_fraction": 0.0,
            },
            "precision": "auto" if job.form == "default" else job.form,
            "seed": job.seed,
        }
    )


def run(job: Job) -> None:
    """From files to `job.out`."""
    from training.finetune import finetune
    from training.reporting import SilentReporter

    with tempfile.TemporaryDirectory(dir=job.work) as folder:
        found = finetune(
            recipe_of(job),
            base_dir=job.base,
            data_dir=job.data,
            work_dir=Path(folder),
            reporter=SilentReporter(),
        )
        shutil.move(found.model_dir, job.out)
