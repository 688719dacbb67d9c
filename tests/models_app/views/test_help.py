"""The help in the site: every page opens, links lead on, examples fit the reader, the search finds."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts import actions
from accounts.actor import Actor
from accounts.models import User
from models_app import helpdocs
from models_app.helpsearch import search_docs

pytestmark = pytest.mark.django_db
BACKEND = "accounts.backends.AccountBackend"


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_page_opens_and_its_links_lead_to_pages(client: Client, language: str) -> None:
    pages = helpdocs.pages(language)
    assert len(pages) > 30
    for page in pages:
        response = client.get(page.get_absolute_url(), headers={"accept-language": language})
        assert response.status_code == 200, page.name
        for target in set(re.findall(r'href="/docs/([^"#?]+)', response.text)):
            assert target.startswith("api") or helpdocs.find(target) is not None, (page.name, target)
        for anchor in re.findall(r'<li><a href="#([^"]+)">', response.text):
            assert f'id="{anchor}"' in response.text, (page.name, anchor)


def test_a_page_has_neighbours_contents_and_copy_buttons(client: Client) -> None:
    text = client.get("/docs/publish").text
    assert 'rel="next"' in text
    assert 'rel="prev"' in text
    assert "help-contents" in text
    assert 'data-copy-from="code-1"' in text
    assert '<pre id="code-1"' in text
    assert "http://127.0.0.1:8000" not in text


def test_a_short_name_leads_to_the_page_and_what_is_not_there_is_404(client: Client) -> None:
    assert client.get("/docs/users/wizard")["Location"] == "/docs/wizard"
    for name in ("nothing", "../settings", "users/../../README", "users/%00", "decisions/0001"):
        assert client.get(f"/docs/{name}").status_code == 404


def test_examples_name_the_readers_own_token_and_never_its_value(
    client: Client, alice: User, carol: User
) -> None:
    _, plain = actions.create_token(Actor(alice), name="my laptop", role="write")
    actions.create_token(Actor(alice), name="<b>other", role="read")
    actions.create_token(Actor(carol), name="of-carol", role="read")
    client.force_login(alice, backend=BACKEND)
    text = client.get("/docs/publish?token=my+laptop").text
    assert "&lt;my laptop&gt;" in text
    assert plain not in text
    assert "&lt;of-carol&gt;" not in client.get("/docs/publish?token=of-carol").text
    assert "<b>other" not in text


def test_the_search_finds_a_part_of_a_page(client: Client) -> None:
    hits = search_docs("checkpoint resume")
    assert hits
    assert hits[0].page.group == "users"
    text = client.get("/docs?q=checkpoint+resume").text
    assert f'href="{hits[0].page.get_absolute_url()}' in text
    assert "Nothing found" in client.get("/docs?q=xyzzy-nowhere").text
    assert "&lt;script&gt;" in client.get("/docs?q=<script>").text
    assert client.get("/docs", {"q": "a\0" * 5000}).status_code == 200


def test_the_api_is_told_from_the_description_itself(client: Client) -> None:
    text = client.get("/docs/api").text
    groups = re.findall(r'href="(/docs/api/\w+)"', text)
    assert len(set(groups)) > 6
    for address in set(groups):
        assert client.get(address).status_code == 200
    runs = client.get("/docs/api/runs").text
    assert 'id="post_api_runs"' in runs
    assert "urllib.request" in runs
    assert client.get("/docs/api/nothing").status_code == 404


def test_every_request_of_the_description_is_on_a_page() -> None:
    from hub.openapi.document import openapi
    from hub.openapi.reference import METHODS, groups
    from hub.openapi.served import ROUTES

    shown = {(one.method.lower(), one.path) for group in groups() for one in group.requests}
    kinds = ("datasets", "spaces", "kernels", "recipes", "tutorials")
    told = {
        (method, path)
        for path, item in openapi(ROUTES)["paths"].items()
        for method in METHODS
        if method in item and not path.removeprefix("/api").startswith(tuple(f"/{kind}/" for kind in kinds))
    }
    assert told <= shown
