"""Threads: reactions, quotes, versions, marks, subscriptions, forms sent twice, pages of a fixed cost."""

from __future__ import annotations

import time
import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.actor import Actor
from accounts.models import User
from models_app.actions import discussions as actions
from models_app.actions.reactions import react, subscribe
from models_app.actions.refusals import EditedMeanwhile, InvalidInput
from models_app.models import Discussion, DiscussionEvent, Event, Reaction, Repo, ThreadSubscription

PAGE = "/alice/net/discussions"
KEY = "0123456789abcdef" * 2


@pytest.fixture
def thread(net: Repo, carol: User) -> Discussion:
    return actions.open_discussion(Actor(carol), repo=net, title="Why so slow?", description="It *is*.")


def first(thread: Discussion) -> DiscussionEvent:
    found = thread.events.first()
    assert found is not None
    return found


def say(user: User, thread: Discussion, text: str) -> DiscussionEvent:
    return actions.comment(Actor(user), repo=thread.repo, num=thread.num, text=text)


def test_a_reaction_comes_and_goes(
    as_carol: Client, as_alice: Client, client: Client, thread: Discussion
) -> None:
    word = {"action": "react", "event": first(thread).uuid.hex, "emoji": "🚀"}
    as_carol.post(f"{PAGE}/1", word)
    as_alice.post(f"{PAGE}/1", word)
    shown = client.get(f"{PAGE}/1").text
    assert "🚀 by carol, alice" in shown
    part = as_alice.post(f"{PAGE}/1", word, headers={"HX-Request": "true"})
    assert part.status_code == 200
    assert "🚀 by carol" in part.text
    assert "<html" not in part.text
    assert list(Reaction.objects.values_list("user__username", flat=True)) == ["carol"]
    assert as_alice.post(f"{PAGE}/1", word | {"emoji": "💣"}).status_code == 422
    assert client.post(f"{PAGE}/1", word)["Location"].startswith("/login")


def test_who_may_react(net: Repo, thread: Discussion, carol: User, alice: User, bob: User) -> None:
    event = first(thread).uuid.hex
    actions.lock(Actor(alice), repo=net, num=1, locked=True)
    with pytest.raises(Exception, match="locked"):
        react(Actor(bob), repo=net, num=1, event=event, emoji="👍")
    react(Actor(alice), repo=net, num=1, event=event, emoji="👍")
    actions.hide_comment(Actor(alice), repo=net, num=1, event=event)
    with pytest.raises(InvalidInput):
        react(Actor(alice), repo=net, num=1, event=event, emoji="👍")


def test_a_quote_stands_in_the_form_and_alone(as_alice: Client, thread: Discussion) -> None:
    event = first(thread).uuid.hex
    assert "&gt; It *is*." in as_alice.get(f"{PAGE}/1?quote={event}").text
    alone = as_alice.get(f"{PAGE}/1/events/{event}")
    assert alone["Content-Type"] == "text/plain; charset=utf-8"
    assert alone.text == "> **carol**:\n>\n> It *is*.\n\n"
    assert as_alice.get(f"{PAGE}/1/events/{'0' * 32}").status_code == 404
    assert as_alice.get(f"{PAGE}/1?quote=nonsense").status_code == 200


def test_every_version_of_a_comment_can_be_read(client: Client, as_carol: Client, thread: Discussion) -> None:
    event = first(thread).uuid.hex
    as_carol.post(f"{PAGE}/1", {"action": "edit", "event": event, "text": "It is\n<b>not</b>."})
    shown = client.get(f"{PAGE}/1/events/{event}/history").text
    assert '<span class="del">-It *is*.</span>' in shown
    assert '<span class="add">+&lt;b&gt;not&lt;/b&gt;.</span>' in shown
    as_carol.post(f"{PAGE}/1", {"action": "hide", "event": event})
    assert "It *is*" not in client.get(f"{PAGE}/1/events/{event}/history").text


