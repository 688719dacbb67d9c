"""What can be done with a run that has ended: go on, again, a copy, with changes; and stopping one."""

from __future__ import annotations

import hashlib
import io
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.actor import ANONYMOUS, Actor
from accounts.models import User
from models_app.access import Forbidden, LoginRequired
from models_app.models import Event, EventTag, Repo
from runs import actions, checkpoints, lifecycle, reports, reviving, tasks
from runs.models import Kind, Run, RunLog, RunMetric, Stage
from runs.quotas import TooManyRuns
from runs.reviving import NotResumable
from tests.runs.conftest import Sent, World
from training.recipe import RecipeError

BACKEND = "accounts.backends.AccountBackend"


@pytest.fixture
def as_alice(client: Client, world: World) -> Client:
    client.force_login(world.alice, backend=BACKEND)
    return client


def keep_checkpoint(run: Run, step: int) -> None:
    """As its worker sends one; the hub never looks into it."""
    content = b"weights"
    digest = hashlib.sha256(content).hexdigest()
    checkpoints.keep(
        run, attempt=run.attempt, step=step, size=len(content), sha256=digest, body=io.BytesIO(content)
    )


def failed(world: World, target: str = "alice/result", *, step: int | None = 40, **options: Any) -> Run:
    """A run that ended in an error after its first attempt, with a checkpoint at `step`."""
    run = world.claim(world.submit(target, **options)).run
    reports.report(run, attempt=1, step=45, total_steps=100, metrics=[reports.Metric(40, "train/loss", 1.5)])
    if step is not None:
        keep_checkpoint(run, step)
    Run.objects.filter(pk=run.pk).update(losses=2)
    run.refresh_from_db()
    reports.finish(run, outcome="error", message_id="run:timeout", message="Too long.")
    run.refresh_from_db()
    assert run.stage == Stage.ERROR
    return run


# --- going on


def test_a_failed_run_goes_on_as_the_same_run(world: World, sent: Sent) -> None:
    run = failed(world)
    sent.clear()
    with world.capture(execute=True):
        again = reviving.resume(Actor(world.alice), run=run)
    assert again.pk == run.pk
    assert Run.objects.count() == 1
    fresh = Run.objects.get()
    assert (fresh.stage, fresh.losses, fresh.checkpoint_step, fresh.attempt) == ("SCHEDULING", 0, 40, 1)
    assert (fresh.message, fresh.message_id, fresh.finished_at, fresh.worker) == ("", "", None, None)
    assert fresh.metrics.filter(step=40).exists()
    assert len(sent) == 1
    event = Event.objects.get(tag=EventTag.RUN_RESUME)
    assert (event.actor, event.data["run"]) == (world.alice, str(run.uuid))
    assert world.claim(fresh).run.attempt == 2


def test_a_resumed_run_completes(world: World) -> None:
    run = failed(world)
    reviving.resume(Actor(world.alice), run=run)
    run = world.claim(run).run
    reports.finish(run, outcome="completed", result_oid=world.publish(run))
    run.refresh_from_db()
    assert run.stage == Stage.COMPLETED
    assert [row.outcome for row in run.attempts.order_by("number")] == ["timeout", "completed"]


def test_a_canceled_run_goes_on_and_is_canceled_again(world: World) -> None:
    run = world.claim(world.submit()).run
    actions.cancel(Actor(world.alice), run=run)
    run.refresh_from_db()
    keep_checkpoint(run, 5)
    reports.finish(run, outcome="canceled")
    run.refresh_from_db()
    reviving.resume(Actor(world.alice), run=run)
    run = world.claim(run).run
    assert not reports.report(run, attempt=2)  # the earlier request does not reach this attempt
    actions.cancel(Actor(world.alice), run=run)
    assert reports.report(run, attempt=2)
    run.refresh_from_db()
    reports.finish(run, outcome="canceled")
    run.refresh_from_db()
    assert run.stage == Stage.CANCELED
    reviving.resume(Actor(world.alice), run=run)
    assert actions.cancel(Actor(world.alice), run=run).stage == Stage.CANCELED  # it waits: at once


