"""Tutorials: written in the page, linked to what they are about, shown through the gate."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.actor import Actor
from accounts.models import User
from models_app.actions.commits import commit
from models_app.actions.repos import create_repo
from models_app.actions.tutorials import MAX_BODY_CHARACTERS, Article, create_tutorial
from models_app.content.articles import headings_of, links_of, minutes_to_read, parts_of
from models_app.files import git_store
from models_app.models import Discussion, Repo
from models_app.storage.operations import AddFile

RUN = "0b4e5f4e-6a53-4a6e-8b7e-2f6b8a3f8f11"
FIELDS = {
    "title": "Reading digits: a <start>",
    "namespace": "alice",
    "name": "digits",
    "summary": "From nothing to 99 %.",
    "tags": "beginners, images",
    "models": "alice/net",
    "datasets": "",
    "recipes": "",
    "runs": RUN,
    "body": "# First steps\n\nThe loss is $-\\log p$.\n\n{{ model alice/net }}\n\n"
    f"## Then\n\n{{{{ run {RUN} }}}}\n\n{{{{ board alice/hidden }}}}\n\n<script>alert(1)</script>\n",
}


@pytest.fixture
def tutorial(alice: User, net: Repo) -> Repo:
    article = Article(
        "Reading digits", "", "# One\n\nWords.\n", {"models": ["alice/net"], "tags": ["images"]}
    )
    return create_tutorial(Actor(alice), namespace="alice", name="digits", article=article)


def test_a_tutorial_is_written_and_read(as_alice: Client, client: Client, net: Repo, alice: User) -> None:
    create_repo(Actor(alice), repo_type="dataset", namespace="alice", name="hidden", private=True)
    assert as_alice.get("/tutorials/new").status_code == 200
    made = as_alice.post("/tutorials/new", FIELDS)
    assert made["Location"] == "/tutorials/alice/digits"
    page = client.get(made["Location"]).text
    assert "Reading digits: a &lt;start&gt;" in page
    assert "<math" in page
    assert "<script>alert" not in page
    assert 'href="#user-content-first-steps"' in page
    assert "A run stands here that is not visible to you." in page
    assert "A leaderboard stands here that is not visible to you." in page
    assert "alice/hidden" not in page
    assert page.count('href="/alice/net"') >= 2
    assert "1 minute to read" in page
    shown = client.get("/tutorials").text
    assert "From nothing to 99 %." in shown
    assert "Reading digits" in client.get("/tutorials?tag=images&sort=likes").text
    assert "Reading digits" not in client.get("/tutorials?tag=sounds").text
    assert "Reading digits" in client.get("/tutorials?q=digits").text


def test_a_repos_page_knows_the_tutorials_about_it(client: Client, tutorial: Repo) -> None:
    assert "Tutorials about this" in client.get("/alice/net").text


def test_a_private_tutorial_is_nobodys_business(as_alice: Client, as_carol: Client, net: Repo) -> None:
    as_alice.post("/tutorials/new", FIELDS | {"is_private": "on"})
    assert as_alice.get("/tutorials/alice/digits").status_code == 200
    assert as_carol.get("/tutorials/alice/digits").status_code == 404
    assert "Reading digits" not in as_carol.get("/tutorials").text
    assert "Reading digits" not in as_carol.get("/alice/net").text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"title": "ab"}, "3 to 300 characters"),
        ({"body": "  "}, "A tutorial needs a text."),
        ({"body": "x" * (MAX_BODY_CHARACTERS + 1)}, "make several tutorials"),
        ({"models": "not an id"}, "is not the id of a repo"),
        ({"runs": "12"}, "is not the id of a run"),
        ({"tags": "<b>"}, "is no tag"),
        ({"tags": ",".join(map(str, range(30)))}, "At most 20"),
        ({"name": "no good"}, "is not a valid repo name"),
        ({"namespace": "carol"}, "not one of the available choices"),
    ],
    ids=["title", "empty", "long", "model", "run", "tag", "tags", "name", "owner"],
)
def test_a_refused_tutorial_keeps_what_was_typed(
    as_alice: Client, change: dict[str, str], sentence: str
) -> None:
    wrong = as_alice.post("/tutorials/new", FIELDS | change)
    assert wrong.status_code == 422
    assert sentence in wrong.text
    assert "From nothing to 99 %." in wrong.text
    assert not Repo.objects.filter(repo_type="tutorial").exists()


def test_a_name_that_is_taken(as_alice: Client, tutorial: Repo) -> None:
    wrong = as_alice.post("/tutorials/new", FIELDS)
    assert wrong.status_code == 422
    assert "There is already a tutorial of this name." in wrong.text
    assert "-\\log p" in wrong.text


def test_an_edit_is_a_commit_that_keeps_the_rest_of_the_card(
    as_alice: Client, client: Client, tutorial: Repo, alice: User
) -> None:
    text = "---\ntitle: Reading digits\nlicense: cc-by-4.0\nmodels: [alice/net]\n---\nWords.\n"
    commit(
        Actor(alice),
        repo=tutorial,
        branch="main",
        operations=[AddFile("README.md", text.encode())],
        summary="x",
    )
    form = as_alice.get("/tutorials/alice/digits/edit")
    assert "alice/net" in form.text
    tutorial.refresh_from_db()
    done = as_alice.post(
        "/tutorials/alice/digits/edit",
        {"title": "Reading more digits", "body": "Better words.", "based_on": tutorial.head_oid},
    )
    assert done["Location"] == "/tutorials/alice/digits"
    tutorial.refresh_from_db()
    store = git_store(tutorial)
    entry = store.entry(tutorial.head_oid, "README.md")
    assert entry is not None
    kept = store.blob(entry.oid).decode()
    assert "license: cc-by-4.0" in kept
    assert "title: Reading more digits" in kept
    assert "models" not in kept
    assert "Better words." in client.get("/tutorials/alice/digits").text


def test_a_stale_form_shows_both_texts(as_alice: Client, tutorial: Repo, alice: User) -> None:
    before = tutorial.head_oid
    commit(
        Actor(alice), repo=tutorial, branch="main", operations=[AddFile("README.md", b"Theirs.")], summary="x"
    )
    fields = {"title": "Reading digits", "body": "Mine.", "based_on": before}
    told = as_alice.post("/tutorials/alice/digits/edit", fields)
    assert told.status_code == 409
    assert "Theirs." in told.text
    assert "Mine." in told.text
    tutorial.refresh_from_db()
    assert f'name="based_on" value="{tutorial.head_oid}"' in told.text
    again = as_alice.post("/tutorials/alice/digits/edit", fields | {"based_on": tutorial.head_oid})
    assert again.status_code == 302


def test_somebody_else_offers_a_pull_request(as_carol: Client, client: Client, tutorial: Repo) -> None:
    assert client.post("/tutorials/alice/digits/edit", {"body": "x"})["Location"].startswith("/login?next=")
    assert "offered to its author" in as_carol.get("/tutorials/alice/digits/edit").text
    fields = {"title": "Reading digits", "body": "Without the mistake.", "based_on": tutorial.head_oid}
    done = as_carol.post("/tutorials/alice/digits/edit", fields)
    assert done["Location"] == "/tutorials/alice/digits/discussions/1"
    assert Discussion.objects.get().is_pull_request
    assert "Without the mistake." not in client.get("/tutorials/alice/digits").text
    assert "Without the mistake." in client.get(done["Location"]).text


def test_a_preview_saves_nothing(as_alice: Client, net: Repo) -> None:
    shown = as_alice.post("/tutorials/new", FIELDS | {"action": "preview"})
    assert shown.status_code == 200
    assert "<math" in shown.text
    assert not Repo.objects.filter(repo_type="tutorial").exists()


def test_an_article_is_cut_at_its_embeds_only() -> None:
    board = "{{ board a/b }}"
    html = f"<p>a</p>\n<p>{{{{ run {RUN} }}}}</p>\n<pre><code>{board}</code></pre><p>{board}</p>"
    assert [part.kind for part in parts_of(html)] == ["html", "run", "html", "board"]
    assert [part.kind for part in parts_of("<p>{{ board a/b }}</p>" * 30)].count("board") == 20


def test_the_contents_the_time_and_the_links() -> None:
    html = '<h1 id="u-a">A &amp; <em>b</em></h1><h2 id="u-b">B</h2><p><a href="/datasets/x/y/tree/main">z</a>'
    html += f'<a href="http://hub/q/w">w</a> <a href="/runs/{RUN}">r</a><a href="https://other/a/b">o</a></p>'
    assert [(one.level, one.text) for one in headings_of(html)] == [(1, "A & b"), (2, "B")]
    links = links_of({"models": ["a/b", 3], "runs": [f"http://hub/runs/{RUN}"]}, html, "http://hub")
    assert links.repos == {"model": ["a/b", "q/w"], "dataset": ["x/y"], "recipe": []}
    assert links.runs == [RUN]
    assert minutes_to_read("<p>" + "word " * 1100) == 5
    assert minutes_to_read("字" * 1200) == 3
