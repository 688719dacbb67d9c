"""Machines that people bring: added, shown, drained, removed; what they say and whom they serve."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.actor import Actor, Level
from accounts.models import Namespace, User
from accounts.tokens import find_token, mint_token
from models_app.access import Forbidden, RepoGated, RepoNotFound, access_repo
from models_app.actions.refusals import InvalidInput
from models_app.models import Event, EventTag, Repo
from runs import actions, lifecycle, reports, worker_actions
from runs.models import Run, Stage, Tier, Worker, WorkerState
from runs.workers import enroll_worker, find_worker, note_machine
from tests.models_app.people import organization, session
from tests.runs.conftest import World, make_repo

pytestmark = pytest.mark.django_db
HARDWARE = {
    "gpu": "NVIDIA H100",
    "gpu_memory_bytes": 85_000_000_000,
    "memory_bytes": 137_000_000_000,
    "cores": 16,
    "platform": "Linux x86_64",
}


def add(user: User, name: str = "box", *, of: str | None = None, tier: str = "owner") -> tuple[Worker, str]:
    namespace = Namespace.objects.get(name=of or user.username)
    return worker_actions.add_machine(
        session(user), namespace=namespace, name=name, tier=tier, flavors=["cpu-basic"]
    )


def hello(token: str | None, **body: Any) -> HttpResponse:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Client().post(
        "/api/workers/hello", json.dumps(body), content_type="application/json", headers=headers
    )


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# --- hello


def test_a_hello_is_kept_and_answered(alice: User) -> None:
    worker, token = add(alice)
    answer = hello(token, flavors=["cpu-basic"], versions={"torch": "2.14"}, hardware=HARDWARE, doing="idle")
    assert answer.status_code == 200
    assert answer.json() == {"name": "alice/box", "state": "active", "heartbeat_seconds": pytest.approx(9.0)}
    worker.refresh_from_db()
    assert (worker.hardware, worker.versions, worker.doing) == (HARDWARE, {"torch": "2.14"}, "idle")
    assert worker.is_online
    worker_actions.set_state(session(alice), worker=worker, state="draining")
    assert hello(token).json()["state"] == "draining"
    worker.refresh_from_db()
    assert worker.hardware == HARDWARE  # a short hello takes nothing back


def test_one_that_is_leaving_is_offline_at_once(alice: User) -> None:
    worker, token = add(alice)
    hello(token, doing="idle")
    assert Worker.objects.online(timezone.now()).exists()
    hello(token, doing="stopping")
    worker.refresh_from_db()
    assert not worker.is_online
    assert not Worker.objects.online(timezone.now()).exists()


def test_online_is_having_been_heard_of_lately(alice: User) -> None:
    worker, token = add(alice)
    assert not worker.is_online
    hello(token)
    silent = timezone.now() - timedelta(seconds=settings.HUB_HEARTBEAT_TIMEOUT_SECONDS + 1)
    Worker.objects.update(last_seen_at=silent)
    worker.refresh_from_db()
    assert not worker.is_online
    assert not Worker.objects.online(timezone.now()).exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"hardware": {"cores": -1}}, "hardware.cores must be a whole number"),
        ({"hardware": {"cores": True}}, "hardware.cores must be a whole number"),
        ({"hardware": {"memory_bytes": 2**60}}, "hardware.memory_bytes must be a whole number"),
        ({"hardware": {"gpu_memory_bytes": 1.5}}, "hardware.gpu_memory_bytes must be a whole number"),
        ({"hardware": {"gpu": ["x"]}}, "gpu must be text"),
        ({"hardware": {"platform": "x" * 121}}, "platform must be text of at most 120"),
        ({"hardware": {"more": "x" * 5000}}, "hardware must be an object of at most 4096"),
        ({"hardware": []}, "hardware must be an object"),
        ({"versions": "2.14"}, "versions must be an object"),
        ({"flavors": "cpu-basic"}, "flavors must be a list"),
        ({"doing": "sleeping"}, "doing must be one of idle, busy, stopping"),
        ({"doing": 5}, "doing must be text"),
    ],
)
def test_a_senseless_hello_changes_nothing(alice: User, body: dict[str, Any], words: str) -> None:
    worker, token = add(alice)
    answer = hello(token, **body)
    assert (answer.status_code, words in answer.json()["error"]) == (400, True), answer.json()
    worker.refresh_from_db()
    assert (worker.last_seen_at, worker.hardware, worker.versions) == (None, {}, {})


def test_what_a_machine_says_too_much_is_passed_over(alice: User) -> None:
    worker, token = add(alice)
    said = {"cores": 2, "hostname": "alices-laptop", "gpu": "a\x1b[31mb", "memory_bytes": None}
    assert hello(token, hardware=said, versions={"x" * 90: "y" * 90}).status_code == 200
    worker.refresh_from_db()
    assert worker.hardware == {"cores": 2, "gpu": "a [31mb"}
    assert worker.versions == {"x" * 40: "y" * 80}


# --- what a machine serves


def test_a_persons_machine_takes_their_runs_only(world: World, bob: User) -> None:
    worker, _ = add(bob)
    run = world.submit()
    with pytest.raises(lifecycle.NotClaimable):
        lifecycle.claim(worker, run.uuid, flavors=["cpu-basic"], versions={})
    own, _ = add(world.alice)
    assert lifecycle.claim(own, run.uuid, flavors=["cpu-basic"], versions={}).run.worker == own


def test_a_strangers_machine_gets_a_token_for_this_run_alone(world: World, carol: User) -> None:
    """What the run's own token opens in the hands of whoever stands behind a community machine."""
    closed = {
        "private": make_repo(world.alice, "dataset", "diary", {"README.md": b"x"}, private=True),
        "gated": make_repo(world.alice, "dataset", "asked", {"README.md": b"x"}),
    }
    Repo.objects.filter(pk=closed["gated"].pk).update(gated="manual")
    worker, _ = add(carol, tier="community")
    claim = lifecycle.claim(worker, world.submit().uuid, flavors=["cpu-basic"], versions={})
    token = find_token(claim.token)
    assert token is not None
    actor = Actor(token.user, token)
    assert access_repo(actor, "model", "alice/base", Level.READ)
    assert access_repo(actor, "model", "alice/result", Level.WRITE)
    for repo, level, refusal in (
        ("dataset:alice/diary", Level.READ, RepoNotFound),
        ("dataset:alice/asked", Level.READ, RepoGated),
        ("model:alice/base", Level.WRITE, Forbidden),
        ("model:alice/result", Level.ADMIN, Forbidden),
    ):
        kind, _, repo_id = repo.partition(":")
        with pytest.raises(refusal):
            access_repo(actor, kind, repo_id, level)
    assert not Repo.objects.visible_to(actor).filter(name="diary").exists()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/api/repos/create", {"name": "more", "type": "model"}),
        ("delete", "/api/repos/delete", {"name": "result", "organization": "alice", "type": "model"}),
        ("put", "/api/models/alice/result/settings", {"private": True}),
        ("post", "/api/repos/move", {"fromRepo": "alice/result", "toRepo": "alice/else", "type": "model"}),
        ("post", "/api/models/alice/base/like", {}),
        ("post", "/api/models/alice/base/discussions", {"title": "Hello", "description": "y"}),
        ("get", "/api/settings/webhooks", None),
        ("post", "/api/collections", {"title": "x", "namespace": "alice", "item": {}}),
        ("get", "/api/datasets/alice/diary", None),
    ],
)
def test_it_speaks_for_alice_in_nothing_else(
    world: World, carol: User, method: str, path: str, body: Any
) -> None:
    make_repo(world.alice, "dataset", "diary", {"README.md": b"x"}, private=True)
    worker, _ = add(carol, tier="community")
    claim = lifecycle.claim(worker, world.submit().uuid, flavors=["cpu-basic"], versions={})
    before = Event.objects.count()
    answer = getattr(Client(), method)(
        path,
        *([json.dumps(body)] if body is not None else []),
        **({"content_type": "application/json"} if body is not None else {}),
        headers={"Authorization": f"Bearer {claim.token}"},
    )
    assert answer.status_code in (401, 403, 404), answer.content
    assert Event.objects.count() == before


