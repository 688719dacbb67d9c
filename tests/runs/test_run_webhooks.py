"""Webhooks hear of runs where they ask for it: submitted, resumed, finished, failed."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.actor import Actor
from accounts.models import User
from models_app.actions.webhook_changes import create_webhook
from models_app.models import Webhook
from runs import reports, reviving
from tests.runs.conftest import World
from tests.runs.test_again import keep_checkpoint

BACKEND = "accounts.backends.AccountBackend"


def hook(user: User, *domains: str) -> Webhook:
    watched = [{"type": "user", "name": "alice"}]
    return create_webhook(
        Actor(user), url="https://example.org/hook", watched=watched, domains=list(domains) or None
    )


def told(webhook: Webhook) -> list[tuple[str, str]]:
    payloads = [row.payload for row in webhook.deliveries.order_by("pk")]
    return [
        (one["event"]["action"], one["run"]["stage"]) for one in payloads if one["event"]["scope"] == "run"
    ]


def test_a_run_is_told_of_from_its_submission_to_its_end(world: World) -> None:
    listening = hook(world.alice, "run")
    run = world.claim(world.submit()).run
    keep_checkpoint(run, 3)
    reports.finish(run, outcome="error", message_id="train:diverged", message="The loss became NaN.")
    last = listening.deliveries.order_by("-pk")[0].payload
    assert last["run"] == {
        "id": str(run.uuid),
        "url": {
            "web": f"http://testserver/runs/{run.uuid}",
            "api": f"http://testserver/api/runs/{run.uuid}",
        },
        "stage": "ERROR",
        "attempt": 1,
        "messageId": "train:diverged",
        "message": "The loss became NaN.",
    }
    assert (last["repo"]["name"], last["repo"]["type"]) == ("alice/result", "model")
    run.refresh_from_db()
    reviving.resume(Actor(world.alice), run=run)
    run = world.claim(run).run
    reports.finish(run, outcome="completed", result_oid=world.publish(run))
    assert told(listening) == [
        ("create", "SCHEDULING"),
        ("update", "ERROR"),
        ("update", "SCHEDULING"),
        ("update", "COMPLETED"),
    ]


@pytest.mark.parametrize("domains", [(), ("repo",), ("discussion",)])
def test_who_does_not_ask_for_runs_hears_of_none(world: World, domains: tuple[str, ...]) -> None:
    listening = hook(world.alice, *domains)
    assert "run" not in listening.domains
    world.submit()
    assert told(listening) == []


def test_runs_of_private_results_are_told_to_none_but_their_own(world: World, carol: User) -> None:
    strange, own = hook(carol, "run"), hook(world.alice, "run")
    world.submit(private=True)
    assert (told(strange), told(own)) == ([], [("create", "SCHEDULING")])


def test_a_run_put_back_is_no_news(world: World) -> None:
    listening = hook(world.alice, "run")
    run = world.claim(world.submit()).run
    reports.finish(run, outcome="interrupted")
    assert told(listening) == [("create", "SCHEDULING")]


def test_the_page_offers_runs_and_they_are_not_ticked(client: Client, world: World) -> None:
    client.force_login(world.alice, backend=BACKEND)
    field: Any = client.get("/settings/webhooks").context["form"]["domains"]
    assert field.initial == ["repo", "discussion"]
    assert [name for name, _label in field.field.choices] == ["repo", "discussion", "run"]
    data = {"url": "https://example.org/h", "watched": "user:alice", "domains": ["run"]}
    client.post("/settings/webhooks", data)
    assert Webhook.objects.get().domains == ["run"]
