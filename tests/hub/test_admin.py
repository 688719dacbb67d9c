"""The desk: every page opens for staff, changes go through actions, nobody else gets in."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import AccessToken, Organization, User
from accounts.people import make_organization, put_member
from accounts.tokens import find_token, mint_token
from models_app.models import Benchmark, EvalResult, Event, Repo
from runs.models import Attempt, ComputeQuota, Run, Worker
from tests.models_app.people import repo_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client: Client, mod: User) -> Client:
    client.force_login(mod)
    return client


@pytest.fixture
def world(alice: User, bob: User, tmp_path: object, settings: object) -> dict[str, object]:
    """One row of everything the desk shows."""
    team = make_organization(name="team")
    put_member(team, bob, "write")
    net, data = repo_of(alice, "net"), repo_of(alice, "digits", repo_type="dataset")
    benchmark = Benchmark.objects.create(repo=data, name="digits")
    worker = Worker.objects.create(name="gpu1", token_hash="0" * 64, flavors=["cpu-basic"])
    run = Run.objects.create(
        namespace=net.namespace, created_by=alice, recipe={}, base_repo=net, base_oid="0" * 40,
        dataset_repo=data, dataset_oid="0" * 40, target_repo=net, worker=worker,
    )  # fmt: skip
    Attempt.objects.create(run=run, number=1, namespace=net.namespace, flavor="cpu-basic")
    ComputeQuota.objects.create(namespace=net.namespace, minutes=60)
    token, text = mint_token(alice, name="laptop", role="write")
    EvalResult.objects.create(repo=net, filename="x.yaml", dataset_id="alice/digits", task_id="t", value=0.5)
    return {
        "team": team,
        "net": net,
        "benchmark": benchmark,
        "worker": worker,
        "run": run,
        "token": token,
        "text": text,
    }


def url(model: type, page: str = "changelist", *arguments: object) -> str:
    meta = model._meta  # type: ignore[attr-defined]
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=arguments)


def act(desk: Client, row: object, action: str) -> str:
    """Choose the row, run the action, return what the page says then."""
    data = {"action": action, "_selected_action": [row.pk]}  # type: ignore[attr-defined]
    return desk.post(url(type(row)), data, follow=True).text


def test_the_desk_is_branded(desk: Client) -> None:
    page = desk.get("/admin/").text
    assert "Tuneyard" in page
    assert "Django administration" not in page
    assert "css/desk.css" in page


def test_every_list_and_every_row_opens(desk: Client, world: dict[str, object]) -> None:
    shown = [
        model for model in admin.site._registry if model._meta.app_label in ("accounts", "models_app", "runs")
    ]
    assert {User, Organization, AccessToken, Repo, Event, Benchmark, EvalResult, Run, Worker} <= set(shown)
    for model in shown:
        assert desk.get(url(model)).status_code == 200, model
        assert desk.get(url(model) + "?q=x").status_code in (200, 302), model
        row = model._default_manager.first()
        assert row is not None, model
        assert desk.get(url(model, "change", row.pk)).status_code == 200, model


def test_nobody_else_gets_in(client: Client, world: dict[str, object], alice: User) -> None:
    for model in (User, Repo, Run):
        assert client.get(url(model)).status_code == 302
    client.force_login(alice)
    for model in (User, Repo, Run):
        assert client.get(url(model)).status_code == 302


def test_no_secret_and_no_hash_is_shown(desk: Client, world: dict[str, object]) -> None:
    token, worker = world["token"], world["worker"]
    for row in (token, worker):
        page = desk.get(url(type(row), "change", row.pk)).text  # type: ignore[attr-defined]
        assert AccessToken.objects.get().hash not in page
        assert "0" * 64 not in page
        assert str(world["text"]) not in page


def test_rows_with_content_cannot_be_typed_over(desk: Client, world: dict[str, object]) -> None:
    for model in (Repo, Run, Event, EvalResult, Benchmark, AccessToken):
        row = model._default_manager.first()
        assert row is not None
        assert desk.post(url(model, "change", row.pk), {"name": "x"}).status_code == 403
        assert desk.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert desk.get(url(model, "add")).status_code == 403


def test_people_are_suspended_and_restored(desk: Client, world: dict[str, object], alice: User) -> None:
    assert "Suspended: 1." in act(desk, alice, "suspend")
    assert find_token(str(world["text"])) is None
    assert "Restored: 1." in act(desk, alice, "restore")
    assert find_token(str(world["text"])) is not None


def test_a_refusal_is_shown_on_the_page(desk: Client, mod: User) -> None:
    assert "You cannot suspend yourself." in act(desk, mod, "suspend")
    mod.refresh_from_db()
    assert not mod.is_suspended


def test_tokens_are_revoked(desk: Client, world: dict[str, object]) -> None:
    assert "Revoked: 1." in act(desk, world["token"], "revoke")
    assert find_token(str(world["text"])) is None


def test_repos_are_disabled_and_enabled_with_an_event(
    desk: Client, world: dict[str, object], mod: User
) -> None:
    net = world["net"]
    assert isinstance(net, Repo)
    assert "Disabled: 1." in act(desk, net, "disable")
    net.refresh_from_db()
    assert net.disabled_at is not None
    assert Event.objects.filter(repo=net, tag="repo:repo:disable", actor=mod).count() == 1
    act(desk, net, "enable")
    net.refresh_from_db()
    assert net.disabled_at is None


def test_runs_are_canceled_once(desk: Client, world: dict[str, object]) -> None:
    run = world["run"]
    assert isinstance(run, Run)
    assert "Canceled: 1." in act(desk, run, "cancel")
    run.refresh_from_db()
    assert run.stage == "CANCELED"
    assert "This run has ended already." in act(desk, run, "cancel")


def test_a_running_run_is_given_to_another_attempt(desk: Client, world: dict[str, object]) -> None:
    run = world["run"]
    assert isinstance(run, Run)
    Run.objects.filter(pk=run.pk).update(stage="RUNNING", attempt=1)
    assert "Requeued: 1." in act(desk, run, "requeue")
    run.refresh_from_db()
    assert run.stage == "SCHEDULING"


def test_workers_are_put_aside_and_taken_back(desk: Client, world: dict[str, object]) -> None:
    worker = world["worker"]
    assert isinstance(worker, Worker)
    act(desk, worker, "disable")
    worker.refresh_from_db()
    assert not worker.is_enabled
    act(desk, worker, "enable")
    worker.refresh_from_db()
    assert worker.is_enabled


def test_workers_are_drained_and_taken_offline(desk: Client, world: dict[str, object], mod: User) -> None:
    worker, run = world["worker"], world["run"]
    assert isinstance(worker, Worker)
    assert isinstance(run, Run)
    Run.objects.filter(pk=run.pk).update(stage="RUNNING", attempt=1)
    assert "Draining: 1." in act(desk, worker, "drain")
    run.refresh_from_db()
    assert (run.stage, run.worker) == ("RUNNING", worker)
    assert "Taken offline: 1." in act(desk, worker, "take_offline")
    run.refresh_from_db()
    worker.refresh_from_db()
    assert (run.stage, run.worker, worker.state) == ("SCHEDULING", None, "offline")
    assert "Activated: 1." in act(desk, worker, "activate")
    worker.refresh_from_db()
    assert worker.state == "active"
    told = Event.objects.filter(tag="user:machine:change", actor=mod).order_by("pk")
    assert [event.data["verb"] for event in told] == ["draining", "offline", "active"]


def test_a_disabled_workers_run_is_put_back(desk: Client, world: dict[str, object]) -> None:
    worker, run = world["worker"], world["run"]
    assert isinstance(worker, Worker)
    assert isinstance(run, Run)
    Run.objects.filter(pk=run.pk).update(stage="RUNNING", attempt=1)
    assert "Disabled: 1." in act(desk, worker, "disable")
    run.refresh_from_db()
    assert run.stage == "SCHEDULING"


def test_staff_without_being_superuser_cannot_raise_themselves(client: Client, bob: User) -> None:
    from django.contrib.auth.models import Permission

    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(
        Permission.objects.filter(content_type__app_label="accounts", codename__contains="_user")
    )
    client.force_login(bob)
    data = {"fullname": "Bob", "bio": "", "email": "bob@example.org", "is_superuser": "on", "is_staff": "on"}
    assert client.post(url(User, "change", bob.pk), data).status_code == 302
    bob.refresh_from_db()
    assert (bob.fullname, bob.is_superuser) == ("Bob", False)
