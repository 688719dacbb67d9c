"""The first steps on the start page: true to what is there, closed for good, in nobody's way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import actions
from accounts.actor import Actor
from accounts.models import User
from models_app.models import Follow
from runs.models import Worker
from tests.runs.conftest import World

pytestmark = pytest.mark.django_db
BACKEND = "accounts.backends.AccountBackend"


def steps(client: Client) -> dict[str, bool]:
    """Every step of the panel and whether it is ticked."""
    panel = client.get("/").context["panel"]
    return {} if panel is None else {str(step.words): step.is_done for step in panel.steps}


def test_a_visitor_sees_no_steps(client: Client) -> None:
    assert "getting-started" not in client.get("/").text


def test_a_new_member_is_told_what_is_left(client: Client, alice: User, carol: User) -> None:
    client.force_login(carol, backend=BACKEND)
    assert set(steps(client).values()) == {False}
    actions.create_token(Actor(carol), name="mine", role="read")
    client.post("/start")
    found = steps(client)
    assert found["Make a token"]
    assert found["Make a model of your own"]
    assert not found["Follow somebody or something"]
    Follow.objects.create(user=carol, namespace=alice.namespace)
    assert steps(client)["Follow somebody or something"]


def test_it_is_closed_for_good(client: Client, carol: User) -> None:
    client.force_login(carol, backend=BACKEND)
    assert client.get("/tour")["Location"] == "/"
    assert steps(client)
    client.post("/tour", {"name": "something else"})
    assert steps(client)
    client.post("/tour", {"name": "tour:member"})
    assert steps(client) == {}
    carol.refresh_from_db()
    assert carol.dismissed == ["tour:member"]


def test_whoever_has_been_here_long_is_left_alone(client: Client, carol: User) -> None:
    User.objects.filter(pk=carol.pk).update(date_joined=timezone.now() - timedelta(days=31))
    client.force_login(carol, backend=BACKEND)
    assert steps(client) == {}


def test_the_operator_sees_the_real_state(client: Client, world: World, settings: Any) -> None:
    User.objects.filter(pk=world.alice.pk).update(is_staff=True)
    client.force_login(world.alice, backend=BACKEND)
    settings.HUB_PUBLIC_URL = "http://elsewhere:8000"
    Worker.objects.update(last_seen_at=None)
    found = steps(client)
    assert not found["Set the address people use"]
    assert not found["Let it send mail"]
    assert not found["Connect a worker"]
    assert found["Publish the first model"]
    assert found["Publish the first data set"]
    assert not found["Start the first run"]
    settings.HUB_PUBLIC_URL = "http://testserver"
    settings.HUB_MAIL_ON = True
    Worker.objects.update(last_seen_at=timezone.now())
    world.submit()
    client.post("/tour", {"name": "tour:backup"})
    assert steps(client) == {}  # all seven are done, so there is nothing to show


def test_a_fresh_token_comes_with_ways_to_use_it(client: Client, alice: User) -> None:
    client.force_login(alice, backend=BACKEND)
    page = client.post("/settings/tokens", {"name": "here", "role": "read", "expires": "30"})
    if page.context["fresh"] is None:
        pytest.fail(str(page.context["form"].errors))
    for words in ("hf auth login", "HfApi(", "git clone http://testserver/alice/", "curl -s -H"):
        assert words in page.text
    assert page.text.count(page.context["fresh"]) == 1
