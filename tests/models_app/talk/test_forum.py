"""The forum: topics at hand from the start, threads in them, and staff who keep order."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.actor import Actor, Level
from accounts.models import AccessToken, User
from accounts.tokens import mint_token
from models_app.access import Forbidden, access_repo, effective_level
from models_app.actions import discussions as actions
from models_app.actions.forum import DEFAULT_TOPICS, ensure_topics, make_topic
from models_app.actions.refusals import InvalidInput, RepoExists
from models_app.actions.thread_marks import accept, pin
from models_app.models import Discussion, Repo


def test_the_first_topics_are_made_once(forum: list[str], client: Client) -> None:
    assert forum == list(DEFAULT_TOPICS)
    assert ensure_topics() == []
    shown = client.get("/forum").text
    assert "Hardware and speed" in shown
    assert "Be the first to write" in shown
    assert client.get("/forum/questions").status_code == 200
    assert client.get("/forum/nothing").status_code == 404


def test_the_first_topics_speak_the_readers_language(forum: list[str], client: Client) -> None:
    assert "Show your work" in client.get("/forum/show-your-work").text


def test_a_thread_of_the_forum(forum: list[str], as_carol: Client, as_alice: Client, client: Client) -> None:
    made = as_carol.post(
        "/forum/questions/discussions/new",
        {"title": "How do I start?", "description": "I *wonder*", "is_question": "on"},
    )
    assert made["Location"] == "/forum/questions/discussions/1"
    said = as_alice.post(made["Location"], {"action": "comment", "text": "With a model"})
    assert said["Location"].startswith("/forum/questions/discussions/1#event-")
    page = client.get("/forum/questions/discussions/1").text
    assert "With a model" in page
    assert "/settings" not in page
    assert "/tree/" not in page
    assert "How do I start?" in client.get("/forum/questions?tab=questions").text
    assert "How do I start?" in client.get("/forum").text
    assert "How do I start?" in client.get("/forum?unanswered=1").text
    assert "How do I start?" in client.get("/forum?q=with+a+MODEL").text
    assert "How do I start?" not in client.get("/forum?q=something+else").text
    answer = Discussion.objects.get(title="How do I start?").events.last()
    assert answer is not None
    as_carol.post(made["Location"], {"action": "accept", "event": answer.uuid.hex})
    assert "accepted answer" in client.get(made["Location"]).text
    assert "How do I start?" not in client.get("/forum?unanswered=1").text


def test_the_front_page_takes_the_same_queries_for_many_threads(
    forum: list[str], carol: User, client: Client, django_assert_max_num_queries: object
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            client.get("/forum")
        return len(seen)

    topic = access_repo(Actor(carol), "forum", "forum/data")
    actions.open_discussion(Actor(carol), repo=topic, title="The first")
    client.get("/forum")
    few = count()
    for number in range(12):
        actions.open_discussion(Actor(carol), repo=topic, title=f"Another {number}")
    assert count() == few


@pytest.mark.parametrize(
    ("who", "level"),
    [("carol", Level.READ), ("mod", Level.WRITE), ("anonymous", Level.READ), ("token", Level.READ)],
)
def test_who_may_do_what_in_the_forum(
    forum: list[str], carol: User, mod: User, who: str, level: Level
) -> None:
    repo = Repo.objects.get(repo_type="forum", name="data")
    token: AccessToken = mint_token(mod, name="t", role="write")[0]
    actors = {"carol": Actor(carol), "mod": Actor(mod), "anonymous": Actor(), "token": Actor(mod, token)}
    assert effective_level(actors[who], repo) == level
    assert Repo.objects.visible_to(actors[who]).filter(pk=repo.pk).exists()


def test_staff_keep_order(forum: list[str], as_mod: Client, as_carol: Client, carol: User, mod: User) -> None:
    repo = Repo.objects.get(repo_type="forum", name="data")
    actions.open_discussion(Actor(carol), repo=repo, title="A thread", description="Buy my things")
    event = Discussion.objects.get(repo=repo).events.first()
    assert event is not None
    page = "/forum/data/discussions/1"
    as_mod.post(page, {"action": "hide", "event": event.uuid.hex, "reason": "advertising"})
    assert "hidden by mod: advertising" in as_carol.get(page).text
    as_mod.post(page, {"action": "pin"})
    as_mod.post(page, {"action": "lock"})
    shown = as_carol.get(page).text
    assert "pinned this" in shown
    assert "This discussion is locked." in shown
    assert as_carol.post(page, {"action": "pin"}).status_code == 403


def test_staff_open_topics(forum: list[str], as_mod: Client, as_carol: Client) -> None:
    fields = {"title": "Robots & <b>", "name": "robots", "about": "Things that move."}
    assert as_carol.get("/forum/new").status_code == 403
    assert as_carol.post("/forum/new", fields).status_code == 403
    assert as_mod.get("/forum/new").status_code == 200
    assert as_mod.post("/forum/new", fields)["Location"] == "/forum/robots"
    assert "Robots &amp; &lt;b&gt;" in as_mod.get("/forum").text
    assert as_mod.post("/forum/new", fields).status_code == 422
    assert as_mod.post("/forum/new", fields | {"name": "no good"}).status_code == 422
    assert as_mod.post("/forum/new", fields | {"name": "new"}).status_code == 422


def test_topics_by_action(forum: list[str], mod: User, carol: User) -> None:
    with pytest.raises(Forbidden):
        make_topic(Actor(carol), name="mine", title="Mine alone", about="")
    with pytest.raises(RepoExists):
        make_topic(Actor(mod), name="Data", title="Data again", about="")
    with pytest.raises(InvalidInput):
        make_topic(Actor(mod), name="long", title="Too long", about="x" * 400)
    topic = Repo.objects.get(repo_type="forum", name="data")
    actions.open_discussion(Actor(carol), repo=topic, title="A thread")
    with pytest.raises(Forbidden):
        pin(Actor(carol), repo=topic, num=1, pinned=True)
    with pytest.raises(InvalidInput):
        accept(Actor(carol), repo=topic, num=1, event=topic.discussions.get().events.get().uuid.hex)