def test_the_second_click_is_told(world: World) -> None:
    run = failed(world)
    stale = Run.objects.get(pk=run.pk)
    reviving.resume(Actor(world.alice), run=run)
    with pytest.raises(NotResumable, match="under way already"):
        reviving.resume(Actor(world.alice), run=stale)
    world.claim(run)
    with pytest.raises(NotResumable, match="under way already"):
        reviving.resume(Actor(world.alice), run=stale)
    assert Event.objects.filter(tag=EventTag.RUN_RESUME).count() == 1


def test_of_two_at_the_same_moment_one_resumes_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = failed(world)
    check = reviving._check

    def slow(other: Run) -> None:
        check(other)
        monkeypatch.setattr(reviving, "_check", check)
        reviving.resume(Actor(world.alice), run=Run.objects.get(pk=run.pk))

    monkeypatch.setattr(reviving, "_check", slow)
    with pytest.raises(NotResumable):
        reviving.resume(Actor(world.alice), run=run)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"checkpoint_step": None}, "No checkpoint"),
        ({"stage": Stage.COMPLETED}, "has finished"),
        ({"stage": Stage.RUNNING}, "under way"),
        ({"kind": Kind.PREFLIGHT}, "measured step"),
        ({"target_repo": None}, "target repo"),
        ({"base_repo": None}, "base repo"),
        ({"dataset_repo": None}, "dataset repo"),
        ({"recipe": {"task": "divination"}}, "no longer takes its recipe"),
    ],
)
def test_what_cannot_go_on_says_why(world: World, changes: dict[str, Any], words: str) -> None:
    run = failed(world)
    Run.objects.filter(pk=run.pk).update(**changes)
    run = Run.objects.for_pages().get(pk=run.pk)
    before = Run.objects.values().get(pk=run.pk)
    with pytest.raises(NotResumable, match=words):
        reviving.resume(Actor(world.alice), run=run)
    assert Run.objects.values().get(pk=run.pk) == before


def test_a_closed_account_resumes_nothing(world: World) -> None:
    run = failed(world)
    User.objects.filter(pk=world.alice.pk).update(is_suspended=True)
    staff = User.objects.create(username="root", is_staff=True)
    with pytest.raises((NotResumable, Forbidden)):
        reviving.resume(Actor(staff), run=Run.objects.for_pages().get(pk=run.pk))


def test_only_who_may_write_resumes(world: World, carol: User) -> None:
    run = failed(world)
    with pytest.raises(Forbidden):
        reviving.resume(Actor(carol), run=run)
    with pytest.raises(LoginRequired):
        reviving.resume(ANONYMOUS, run=run)


def test_a_target_taken_meanwhile_is_not_written_to(world: World) -> None:
    run = failed(world)
    other = actions.retry(Actor(world.alice), run=run)
    with pytest.raises(NotResumable, match="Another run"):
        reviving.resume(Actor(world.alice), run=run)
    world.claim(other)
    other.refresh_from_db()
    reports.finish(other, outcome="completed", result_oid=world.publish(other))
    with pytest.raises(NotResumable, match="holds files"):
        reviving.resume(Actor(world.alice), run=run)


def test_what_it_published_itself_does_not_stand_in_its_way(world: World) -> None:
    run = failed(world)
    oid = world.publish(run)
    reviving.resume(Actor(world.alice), run=run)
    assert world.claim(run).published_oid == oid


def test_a_checkpoint_that_was_swept_away_is_gone(world: World, settings: Any) -> None:
    run = failed(world)
    tasks.reap()
    assert checkpoints.is_kept(Run.objects.get())
    Run.objects.update(finished_at=timezone.now() - timedelta(days=8))
    tasks.reap()
    with pytest.raises(NotResumable, match="No checkpoint"):
        reviving.resume(Actor(world.alice), run=run)