def test_what_a_strangers_machine_measured_is_not_proven(world: World, carol: User) -> None:
    for tier, proven in ((Tier.COMMUNITY, False), (Tier.TRUSTED, True)):
        Run.objects.all().delete()
        worker, _ = enroll_worker(
            f"carol/{tier}", flavors=["cpu-basic"], tier=tier, owner=Namespace.objects.get(user=carol)
        )
        run = world.submit(f"alice/{tier}")
        run = lifecycle.claim(worker, run.uuid, flavors=["cpu-basic"], versions={}).run
        answer = reports.record_result(run, attempt=1, evaluation={"accuracy": 0.99, "n": 100})
        assert bool(answer["proof"]) is proven
        assert (answer["metric"], answer["value"]) == ("accuracy", 0.99)


def test_a_suspended_persons_machines_are_nobodys(alice: User) -> None:
    _, token = add(alice)
    assert find_worker(token) is not None
    User.objects.filter(pk=alice.pk).update(is_suspended=True)
    assert find_worker(token) is None
    assert hello(token).status_code == 401


# --- verbs


def test_adding_says_what_is_wrong(alice: User) -> None:
    namespace = Namespace.objects.get(user=alice)
    good = {"namespace": namespace, "name": "box", "tier": "owner", "flavors": ["cpu-basic"]}
    for change, words in (
        ({"name": "a b"}, "A machine's name"),
        ({"name": "x" * 49}, "A machine's name"),
        ({"name": "../x"}, "A machine's name"),
        ({"tier": "trusted"}, "tier is one of owner, community"),
        ({"flavors": []}, "Choose what the machine is"),
        ({"flavors": ["cpu-basic", "tpu"]}, "Choose what the machine is"),
    ):
        with pytest.raises(InvalidInput, match=words):
            worker_actions.add_machine(session(alice), **{**good, **change})
    assert not Worker.objects.exists()
    worker_actions.add_machine(session(alice), **good)
    with pytest.raises(InvalidInput, match="There is a machine alice/BOX already"):
        worker_actions.add_machine(session(alice), **{**good, "name": "BOX"})


