"""Gates on the pages: the box that asks, and the page where admins decide."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from models_app.actions import gating
from models_app.models import AccessRequest, Repo
from tests.models_app.people import session
from tests.models_app.views.conftest import Pages, card, publish


@pytest.fixture
def gated(pages: Pages) -> Repo:
    Repo.objects.filter(pk__in=[pages.base.pk, pages.data.pk]).update(gated="manual")
    fields = {
        "Company <b>": "text",
        "Use": {"type": "select", "options": ["Research"]},
        "I agree": "checkbox",
    }
    card(pages.base, metadata={"extra_gated_heading": "Read this", "extra_gated_fields": fields})
    return Repo.objects.get(pk=pages.base.pk)


@pytest.fixture
def as_carol(carol: User) -> Client:
    client = Client()
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    return client


def test_the_box_asks_what_the_card_asks(client: Client, as_carol: Client, gated: Repo) -> None:
    text = as_carol.get("/alice/base").text
    assert 'action="/alice/base/ask-access"' in text
    assert "Read this" in text
    assert 'name="Company &lt;b&gt;"' in text
    assert '<option value="Research">' in text
    assert "The owners decide about each request" in text
    assert 'id="gate"' in as_carol.get("/alice/base/tree/main").text
    out = client.get("/alice/base").text
    assert "Sign in to ask" in out
    assert "/ask-access" not in out


def test_the_box_tells_how_a_request_stands(as_carol: Client, gated: Repo, alice: User, carol: User) -> None:
    answers = {"Company <b>": "x", "Use": "Research", "I agree": "on"}
    gating.ask_access(session(carol), repo=gated, answers=answers)
    text = as_carol.get("/alice/base").text
    assert "The owners have not decided yet" in text
    assert "/ask-access" not in text
    gating.decide(session(alice), repo=gated, username="carol", status="rejected", reason="Too <young>")
    assert "They say: Too &lt;young&gt;" in as_carol.get("/alice/base").text
    refused = as_carol.get("/alice/base/blob/main/config.json")
    assert (refused.status_code, 'href="/alice/base#gate"' in refused.text) == (403, True)
    gating.decide(session(alice), repo=gated, username="carol", status="accepted")
    assert 'id="gate"' not in as_carol.get("/alice/base").text
    assert as_carol.get("/alice/base/blob/main/config.json").status_code == 200


def test_a_gate_keeps_a_datasets_first_rows_in(
    client: Client, as_carol: Client, gated: Repo, pages: Pages, alice: User
) -> None:
    data = Repo.objects.get(pk=pages.data.pk)
    for reader in (client, as_carol):
        assert "data:image/png;base64" not in reader.get("/datasets/alice/digits").text
    gating.grant(session(alice), repo=data, username="carol")
    assert "data:image/png;base64" in as_carol.get("/datasets/alice/digits").text


def test_admins_decide_on_their_page(as_alice: Client, gated: Repo, carol: User) -> None:
    answers = {"Company <b>": "Ty <x>", "Use": "Research", "I agree": "on"}
    request = gating.ask_access(session(carol), repo=gated, answers=answers)
    page = as_alice.get("/alice/base/settings/access")
    assert "carol@example.org" in page.text
    assert "Company &lt;b&gt;: Ty &lt;x&gt;" in page.text
    decide = {"action": "decide", "request": request.uuid.hex}
    for status in ("accepted", "rejected", "pending"):
        done = as_alice.post("/alice/base/settings/access", {**decide, "status": status}, follow=True)
        assert "Saved." in done.text
        assert AccessRequest.objects.get().status == status
    again = as_alice.post("/alice/base/settings/access", {**decide, "status": "pending"})
    assert (again.status_code, "already pending" in again.text) == (422, True)


def test_admins_let_in_and_open_the_gate(as_alice: Client, gated: Repo, carol: User) -> None:
    address = "/alice/base/settings/access"
    done = as_alice.post(address, {"action": "grant", "user": " carol "}, follow=True)
    assert "carol may read the files now" in done.text
    assert "unasked" in done.text
    assert "carol@example.org" not in done.text
    assert "no user named" in as_alice.post(address, {"action": "grant", "user": "nobody"}).text
    as_alice.post(address, {"action": "gate", "gated": "false"})
    gated.refresh_from_db()
    assert gated.gated == "false"
    assert as_alice.post(address, {"action": "gate", "gated": "shut"}).status_code == 422
    assert as_alice.post(address, {"action": "explode"}).status_code == 422
    assert 'href="/alice/base/settings/access"' in as_alice.get("/alice/base/settings").text


def test_nobody_else_sees_who_asked(client: Client, as_carol: Client, alice: User) -> None:
    publish(alice, "base")
    assert client.get("/alice/base/settings/access").status_code == 302
    refused = as_carol.get("/alice/base/settings/access")
    assert refused.status_code == 403
    assert (
        as_carol.post("/alice/base/settings/access", {"action": "grant", "user": "carol"}).status_code == 403
    )
    assert not AccessRequest.objects.exists()
