"""Fine-tuning runs by the stock `hf jobs`: listed, inspected, followed, labelled, stopped, started."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, JobNotFoundError

from tests.live import LiveHub
from tests.wire.command import Command

pytestmark = pytest.mark.wire

_LINES = """
from django.utils import timezone
from runs.models import Run, RunLog
run = Run.objects.get(uuid={id!r})
now = timezone.now()
RunLog.objects.bulk_create([RunLog(run=run, attempt=1, seq=n, at=now, text=t) for n, t in {lines!r}])
"""
_STAGE = """
from django.utils import timezone
from runs.models import Run
now = timezone.now()
Run.objects.filter(uuid={id!r}).update(stage={stage!r}, attempt=1, claimed_at=now, message={message!r})
"""


@pytest.fixture(scope="module")
def recipe(hub: LiveHub) -> str:
    """A recipe on a base and a dataset that are there, as text."""
    api = hub.api()
    base = api.create_repo("jobs-base", exist_ok=True).repo_id
    data = api.create_repo("jobs-digits", repo_type="dataset", exist_ok=True).repo_id
    for name, content in (("config.json", b"{}"), ("model.safetensors", b"weights")):
        api.upload_file(path_or_fileobj=content, path_in_repo=name, repo_id=base)
    return json.dumps({"base_model": {"repo": base}, "dataset": {"repo": data}})


@pytest.fixture
def job(hub: LiveHub, recipe: str, unique: str) -> Any:
    """A job of alice's that nobody works at; it is cancelled in the end."""
    made = start(hub, recipe, unique)
    yield made
    if hub.api().inspect_job(job_id=made.id).status.stage in ("SCHEDULING", "RUNNING"):
        hub.api().cancel_job(job_id=made.id)


def start(hub: LiveHub, recipe: str, target: str, **options: Any) -> Any:
    command = ["tuneyard", "finetune", "--recipe", recipe, "--target", target]
    return hub.api().run_job(image="tuneyard", command=command, **options)


def put_lines(hub: LiveHub, job_id: str, *lines: tuple[int, str]) -> None:
    hub.manage("shell", "-v", "0", "-c", _LINES.format(id=job_id, lines=list(lines)))


def put_stage(hub: LiveHub, job_id: str, stage: str, message: str = "") -> None:
    hub.manage("shell", "-v", "0", "-c", _STAGE.format(id=job_id, stage=stage, message=message))


def test_a_job_is_started_seen_and_stopped_by_command(
    hub: LiveHub, recipe: str, unique: str, hf: Command
) -> None:
    words = ("tuneyard", "tuneyard", "finetune", "--recipe", recipe, "--target", unique, "--private")
    hf("jobs", "run", "--detach", "--label", "team=vision", "--name", unique, "--timeout", "2h", *words)
    (job,) = hub.api().list_jobs(namespace="alice", labels={"name": unique})
    assert (job.status.stage, job.flavor, job.labels) == (
        "SCHEDULING", "cpu-basic", {"team": "vision", "name": unique},
    )  # fmt: skip
    assert (job.owner.name, job.owner.type, job.initiator.name) == ("alice", "user", "alice")
    assert hub.api().model_info(f"alice/{unique}").private
    assert job.id in hf("jobs", "ps", "--quiet", "--label", "team=vision")
    assert job.id not in hf("jobs", "ps", "--quiet", "--label", "team=audio")
    (shown,) = json.loads(hf("jobs", "inspect", job.id, "--json").partition("\nHint")[0])
    assert (shown["id"], shown["name"]) == (job.id, unique)
    hf("jobs", "cancel", job.id)
    assert hub.api().inspect_job(job_id=job.id).status.stage == "CANCELED"
    assert job.id not in hf("jobs", "ps", "--quiet")
    assert job.id in hf("jobs", "ps", "--quiet", "--all")
    assert job.id in hf("jobs", "ps", "--quiet", "--status", "canceled")
    assert "CANCELED" in hf("jobs", "wait", job.id, ok=False)


def test_hardware_by_command(hf: Command) -> None:
    assert "cpu-basic" in hf("jobs", "hardware", "--no-truncate")
    assert "free" in hf("jobs", "hardware", "--no-truncate")


def test_the_page_of_a_job_is_the_page_of_the_run(hub: LiveHub, job: Any) -> None:
    from urllib.request import urlopen

    with urlopen(job.url, timeout=30) as answer:
        assert answer.url == f"{hub.url}/runs/{job.id}"


def test_logs_of_a_job_that_has_ended(hub: LiveHub, job: Any, hf: Command) -> None:
    put_lines(hub, job.id, *((n, f"line {n}") for n in range(5)))
    put_stage(hub, job.id, "ERROR", "The data is empty.")
    assert list(hub.api().fetch_job_logs(job_id=job.id)) == [f"line {n}" for n in range(5)]
    assert list(hub.api().fetch_job_logs(job_id=job.id, tail=2)) == ["line 3", "line 4"]
    assert list(hub.api().fetch_job_logs(job_id=job.id, tail=50)) == [f"line {n}" for n in range(5)]
    assert "line 4" in hf("jobs", "logs", job.id, "--tail", "1")
    assert hub.api().inspect_job(job_id=job.id).status.message == "The data is empty."
    assert list(hub.api().fetch_job_metrics(job_id=job.id)) == []
    assert "No stats available" in hf("jobs", "stats", job.id)


