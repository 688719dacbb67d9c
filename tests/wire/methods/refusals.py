"""What of `HfApi` this hub refuses, why, and what the client then raises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from huggingface_hub import Volume
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, JobNotFoundError

from tests.wire.methods.jobworld import exposed


@dataclass(frozen=True)
class Refusal:
    """Methods refused for one reason.

    `calls` tries each on a client, with the id of a repo of type `repo_type` or, without one, a fresh name.
    `sentence` is the hub's own, found in every error's message. `foreign` names what in the client leads
    elsewhere, whatever HF_ENDPOINT is.
    """

    why: str
    error: type[Exception]
    sentence: str
    calls: dict[str, Callable[[Any, str], Any]]
    repo_type: str = ""
    foreign: tuple[str, ...] = ()


_VOLUME = Volume(type="bucket", source="alice/b", mount_path="/data")
_JOB = {"image": "python:3.12", "command": ["python", "-V"]}
_SCHEDULED: dict[str, Callable[[Any, str], Any]] = {
    "delete_scheduled_job": lambda api, _: api.delete_scheduled_job(scheduled_job_id="1"),
    "inspect_scheduled_job": lambda api, _: api.inspect_scheduled_job(scheduled_job_id="1"),
    "resume_scheduled_job": lambda api, _: api.resume_scheduled_job(scheduled_job_id="1"),
    "suspend_scheduled_job": lambda api, _: api.suspend_scheduled_job(scheduled_job_id="1"),
    "trigger_scheduled_job": lambda api, _: api.trigger_scheduled_job(scheduled_job_id="1"),
    "update_scheduled_job_labels": lambda api, _: api.update_scheduled_job_labels(
        scheduled_job_id="1", labels={"a": "b"}
    ),
    "update_scheduled_job_schedule": lambda api, _: api.update_scheduled_job_schedule(
        scheduled_job_id="1", schedule="@daily"
    ),
}
_ENDPOINT = {
    "repository": "a/b", "framework": "pytorch", "accelerator": "cpu", "instance_size": "x1",
    "instance_type": "c6i", "region": "us-east-1", "vendor": "aws",
}  # fmt: skip

REFUSALS = (
    Refusal(
        "Spaces are stored and shown here, never run: nothing can be set up, started or stopped.",
        BadRequestError,
        "stores spaces and does not run them",
        {
            "add_space_secret": lambda api, repo: api.add_space_secret(repo, "KEY", "value"),
            "delete_space_secret": lambda api, repo: api.delete_space_secret(repo, "KEY"),
            "add_space_variable": lambda api, repo: api.add_space_variable(repo, "KEY", "value"),
            "delete_space_variable": lambda api, repo: api.delete_space_variable(repo, "KEY"),
            "set_space_volumes": lambda api, repo: api.set_space_volumes(repo, [_VOLUME]),
            "delete_space_volumes": lambda api, repo: api.delete_space_volumes(repo),
            "request_space_hardware": lambda api, repo: api.request_space_hardware(repo, "t4-small"),
            "set_space_sleep_time": lambda api, repo: api.set_space_sleep_time(repo, 300),
            "pause_space": lambda api, repo: api.pause_space(repo),
            "restart_space": lambda api, repo: api.restart_space(repo, factory_reboot=True),
            "enable_space_dev_mode": lambda api, repo: api.enable_space_dev_mode(repo),
            "disable_space_dev_mode": lambda api, repo: api.disable_space_dev_mode(repo),
            "fetch_space_logs": lambda api, repo: list(api.fetch_space_logs(repo)),
        },
        repo_type="space",
    ),
    Refusal(
        "There is no hardware for spaces, so there is no quota of it.",
        HfHubHTTPError,
        "This hub runs no spaces and has no ZeroGPU",
        {"get_zero_gpu_quota": lambda api, _: api.get_zero_gpu_quota()},
    ),
    Refusal(
        "Jobs are fine-tunes by this hub's own trainer; workers run no strangers' code or containers.",
        BadRequestError,
        "runs fine-tunes and no containers",
        {"run_uv_job": lambda api, _: api.run_uv_job("https://example.org/train.py")},
    ),
    Refusal(
        "A fine-tune listens on no port.",
        BadRequestError,
        "A fine-tune listens on no port",
        {"update_job_expose": exposed},
    ),
    Refusal(
        "Runs are started by people or their programs, when it is time for them.",
        BadRequestError,
        "no scheduled jobs",
        {
            "create_scheduled_job": lambda api, _: api.create_scheduled_job(schedule="@daily", **_JOB),
            "create_scheduled_uv_job": lambda api, _: api.create_scheduled_uv_job(
                "https://example.org/train.py", schedule="@daily"
            ),
        },
    ),
    Refusal("There are no scheduled jobs to act on.", JobNotFoundError, "no scheduled jobs", _SCHEDULED),
    Refusal(
        "Papers live at the public hub.",
        HfHubHTTPError,
        "This hub keeps no papers",
        {
            "list_papers": lambda api, _: list(api.list_papers(query="llama")),
            "list_daily_papers": lambda api, _: list(api.list_daily_papers()),
            "paper_info": lambda api, _: api.paper_info("2407.21783"),
            "read_paper": lambda api, _: api.read_paper("2407.21783"),
        },
    ),
    Refusal(
        "Organizations here have members and roles, no resource groups.",
        HfHubHTTPError,
        "This hub has no resource groups",
        {
            "update_collection_resource_group": lambda api, _: api.update_collection_resource_group(
                api.create_collection("Grouped", exists_ok=True).slug, "1"
            )
        },
    ),
    Refusal(
        "No model is deployed here; the client asks Hugging Face's own hosts, whatever `HF_ENDPOINT` is.",
        HfHubHTTPError,
        "This hub deploys no models",
        {
            "list_inference_endpoints": lambda api, _: api.list_inference_endpoints(),
            "list_inference_endpoints_hardware": lambda api, _: api.list_inference_endpoints_hardware(),
            "get_inference_endpoint": lambda api, _: api.get_inference_endpoint("x"),
            "create_inference_endpoint": lambda api, _: api.create_inference_endpoint("x", **_ENDPOINT),
            "update_inference_endpoint": lambda api, _: api.update_inference_endpoint("x", min_replica=1),
            "delete_inference_endpoint": lambda api, _: api.delete_inference_endpoint("x"),
            "pause_inference_endpoint": lambda api, _: api.pause_inference_endpoint("x"),
            "resume_inference_endpoint": lambda api, _: api.resume_inference_endpoint("x"),
            "scale_to_zero_inference_endpoint": lambda api, _: api.scale_to_zero_inference_endpoint("x"),
            "list_inference_catalog": lambda api, _: api.list_inference_catalog(),
            "create_inference_endpoint_from_catalog": lambda api, _: (
                api.create_inference_endpoint_from_catalog("a/b")
            ),
        },
        foreign=("INFERENCE_ENDPOINTS_ENDPOINT", "INFERENCE_CATALOG_ENDPOINT"),
    ),
    Refusal(
        "The client itself refuses to ask any hub but the public one for its dataset viewer.",
        ValueError,
        "It is not supported on third-party endpoints",
        {
            "list_dataset_parquet_files": lambda api, repo: api.list_dataset_parquet_files(repo),
        },
        repo_type="dataset",
    ),
)


def refused() -> dict[str, Refusal]:
    """Every refused method and its refusal."""
    return {name: refusal for refusal in REFUSALS for name in refusal.calls}


# What works, and has nothing to tell or less to offer than elsewhere.
LIMITS = {
    "create_repo": "what only a running space needs (secrets, hardware, volumes, …) is refused",
    "duplicate_repo": "what only a running space needs is refused",
    "create_webhook": "to a URL; jobs of the public hub are refused",
    "fetch_job_metrics": "an empty stream: workers report training curves, no processor or memory",
    "get_space_runtime": "always `STOPPED`",
    "get_space_secrets": "always empty",
    "get_space_variables": "always empty",
    "list_models": "filters for inference providers and apps find nothing",
    "list_scheduled_jobs": "always empty",
    "list_space_templates": "always empty",
    "list_spaces_hardware": "always empty",
    "model_info": "no property of inference providers, widgets or GGUF files",
    "run_job": "fine-tunes with a recipe, nothing else",
    "search_spaces": "by words, not by meaning",
    "update_repo_settings": "no `protected` spaces",
    "wait_for_space": "at once: `STOPPED`",
}