def test_a_file_that_is_lost_is_noticed_before_a_worker_asks_for_it(world: World) -> None:
    run = failed(world)
    (checkpoints._folder(run.uuid) / run.checkpoint_sha256).unlink()
    with pytest.raises(NotResumable, match="No checkpoint"):
        reviving.resume(Actor(world.alice), run=run)


def test_a_namespace_at_its_limit_resumes_nothing(world: World, settings: Any) -> None:
    run = failed(world)
    world.submit("alice/waiting")
    settings.HUB_MAX_WAITING_PER_NAMESPACE = 1
    with pytest.raises(TooManyRuns):
        reviving.resume(Actor(world.alice), run=run)
    run.refresh_from_db()
    assert run.stage == Stage.ERROR


# --- from the start, and beside it


def test_a_retry_is_another_run_of_the_same_commits_and_target(world: World) -> None:
    run = failed(world, timeout_seconds=600, labels={"team": "vision"})
    again = actions.retry(Actor(world.alice), run=run)
    assert (again.parent, again.target_repo, again.recipe) == (run, run.target_repo, run.recipe)
    assert (again.base_oid, again.dataset_oid, again.timeout_seconds) == (run.base_oid, run.dataset_oid, 600)
    assert [row.key for row in again.label_rows.all()] == ["team"]
    assert (again.checkpoint_step, again.metrics.count()) == (None, 0)
    with pytest.raises(RecipeError, match="Another run"):
        actions.retry(Actor(world.alice), run=run)


def test_a_run_without_a_target_is_not_retried_but_copied(world: World) -> None:
    run = failed(world)
    Run.objects.filter(pk=run.pk).update(target_repo=None)
    run = Run.objects.for_pages().get(pk=run.pk)
    with pytest.raises(actions.RunHasEnded, match="is gone"):
        actions.retry(Actor(world.alice), run=run)
    assert actions.clone(Actor(world.alice), run=run).target_repo.repo_id == "alice/base-digits"


def test_a_copy_of_what_is_private_is_private(world: World) -> None:
    run = failed(world, private=True)
    copy = actions.clone(Actor(world.alice), run=run)
    assert copy.target_repo.private
    assert copy.parent == run
    assert copy.target_repo.repo_id == "alice/result-2"


def test_a_stranger_copies_a_public_run_to_their_own(client: Client, world: World, carol: User) -> None:
    run = failed(world)
    client.force_login(carol, backend=BACKEND)
    answer = client.post(f"/runs/{run.uuid}/clone")
    copy = Run.objects.exclude(pk=run.pk).get()
    assert answer["Location"] == f"/runs/{copy.uuid}"
    assert (copy.namespace.name, copy.created_by) == ("carol", carol)
    for verb in ("resume", "retry"):
        assert client.post(f"/runs/{run.uuid}/{verb}").status_code == 403
    client.logout()
    assert "/login" in client.post(f"/runs/{run.uuid}/clone")["Location"]


def test_a_measured_step_is_neither_retried_nor_copied(world: World) -> None:
    run = failed(world)
    Run.objects.filter(pk=run.pk).update(kind=Kind.PREFLIGHT)
    run = Run.objects.for_pages().get(pk=run.pk)
    for verb in (actions.retry, actions.clone):
        with pytest.raises(actions.RunHasEnded):
            verb(Actor(world.alice), run=run)


# --- the target, from the first moment on


@pytest.mark.parametrize("private", [False, True])
def test_the_result_repo_is_there_before_the_run_begins(client: Client, world: World, private: bool) -> None:
    run = world.submit(private=private)
    assert Repo.objects.get(name="result").private is private
    client.force_login(world.alice, backend=BACKEND)
    text = client.get("/alice/result").text
    assert "is under way" in text
    assert f"/runs/{run.uuid}" in text
    actions.cancel(Actor(world.alice), run=run)
    assert "is under way" not in client.get("/alice/result").text


def test_a_run_of_a_private_result_is_shown_to_nobody_else(client: Client, world: World, carol: User) -> None:
    world.submit(private=True)
    client.force_login(carol, backend=BACKEND)
    assert client.get("/alice/result").status_code == 404