def test_there_is_an_end_to_machines(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_actions, "MAX_MACHINES", 2)
    add(alice, "a")
    add(alice, "b")
    with pytest.raises(InvalidInput, match="has 2 machines: remove one first"):
        add(alice, "c")


def test_offline_gives_its_run_to_others(world: World) -> None:
    worker, _ = add(world.alice)
    run, canceled = world.submit(), world.submit("alice/two")
    claims = [
        lifecycle.claim(worker, one.uuid, flavors=["cpu-basic"], versions={}) for one in (run, canceled)
    ]
    actions.cancel(session(world.alice), run=canceled)
    worker_actions.set_state(session(world.alice), worker=worker, state=WorkerState.OFFLINE)
    run.refresh_from_db()
    canceled.refresh_from_db()
    assert (run.stage, run.worker, run.losses) == (Stage.SCHEDULING, None, 0)
    assert canceled.stage == Stage.CANCELED
    assert [find_token(claim.token) for claim in claims] == [None, None]
    assert world.claim(run).run.attempt == 2


def test_draining_lets_it_finish(world: World) -> None:
    worker, _ = add(world.alice)
    run = world.submit()
    claim = lifecycle.claim(worker, run.uuid, flavors=["cpu-basic"], versions={})
    worker_actions.set_state(session(world.alice), worker=worker, state=WorkerState.DRAINING)
    run.refresh_from_db()
    assert (run.stage, run.worker) == (Stage.RUNNING, worker)
    assert not reports.report(run, attempt=1, step=1)
    assert find_token(claim.token) is not None
    worker.refresh_from_db()
    other = world.submit("alice/two")
    with pytest.raises(lifecycle.NotClaimable):
        lifecycle.claim(worker, other.uuid, flavors=["cpu-basic"], versions={})


def test_removing_forgets_it_and_frees_its_run(world: World) -> None:
    worker, token = add(world.alice)
    run = world.submit()
    claim = lifecycle.claim(worker, run.uuid, flavors=["cpu-basic"], versions={})
    worker_actions.remove_machine(session(world.alice), worker=worker)
    run.refresh_from_db()
    assert (run.stage, find_worker(token), find_token(claim.token)) == (Stage.SCHEDULING, None, None)
    verbs = Event.objects.filter(tag=EventTag.MACHINE_CHANGE).order_by("pk").values_list("data", flat=True)
    assert [row["verb"] for row in verbs] == ["add", "remove"]
    assert {row["machine"] for row in verbs} == {"alice/box"}


def test_a_new_token_ends_the_old_one(alice: User) -> None:
    worker, old = add(alice)
    new = worker_actions.renew_token(session(alice), worker=worker)
    assert (find_worker(old), find_worker(new)) == (None, worker)


def test_a_note_of_nothing_keeps_what_is_known(alice: User) -> None:
    worker, _ = add(alice)
    note_machine(worker, versions={"torch": "2"}, hardware=HARDWARE, doing="busy")
    note_machine(worker, versions={}, hardware={}, doing="idle")
    worker.refresh_from_db()
    assert (worker.versions, worker.hardware, worker.doing) == ({"torch": "2"}, HARDWARE, "idle")


# --- pages


def test_a_person_adds_a_machine_and_sees_its_token_once(alice: User) -> None:
    client = signed_in(alice)
    assert "None yet" in client.get("/settings/workers").text
    page = client.post("/settings/workers", {"name": "box", "flavors": ["cpu-basic"], "tier": "owner"}).text
    worker = Worker.objects.get()
    token = page.partition('<pre id="fresh">')[2].partition("</pre>")[0]
    assert find_worker(token) == worker
    assert (worker.name, worker.owner.name, worker.tier) == ("alice/box", "alice", Tier.OWNER)
    assert f"tuneyard worker --hub {settings.HUB_PUBLIC_URL} --name box --flavors cpu-basic" in page
    assert "/api/workers/tuneyard-" in page
    assert f"{token}" not in page.partition('<pre id="install">')[2]  # not in a command line
    again = client.get("/settings/workers").text
    assert token not in again
    assert "not seen yet" in again
    note_machine(worker, versions={"torch": "2.14.1"}, hardware=HARDWARE, doing="idle")
    seen = client.get("/settings/workers").text
    for words in ("online", "NVIDIA H100, 85 GB", "16 cores", "137 GB", "torch 2.14.1"):
        assert words in seen