def test_an_edit_begun_before_another_one_shows_both(
    as_carol: Client, thread: Discussion, carol: User
) -> None:
    event = first(thread).uuid.hex
    edit = {"action": "edit", "event": event, "seen_edits": "0"}
    as_carol.post(f"{PAGE}/1", edit | {"text": "From the other window"})
    told = as_carol.post(f"{PAGE}/1", edit | {"text": "From this one"})
    assert told.status_code == 409
    assert "From the other window" in told.text
    assert "From this one" in told.text
    assert first(thread).body == "From the other window"
    assert 'name="seen_edits" value="1"' in told.text
    as_carol.post(f"{PAGE}/1", edit | {"text": "Together", "seen_edits": "1"})
    assert first(thread).body == "Together"
    with pytest.raises(EditedMeanwhile):
        actions.edit_comment(Actor(carol), repo=thread.repo, num=1, event=event, text="Late", seen_edits=1)


def test_the_same_form_sent_twice_says_it_once(as_carol: Client, thread: Discussion) -> None:
    said = {"action": "comment", "text": "Once", "submit_key": KEY}
    one, two = as_carol.post(f"{PAGE}/1", said), as_carol.post(f"{PAGE}/1", said)
    assert one["Location"] == two["Location"]
    assert one.cookies["sent"].value == KEY
    assert DiscussionEvent.objects.filter(body="Once").count() == 1
    assert as_carol.post(f"{PAGE}/1", said | {"submit_key": "<b>"}).status_code == 422
    other = {"title": "A new one", "submit_key": uuid.uuid4().hex}
    assert as_carol.post(f"{PAGE}/new", other)["Location"] == as_carol.post(f"{PAGE}/new", other)["Location"]
    assert Discussion.objects.filter(title="A new one").count() == 1


def test_a_key_belongs_to_who_sent_it(as_carol: Client, as_alice: Client, thread: Discussion) -> None:
    said = {"action": "comment", "text": "Mine", "submit_key": KEY}
    as_carol.post(f"{PAGE}/1", said)
    as_alice.post(f"{PAGE}/1", said)
    assert DiscussionEvent.objects.filter(body="Mine").count() == 2


def test_pinned_threads_come_first_and_news_next(
    as_alice: Client, net: Repo, thread: Discussion, carol: User
) -> None:
    for title in ("Second", "Third"):
        actions.open_discussion(Actor(carol), repo=net, title=title)
    say(carol, thread, "News")
    titles = ["Why so slow?", "Second", "Third"]
    shown = as_alice.get(PAGE).text
    assert sorted(titles, key=shown.index) == ["Why so slow?", "Third", "Second"]
    as_alice.post(f"{PAGE}/2", {"action": "pin"})
    shown = as_alice.get(PAGE).text
    assert sorted(titles, key=shown.index) == ["Second", "Why so slow?", "Third"]
    as_alice.post(f"{PAGE}/2", {"action": "unpin"})
    assert not Discussion.objects.filter(is_pinned=True).exists()


def test_questions_and_their_answers(
    as_carol: Client, as_alice: Client, thread: Discussion, alice: User
) -> None:
    say(alice, thread, "Which machine?")
    answer = say(alice, thread, "Because **it** thinks")
    accept = {"action": "accept", "event": answer.uuid.hex}
    assert as_carol.post(f"{PAGE}/1", accept).status_code == 422
    as_carol.post(f"{PAGE}/1", {"action": "question"})
    assert "Why so slow?" in as_carol.get(f"{PAGE}?tab=questions").text
    as_carol.post(f"{PAGE}/1", accept)
    shown = as_carol.get(f"{PAGE}/1").text
    assert shown.count("Because <strong>it</strong> thinks") == 2
    assert "Why so slow?" not in as_carol.get(f"{PAGE}?tab=questions").text
    assert Event.objects.filter(tag="discussion:answer:accept").count() == 1
    as_alice.post(f"{PAGE}/1", {"action": "take-back"})
    thread.refresh_from_db()
    assert thread.accepted is None
    wrong = as_carol.post(f"{PAGE}/1", accept | {"event": first(thread).uuid.hex})
    assert "cannot be its answer" in wrong.text
    as_carol.post(f"{PAGE}/1", accept)
    as_alice.post(f"{PAGE}/1", {"action": "hide", "event": answer.uuid.hex})
    thread.refresh_from_db()
    assert thread.accepted is None