def test_a_log_is_followed_to_the_end_of_the_job(hub: LiveHub, job: Any) -> None:
    put_stage(hub, job.id, "RUNNING")
    put_lines(hub, job.id, (0, "first"))
    heard: list[str] = []
    reader = threading.Thread(
        target=lambda: heard.extend(hub.api().fetch_job_logs(job_id=job.id, follow=True)), daemon=True
    )
    reader.start()
    put_lines(hub, job.id, (1, "second"), (2, "third"))
    put_stage(hub, job.id, "COMPLETED")
    reader.join(60)
    assert not reader.is_alive()
    assert heard == ["first", "second", "third"]


def test_labels_and_a_second_run(hub: LiveHub, job: Any) -> None:
    api = hub.api()
    assert api.update_job_labels(job_id=job.id, labels={"env": "prod"}).labels == {"env": "prod"}
    again = api.rerun_job(job_id=job.id)
    assert (again.labels, again.status.stage) == ({"env": "prod"}, "SCHEDULING")
    assert again.environment["TARGET"] == f"{job.environment['TARGET']}-2"
    assert [one.id for one in api.list_jobs(namespace="alice", labels={"env": "prod"})][:2] == [
        again.id,
        job.id,
    ]
    api.cancel_job(job_id=again.id)
    with pytest.raises(HfHubHTTPError, match="must be made of letters"):
        api.update_job_labels(job_id=job.id, labels={"a b": "c"})


def test_others_see_public_jobs_and_change_none(hub: LiveHub, recipe: str, job: Any, unique: str) -> None:
    stranger = hub.api("carol")
    assert stranger.inspect_job(job_id=job.id, namespace="alice").id == job.id
    for change in (
        lambda: stranger.cancel_job(job_id=job.id, namespace="alice"),
        lambda: stranger.update_job_labels(job_id=job.id, namespace="alice", labels={}),
        lambda: stranger.rerun_job(job_id=job.id, namespace="alice"),
    ):
        with pytest.raises(HfHubHTTPError) as refusal:
            change()
        assert refusal.value.response.status_code == 403
    hub.api().update_repo_settings(f"alice/{unique}", visibility="private")
    with pytest.raises(JobNotFoundError):
        stranger.inspect_job(job_id=job.id, namespace="alice")
    with pytest.raises(JobNotFoundError):
        list(stranger.fetch_job_logs(job_id=job.id, namespace="alice"))
    assert job.id not in [one.id for one in stranger.list_jobs(namespace="alice")]
    with pytest.raises(JobNotFoundError):
        hub.api().inspect_job(job_id=job.id, namespace="team")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"image": "python:3.12", "command": ["python", "-c", "1"]}, "runs fine-tunes and no containers"),
        ({"image": "tuneyard", "command": ["bash"]}, "runs fine-tunes and no containers"),
        ({"image": "tuneyard", "command": ["tuneyard", "finetune"]}, "has no recipe"),
        ({"image": "tuneyard", "command": ["tuneyard", "finetune", "--gpu"]}, "has no '--gpu'"),
        (
            {"image": "tuneyard", "command": ["tuneyard", "finetune"], "secrets": {"A": "b"}},
            "has no 'secrets'",
        ),
        ({"image": "tuneyard", "command": ["tuneyard", "finetune"], "ssh": True}, "has no 'ssh'"),
        ({"image": "hf.co/spaces/a/b", "command": ["tuneyard", "finetune"]}, "has no 'spaceId'"),
    ],
)
def test_anything_but_a_fine_tune_is_refused_in_words(hub: LiveHub, words: Any, sentence: str) -> None:
    with pytest.raises(BadRequestError, match=sentence):
        hub.api().run_job(**words)


def test_scheduled_jobs_are_refused_in_words(hub: LiveHub) -> None:
    api = hub.api()
    assert list(api.list_scheduled_jobs()) == []
    with pytest.raises(BadRequestError, match="no scheduled jobs"):
        api.create_scheduled_job(image="tuneyard", command=["tuneyard", "finetune"], schedule="@daily")
    with pytest.raises(JobNotFoundError):
        api.delete_scheduled_job(scheduled_job_id="1")


def test_a_bad_recipe_is_told_by_its_fields(hub: LiveHub, unique: str) -> None:
    with pytest.raises(HfHubHTTPError, match="there is no model alice/nothing") as refusal:
        start(hub, '{"base_model": {"repo": "alice/nothing"}, "dataset": {"repo": "alice/none"}}', unique)
    assert refusal.value.response.status_code == 422
    assert not hub.api().repo_exists(f"alice/{unique}")