def test_what_it_works_on_is_shown_to_who_may_see_it(world: World, carol: User) -> None:
    worker, _ = add(carol, tier="community")
    note_machine(worker, versions={}, hardware=HARDWARE)
    run = world.submit()
    lifecycle.claim(worker, run.uuid, flavors=["cpu-basic"], versions={})
    page = signed_in(carol).get("/settings/workers").text
    assert f'href="{run.get_absolute_url()}"' in page
    assert "working" in page
    Repo.objects.filter(pk=run.target_repo_id).update(private=True)  # in the meantime
    page = signed_in(carol).get("/settings/workers").text
    assert "alice/result" not in page
    assert "at work on a private run" in page


def test_the_buttons_work(alice: User) -> None:
    worker, token = add(alice)
    client = signed_in(alice)
    url = f"/settings/workers/{worker.pk}"
    for action in ("draining", "offline", "active"):
        assert client.post(url, {"action": action}).url == "/settings/workers"
        worker.refresh_from_db()
        assert worker.state == action
    page = client.post(url, {"action": "renew"}).text
    assert find_worker(page.partition('<pre id="fresh">')[2].partition("</pre>")[0]) == worker
    assert find_worker(token) is None
    assert "does nothing any more" in client.post(url, {"action": "explode"}, follow=True).text
    assert "alice/box is removed." in client.post(url, {"action": "remove"}, follow=True).text
    assert not Worker.objects.exists()


def test_a_form_with_faults_says_so(alice: User) -> None:
    answer = signed_in(alice).post(
        "/settings/workers", {"name": "a b", "flavors": ["cpu-basic"], "tier": "owner"}
    )
    assert answer.status_code == 422
    assert "A machine&#x27;s name has up to 48" in answer.text
    answer = signed_in(alice).post("/settings/workers", {"name": "x", "tier": "trusted"})
    assert answer.status_code == 422
    assert not Worker.objects.exists()


def test_machines_of_an_organization_are_its_admins(alice: User, bob: User, carol: User, mod: User) -> None:
    organization("team", admin=alice, write=bob)
    url, body = (
        "/settings/organizations/team/workers",
        {"name": "b", "flavors": ["cpu-basic"], "tier": "owner"},
    )
    for user, status in ((bob, 404), (carol, 404), (alice, 200), (mod, 200)):
        assert signed_in(user).get(url).status_code == status, user
    assert signed_in(bob).post(url, body).status_code == 404
    assert not Worker.objects.exists()
    signed_in(alice).post(url, body)
    worker = Worker.objects.get()
    assert (worker.name, worker.owner.name) == ("team/b", "team")
    for user, status in ((bob, 404), (carol, 404), (alice, 302)):
        assert (
            signed_in(user).post(f"/settings/workers/{worker.pk}", {"action": "draining"}).status_code
            == status
        )
    assert signed_in(alice).get("/settings/organizations/nobody/workers").status_code == 404
    assert signed_in(alice).get("/settings/organizations/alice/workers").status_code == 404


def test_the_pages_are_for_browsers_and_their_owners(world: World, alice: User, bob: User) -> None:
    worker, _ = add(alice)
    url = f"/settings/workers/{worker.pk}"
    anonymous = Client()
    assert anonymous.get("/settings/workers").url.startswith("/login")
    assert anonymous.post(url, {"action": "remove"}).url.startswith("/login")
    assert signed_in(bob).post(url, {"action": "remove"}).status_code == 404
    assert (
        signed_in(alice).post(f"/settings/workers/{world.worker.pk}", {"action": "remove"}).status_code == 404
    )
    assert signed_in(alice).get(url).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.post(url, {"action": "remove"}).status_code == 403
    by_token = {"Authorization": f"Bearer {mint_token(alice, name='t', role='write')[1]}"}
    assert Client().post(url, {"action": "remove"}, headers=by_token).status_code in (302, 403)
    assert Worker.objects.count() == 2


def test_the_form_says_where_a_run_may_land(world: World, carol: User) -> None:
    page = signed_in(world.alice).get("/alice/base/finetune").text
    assert "No machine of this hub is online right now." in page
    add(carol, tier="community")
    add(world.alice)
    Worker.objects.update(last_seen_at=timezone.now())
    page = signed_in(world.alice).get("/alice/base/finetune").text
    assert "1 machine of this hub is online" in page
    assert "alice/box" in page
    assert "1 machine of other people takes it where" in page
    assert "carol/box" not in page
