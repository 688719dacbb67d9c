"""A fine-tune to be started as a job."""

from __future__ import annotations

import json
from typing import Any


def fine_tune(api: Any, name: str) -> dict[str, Any]:
    """What `run_job` takes to start a small fine-tune of the caller's, on repos that this makes."""
    base = api.create_repo(f"{name}-base").repo_id
    data = api.create_repo(f"{name}-data", repo_type="dataset").repo_id
    for path, content in (("config.json", b"{}"), ("model.safetensors", b"weights")):
        api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=base)
    recipe = json.dumps({"base_model": {"repo": base}, "dataset": {"repo": data}})
    command = ["tuneyard", "finetune", "--recipe", recipe, "--target", name]
    return {"image": "tuneyard", "command": command, "labels": {"name": name}}


def exposed(api: Any, name: str) -> Any:
    """Ask for a port of a job; the job is stopped again, whatever comes of it."""
    job = api.run_job(**fine_tune(api, name))
    try:
        return api.update_job_expose(job_id=job.id, expose=[8000])
    finally:
        api.cancel_job(job_id=job.id)