def test_only_who_asked_or_may_write_accepts(
    client: Client, thread: Discussion, alice: User, bob: User
) -> None:
    answer = say(alice, thread, "So")
    client.force_login(bob, backend="accounts.backends.AccountBackend")
    for action in ("question", "accept", "take-back", "pin", "lock"):
        wrong = client.post(f"{PAGE}/1", {"action": action, "event": answer.uuid.hex})
        assert wrong.status_code == 403, action


def test_who_takes_part_hears_of_it(
    net: Repo, thread: Discussion, as_carol: Client, bob: User, carol: User
) -> None:
    assert ThreadSubscription.objects.get().user == carol
    as_carol.post(f"{PAGE}/1", {"action": "mute"})
    assert ThreadSubscription.objects.get().is_muted
    say(carol, thread, "Still here")
    assert ThreadSubscription.objects.get().is_muted
    as_carol.post(f"{PAGE}/1", {"action": "default"})
    assert not ThreadSubscription.objects.exists()
    subscribe(Actor(bob), repo=net, num=1, choice="subscribe")
    assert ThreadSubscription.objects.get().user == bob
    with pytest.raises(InvalidInput):
        subscribe(Actor(bob), repo=net, num=1, choice="shout")


def test_a_hidden_comment_says_why(as_alice: Client, client: Client, thread: Discussion) -> None:
    hide = {"action": "hide", "event": first(thread).uuid.hex}
    assert as_alice.post(f"{PAGE}/1", hide | {"reason": "x" * 201}).status_code == 422
    as_alice.post(f"{PAGE}/1", hide | {"reason": "<i>rude</i>"})
    assert "hidden by alice: &lt;i&gt;rude&lt;/i&gt;" in client.get(f"{PAGE}/1").text


def test_lists_are_searched_by_words_author_and_mine(
    as_alice: Client, net: Repo, thread: Discussion, alice: User, carol: User
) -> None:
    actions.open_discussion(Actor(alice), repo=net, title="About memory", description="The kernel is needed")
    shown = as_alice.get(f"{PAGE}?q=KERNEL").text
    assert "About memory" in shown
    assert "Why so slow?" not in shown
    assert "Why so slow?" in as_alice.get(f"{PAGE}?author=Carol").text
    assert "Why so slow?" not in as_alice.get(f"{PAGE}?mine=1").text
    assert "Nothing like that here" in as_alice.get(f"{PAGE}?q=%00zzz").text


def test_what_came_later_is_given_alone(client: Client, thread: Discussion, alice: User) -> None:
    last = first(thread).pk
    assert client.get(f"{PAGE}/1/newer?after={last}").status_code == 204
    say(alice, thread, "A *later* word")
    part = client.get(f"{PAGE}/1/newer?after={last}").text
    assert "A <em>later</em> word" in part
    assert "It <em>is</em>" not in part
    assert client.get(f"{PAGE}/1/newer?after=-1").status_code == 404
    assert client.get(f"{PAGE}/1/newer").status_code == 404


def test_a_preview_is_for_people_and_saves_nothing(
    as_alice: Client, client: Client, thread: Discussion
) -> None:
    fields = {"text": "**Bold** $x^2$ #1 <script>no</script>", "repo": "model:alice/net"}
    part = as_alice.post("/markdown/preview", fields).text
    assert "<strong>Bold</strong>" in part
    assert "<math" in part
    assert f'href="{PAGE}/1"' in part
    assert "<script" not in part
    assert client.post("/markdown/preview", fields).status_code == 302
    assert as_alice.get("/markdown/preview").status_code == 405
    whole = as_alice.post(f"{PAGE}/1", {"action": "preview", "text": "**Bold**"})
    assert whole.status_code == 200
    assert whole.text.count("**Bold**") == 1
    assert "<strong>Bold</strong>" in whole.text
    assert thread.events.count() == 1


