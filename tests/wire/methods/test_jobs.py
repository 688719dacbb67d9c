"""Fine-tuning runs as jobs; what they show while they run is told in tests/wire/test_job_stories.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import HfHubHTTPError, JobNotFoundError

from tests.wire.methods.jobworld import fine_tune
from tests.wire.methods.register import People, tries
from tests.wire.test_job_stories import put_lines, put_stage

pytestmark = pytest.mark.wire


@pytest.fixture
def words(alice: Any, unique: str) -> dict[str, Any]:
    return fine_tune(alice, unique)


@tries("run_job", "list_jobs", "inspect_job", "update_job_labels", "rerun_job", "cancel_job", "wait_for_job")
def test_a_job_from_start_to_stop(people: People, words: dict[str, Any], unique: str) -> None:
    api = people()
    job = api.run_job(**words)
    assert (job.status.stage, job.owner.name, job.labels) == ("SCHEDULING", "alice", {"name": unique})
    # Without a namespace this method asks the endpoint of the environment, whatever its client's own is.
    found = api.list_jobs(namespace="alice", labels={"name": unique}, status="scheduling")
    assert [one.id for one in found] == [job.id]
    assert api.inspect_job(job_id=job.id).id == job.id
    assert api.update_job_labels(job_id=job.id, labels={"name": unique, "a": "b"}).labels["a"] == "b"
    again = api.rerun_job(job_id=job.id)
    assert again.id != job.id
    for made in (job, again):
        api.cancel_job(job_id=made.id)
        assert api.wait_for_job(made.id, timeout=10).status.stage == "CANCELED"
    with pytest.raises(JobNotFoundError):
        api.inspect_job(job_id="0" * 24)
    with pytest.raises(HfHubHTTPError) as refusal:
        people("carol").cancel_job(job_id=job.id, namespace="alice")
    assert refusal.value.response.status_code == 403


@tries("fetch_job_logs", "fetch_job_metrics")
def test_what_a_job_said(people: People, words: dict[str, Any]) -> None:
    api = people()
    job = api.run_job(**words)
    put_lines(people.hub, job.id, (0, "first"), (1, "second"))
    put_stage(people.hub, job.id, "COMPLETED")
    assert list(api.fetch_job_logs(job_id=job.id)) == ["first", "second"]
    assert list(api.fetch_job_logs(job_id=job.id, tail=1, follow=True)) == ["second"]
    assert list(api.fetch_job_metrics(job_id=job.id)) == []


@tries("list_jobs_hardware", "list_scheduled_jobs", "sync_job_volume")
def test_what_jobs_may_use(people: People, tmp_path: Path) -> None:
    api = people("carol")
    assert "cpu-basic" in [flavor.name for flavor in api.list_jobs_hardware()]
    assert list(api.list_scheduled_jobs()) == []
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "one.txt").write_bytes(b"1")
    volume = api.sync_job_volume(tmp_path / "data", "/data", remote_name="in")
    assert (volume.type, volume.source, volume.path) == ("bucket", "carol/jobs-artifacts", "in")
    assert "in/one.txt" in [entry.path for entry in api.list_bucket_tree(volume.source)]
    assert api.bucket_info(volume.source).private