# --- stopping


def test_a_cancel_never_gets_lost_when_the_worker_gives_up_at_the_same_moment(world: World) -> None:
    """The worker hands the run back, or fails, having been read before the person pressed Cancel."""
    for end in ({"outcome": "interrupted"}, {"outcome": "error", "message_id": "worker:failed"}):
        run = world.claim(world.submit(f"alice/{end['outcome']}")).run
        stale = Run.objects.for_pages().get(pk=run.pk)
        actions.cancel(Actor(world.alice), run=run)
        reports.finish(stale, **end)
        tasks.reap()
        run.refresh_from_db()
        assert run.stage == Stage.CANCELED, end


def test_the_page_says_at_once_that_it_stops(as_alice: Client, world: World) -> None:
    run = world.claim(world.submit()).run
    page = as_alice.post(f"/runs/{run.uuid}/cancel", follow=True).text
    assert "Stopping…" in page
    assert as_alice.post(f"/runs/{run.uuid}/cancel", follow=True).status_code == 200
    assert Event.objects.filter(tag=EventTag.RUN_CANCEL).count() == 1


# --- pages


def test_a_failed_runs_page_names_the_cause_the_lines_and_the_way_on(as_alice: Client, world: World) -> None:
    run = failed(world)
    RunLog.objects.create(run=run, attempt=1, seq=3, at=timezone.now(), text="WARNING: disk slow, error 5")
    text = as_alice.get(f"/runs/{run.uuid}").text
    for words in (
        "time limit",
        "Too long.",
        "error 5",
        "after step 40",
        "run:timeout",
        "Resume",
        "Run a copy",
    ):
        assert words in text
    answer = as_alice.post(f"/runs/{run.uuid}/resume")
    assert answer["Location"] == f"/runs/{run.uuid}"
    run.refresh_from_db()
    assert run.stage == Stage.SCHEDULING
    refused = as_alice.post(f"/runs/{run.uuid}/resume", follow=True).text
    assert "under way already" in refused


def test_programs_get_the_diagnosis_too(client: Client, world: World) -> None:
    run = failed(world)
    found = client.get(f"/api/runs/{run.uuid}").json()["diagnosis"]
    assert (found["cause"], found["ours"], found["action"]) == (
        "time",
        False,
        {"kind": "resume", "changes": {}},
    )
    assert "after step 40" in found["nextStep"]
    assert client.get(f"/api/runs/{world.submit('alice/other').uuid}").json()["diagnosis"] is None


def test_without_a_checkpoint_there_is_no_resume(as_alice: Client, world: World) -> None:
    run = failed(world, step=None)
    text = as_alice.get(f"/runs/{run.uuid}").text
    assert "/resume" not in text
    assert f"/runs/{run.uuid}/retry" in text
    assert "No checkpoint" in as_alice.post(f"/runs/{run.uuid}/resume", follow=True).text


def test_a_visitor_sees_why_but_no_buttons(client: Client, world: World) -> None:
    run = failed(world)
    text = client.get(f"/runs/{run.uuid}").text
    assert "time limit" in text
    for verb in ("resume", "retry", "clone", "cancel"):
        assert f"/runs/{run.uuid}/{verb}" not in text


def test_reaching_the_end_of_time_costs_no_checkpoint(world: World) -> None:
    """The reaper's own ends can be resumed as well."""
    run = world.claim(world.submit()).run
    past = timezone.now() - timedelta(seconds=run.timeout_seconds + 1)
    keep_checkpoint(run, 3)
    Run.objects.filter(pk=run.pk).update(claimed_at=past)
    assert lifecycle.end_overdue(timezone.now()) == 1
    run = Run.objects.for_pages().get(pk=run.pk)
    assert reviving.resume(Actor(world.alice), run=run).stage == Stage.SCHEDULING
    assert run.timeout_seconds <= settings.HUB_RUN_TIMEOUT_SECONDS
    assert not RunMetric.objects.filter(run=run).exists()