def test_a_hidden_repo_is_not_previewed(as_carol: Client, net: Repo) -> None:
    Repo.objects.filter(pk=net.pk).update(private=True)
    part = as_carol.post("/markdown/preview", {"text": "[a](b.md)", "repo": "model:alice/net"}).text
    assert "alice/net" not in part


def test_text_typed_before_a_session_ended_is_there_after_signing_in(
    client: Client, thread: Discussion, carol: User
) -> None:
    lost = client.post(f"{PAGE}/1", {"action": "comment", "text": "A long & careful answer"})
    assert lost["Location"].startswith("/login?next=")
    done = client.post(lost["Location"], {"username": "carol", "password": "carol-secret-9"})
    assert done["Location"] == f"{PAGE}/1"
    assert "A long &amp; careful answer</textarea>" in client.get(done["Location"]).text
    assert "A long" not in client.get(done["Location"]).text
    assert thread.events.count() == 1


def test_a_new_thread_typed_before_a_session_ended(client: Client, net: Repo, carol: User) -> None:
    lost = client.post(f"{PAGE}/new", {"title": "A title", "description": "And a text"})
    done = client.post(lost["Location"], {"username": "carol", "password": "carol-secret-9"})
    form = client.get(done["Location"]).text
    assert 'value="A title"' in form
    assert "And a text</textarea>" in form


def test_ten_megabytes_are_refused_in_a_sentence_at_once(as_carol: Client, thread: Discussion) -> None:
    began = time.monotonic()
    wrong = as_carol.post(f"{PAGE}/1", {"action": "comment", "text": "<b> $x$ " * 1_300_000})
    assert wrong.status_code == 422
    assert "at most 65536 characters" in wrong.text
    assert time.monotonic() - began < 5
    assert thread.events.count() == 1
    assert as_carol.post(f"{PAGE}/new", {"title": "Big", "description": "x" * 10_000_000}).status_code == 422


def test_a_thousand_comments_cost_as_many_queries_as_a_few(
    as_alice: Client, thread: Discussion, alice: User, carol: User
) -> None:
    def cost(address: str) -> int:
        as_alice.get(address)
        with CaptureQueriesContext(connection) as seen:
            assert as_alice.get(address).status_code == 200
        return len(seen)

    event = say(alice, thread, "One")
    Reaction.objects.create(event=event, user=carol, emoji="👍")
    few = cost(f"{PAGE}/1")
    made = [
        DiscussionEvent(
            discussion=thread,
            type="comment",
            author=(alice, carol)[n % 2],
            body=f"comment {n}",
            data={"html": f"<p>comment {n}</p>", "history": []},
        )
        for n in range(1000)
    ]
    rows = DiscussionEvent.objects.bulk_create(made)
    Reaction.objects.bulk_create(Reaction(event=row, user=carol, emoji="👀") for row in rows)
    assert cost(f"{PAGE}/1") <= few + 1  # the opening words, on a page of their own by now
    shown = as_alice.get(f"{PAGE}/1").text
    assert "It <em>is</em>" in shown
    assert "comment 999" in shown
    assert "<p>comment 5</p>" not in shown
    middle = as_alice.get(f"{PAGE}/1?at={rows[500].uuid.hex}").text
    assert "<p>comment 500</p>" in middle
    assert len(shown) < 900_000
    edited = as_alice.post(f"{PAGE}/1", {"action": "edit", "event": rows[0].uuid.hex, "text": "Changed"})
    assert edited["Location"] == f"{PAGE}/1?at={rows[0].uuid.hex}#event-{rows[0].uuid.hex}"
    assert "Changed" in as_alice.get(edited["Location"]).text
