"""From events to lines of inboxes: whom each concerns, who may know, what joins, and nothing twice."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.actor import ANONYMOUS
from accounts.models import User
from models_app.actions import discussions, follows, likes
from models_app.actions.events import record_event
from models_app.actions.gating import ask_access, decide
from models_app.actions.note_rules import RULES
from models_app.actions.note_wake import TOLD
from models_app.actions.notes import Note, mark_read, put_note
from models_app.actions.notify import notify_due
from models_app.actions.repos import change_settings, delete_repo
from models_app.models import (
    Benchmark,
    BoardMove,
    Event,
    EventTag,
    NoteKind,
    NoteSetting,
    Notification,
    Repo,
    ThreadSubscription,
)
from models_app.telling import notes_of, readers_among, unread_count
from models_app.telling_words import KINDS, sentence
from tests.models_app.people import organization, repo_of, session


def told(user: User) -> list[str]:
    """The person's lines as they read them, newest first."""
    return [sentence(note) for note in notes_of(session(user))]


def kinds(user: User) -> list[str]:
    return sorted(notes_of(session(user)).values_list("kind", flat=True))


def test_every_tag_that_is_news_has_a_rule_and_every_kind_words() -> None:
    assert set(RULES) == set(TOLD)
    assert set(KINDS) == set(NoteKind)


def test_a_discussion_tells_the_owner_and_whoever_is_named(alice: User, bob: User, carol: User) -> None:
    repo = repo_of(alice)
    discussions.open_discussion(
        session(carol), repo=repo, title="Why so slow?", description="@bob, `@alice` and @nobody-here"
    )
    notify_due()
    assert told(alice) == ["carol began the discussion “Why so slow?”"]
    assert told(bob) == ["carol mentioned you in “Why so slow?”"]
    assert told(carol) == []


def test_an_organization_that_is_named_stands_for_its_members(alice: User, bob: User, carol: User) -> None:
    organization("lab", admin=bob, read=carol)
    organization("crew", write=bob)
    repo = repo_of(alice)
    discussions.open_discussion(
        session(carol), repo=repo, title="Look", description="@LAB, @crew, @nobody-here and `@alice`"
    )
    notify_due()
    assert told(bob) == ["carol mentioned lab in “Look”"]
    assert told(carol) == []
    discussions.comment(session(carol), repo=repo, num=1, text="@bob as one of @lab")
    notify_due()
    assert told(bob) == ["You were mentioned 2 times in “Look”, last by carol"]
    discussions.comment(session(alice), repo=repo, num=1, text="@lab?")
    notify_due()
    assert told(bob) == ["You were mentioned 3 times in “Look”, last with lab by alice"]
    assert told(carol) == ["alice mentioned lab in “Look”"]


def test_of_an_organization_only_who_may_see_and_wants_to_hear(alice: User, bob: User, carol: User) -> None:
    organization("lab", admin=bob, read=carol, write=alice)
    repo = repo_of(alice)
    made = discussions.open_discussion(session(alice), repo=repo, title="Look")
    ThreadSubscription.objects.create(user=bob, discussion=made, is_muted=True)
    NoteSetting.objects.create(user=carol, kind=NoteKind.MENTION, in_site=False, mail="never")
    discussions.comment(session(alice), repo=repo, num=1, text="@lab")
    notify_due()
    assert not Notification.objects.exists()
    NoteSetting.objects.all().delete()
    ThreadSubscription.objects.all().delete()
    change_settings(session(alice), repo=repo, private=True)
    discussions.comment(session(alice), repo=repo, num=1, text="@lab")
    notify_due()
    assert not Notification.objects.exists()


def test_no_comment_calls_a_crowd_together(
    alice: User, bob: User, carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models_app.actions.thread_notes.MAX_MEMBERS", 1)
    organization("lab", admin=bob, read=carol)
    organization("crew", admin=bob, read=carol)
    discussions.open_discussion(session(alice), repo=repo_of(alice), title="All", description="@lab @crew")
    notify_due()
    assert (kinds(bob), kinds(carol)) == (["mention"], [])


def test_replies_join_until_they_are_read(alice: User, bob: User, carol: User) -> None:
    repo = repo_of(alice)
    discussions.open_discussion(session(carol), repo=repo, title="A question")
    for text in ("one", "two", "three"):
        discussions.comment(session(bob), repo=repo, num=1, text=text)
    notify_due()
    assert told(carol) == ["3 replies in “A question”, the last by bob"]
    assert Notification.objects.get(user=carol).path.startswith("/alice/net/discussions/1#event-")
    mark_read(Notification.objects.filter(user=carol))
    discussions.comment(session(bob), repo=repo, num=1, text="four")
    notify_due()
    assert told(carol)[0] == "bob replied in “A question”"
    assert unread_count(session(carol)) == 1


def test_who_muted_a_thread_hears_of_it_only_when_named(alice: User, bob: User, carol: User) -> None:
    repo = repo_of(alice)
    made = discussions.open_discussion(session(carol), repo=repo, title="Noise")
    for user in (alice, carol):
        ThreadSubscription.objects.update_or_create(user=user, discussion=made, defaults={"is_muted": True})
    notify_due()
    Notification.objects.all().delete()
    discussions.comment(session(bob), repo=repo, num=1, text="blah")
    notify_due()
    assert not Notification.objects.exists()
    discussions.comment(session(bob), repo=repo, num=1, text="@carol look")
    notify_due()
    assert kinds(carol) == ["mention"]


def test_who_subscribed_hears_without_taking_part(alice: User, bob: User, carol: User) -> None:
    repo = repo_of(alice)
    made = discussions.open_discussion(session(alice), repo=repo, title="News")
    ThreadSubscription.objects.create(user=carol, discussion=made)
    discussions.comment(session(bob), repo=repo, num=1, text="hello")
    discussions.change_status(session(alice), repo=repo, num=1, status="closed")
    notify_due()
    assert told(carol) == ["alice closed “News”", "bob replied in “News”"]


def test_an_accepted_answer_is_told_of(alice: User, bob: User, carol: User) -> None:
    repo = repo_of(alice)
    made = discussions.open_discussion(session(carol), repo=repo, title="How?")
    answer = discussions.comment(session(bob), repo=repo, num=1, text="So.")
    made.accepted = answer
    made.save()
    record_event(session(carol), EventTag.DISCUSSION_ACCEPT, repo=repo, num=1, event=answer.uuid.hex)
    notify_due()
    assert told(bob) == ["carol accepted your answer in “How?”"]


def test_nobody_hears_of_what_they_may_not_see(alice: User, bob: User, carol: User) -> None:
    repo = repo_of(alice)
    follows.follow_repo(session(carol), repo=repo)
    discussions.open_discussion(session(carol), repo=repo, title="Before")
    notify_due()
    Notification.objects.all().delete()
    change_settings(session(alice), repo=repo, private=True)
    discussions.comment(session(alice), repo=repo, num=1, text="@carol @bob a secret")
    notify_due()
    assert not Notification.objects.exists()


def test_what_became_private_leaves_the_inbox(alice: User, carol: User) -> None:
    repo = repo_of(alice)
    discussions.open_discussion(session(carol), repo=repo, title="Open")
    discussions.comment(session(alice), repo=repo, num=1, text="reply")
    notify_due()
    assert unread_count(session(carol)) == 1
    change_settings(session(alice), repo=repo, private=True)
    assert told(carol) == []
    assert unread_count(session(carol)) == 0


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("disabled", [True, False])
def test_who_may_be_told_is_who_sees_the_repo(
    alice: User, bob: User, carol: User, private: bool, disabled: bool
) -> None:
    group = organization("lab", admin=alice, read=bob)
    away = timezone.now() if disabled else None
    for space, name in ((None, "own"), ("lab", "shared")):
        repo = repo_of(alice, name, namespace=space, private=private, disabled_at=away)
        expected = {
            user.pk
            for user in (alice, bob, carol)
            if Repo.objects.visible_to(session(user)).filter(pk=repo.pk).exists()
        }
        assert readers_among(repo, {alice.pk, bob.pk, carol.pk}) == expected
    assert group.is_organization


def test_who_is_suspended_or_gone_is_not_told(alice: User, bob: User, carol: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_suspended=True)
    User.objects.filter(pk=carol.pk).update(is_active=False)
    assert readers_among(None, {alice.pk, bob.pk, carol.pk}) == {alice.pk}


def test_likes_of_several_people_are_one_line(alice: User, bob: User, carol: User) -> None:
    repo = repo_of(alice)
    for user in (alice, bob, carol):
        likes.like(session(user), repo=repo)
    notify_due()
    assert told(alice) == ["2 new likes of alice/net, the last by carol"]


def test_followers_new_work_and_updates(alice: User, bob: User, carol: User) -> None:
    from tests.models_app.views.conftest import publish

    follows.follow(session(carol), namespace=alice.namespace)
    notify_due()
    assert told(alice) == ["carol follows you"]
    repo_of(alice, "hidden", private=True)
    Notification.objects.all().delete()
    repo = publish(alice, "shown")
    notify_due()
    assert told(carol) == ["alice published alice/shown"]
    follows.follow_repo(session(carol), repo=repo)
    mark_read(Notification.objects.all())
    from models_app.actions.commits import commit
    from models_app.storage.operations import AddFile

    for text in (b"1", b"2"):
        commit(session(alice), repo=repo, branch="main", operations=[AddFile("a", text)], summary="More")
    notify_due()
    assert told(carol)[0] == "2 changes of alice/shown, the last by alice"


def test_what_is_made_public_is_new_then(alice: User, carol: User) -> None:
    follows.follow(session(carol), namespace=alice.namespace)
    repo = repo_of(alice, private=True)
    change_settings(session(alice), repo=repo, gated="auto")
    notify_due()
    assert told(carol) == []
    change_settings(session(alice), repo=repo, private=False)
    notify_due()
    assert told(carol) == ["alice published alice/net"]


def test_requests_at_a_gate(alice: User, carol: User) -> None:
    repo = repo_of(alice, gated="manual")
    ask_access(session(carol), repo=repo)
    notify_due()
    assert told(alice) == ["carol asks to be let in at alice/net"]
    decide(session(alice), repo=repo, status="accepted", username="carol")
    notify_due()
    assert told(carol) == ["You were let in at alice/net"]


@pytest.mark.parametrize(
    ("stage", "words"),
    [("COMPLETED", "Your run is done: alice/net"), ("ERROR", "Your run failed: alice/net"), ("CANCELED", "")],
)
def test_the_end_of_ones_own_run(alice: User, stage: str, words: str) -> None:
    repo = repo_of(alice)
    record_event(session(alice), EventTag.RUN_FINISH, repo=repo, run="0" * 32, stage=stage)
    notify_due()
    assert told(alice) == ([words] if words else [])


def test_it_is_done_once_whoever_asks_how_often(alice: User, carol: User) -> None:
    discussions.open_discussion(session(carol), repo=repo_of(alice), title="Once")
    notify_due()
    notify_due()
    assert Notification.objects.get(user=alice).count == 1
    assert not Event.objects.filter(notified_at=None).exists()
    Event.objects.update(notified_at=None)
    assert notify_due(limit=1) == 1
    assert Event.objects.filter(notified_at=None).count() == Event.objects.count() - 1


def test_a_fault_in_one_rule_costs_one_event(
    alice: User, carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = repo_of(alice)

    def broken(event: Event) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setitem(RULES, EventTag.LIKE_ADD, broken)
    likes.like(session(carol), repo=repo)
    discussions.open_discussion(session(carol), repo=repo, title="After")
    notify_due()
    assert told(alice) == ["carol began the discussion “After”"]
    assert not Event.objects.filter(notified_at=None).exists()


def test_what_is_no_news_is_never_waited_for(alice: User) -> None:
    event = record_event(session(alice), EventTag.COLLECTION_CHANGE, verb="x")
    assert event.notified_at is not None


def test_settings_decide_where_it_goes(alice: User, carol: User) -> None:
    repo = repo_of(alice)
    NoteSetting.objects.create(user=alice, kind=NoteKind.LIKE, in_site=False, mail="never")
    NoteSetting.objects.create(user=alice, kind=NoteKind.THREAD, in_site=False, mail="digest")
    likes.like(session(carol), repo=repo)
    discussions.open_discussion(session(carol), repo=repo, title="By mail")
    notify_due()
    assert told(alice) == []
    assert unread_count(session(alice)) == 0
    assert Notification.objects.get().kind == NoteKind.THREAD


def test_what_is_gone_is_said_to_be_or_goes_too(alice: User, bob: User, carol: User) -> None:
    repo = repo_of(alice)
    discussions.open_discussion(session(carol), repo=repo, title="100% {odd} %(who)s")
    discussions.open_discussion(session(bob), repo=repo_of(alice, "other"), title="Stays")
    notify_due()
    assert "carol began the discussion “100% {odd} %(who)s”" in told(alice)
    delete_repo(session(alice), repo=repo)
    bob.delete()
    assert told(alice) == ["Somebody who left began the discussion “Stays”"]


def test_many_people_are_told_in_few_statements(alice: User, django_assert_max_num_queries: object) -> None:
    repo = repo_of(alice)
    people = User.objects.bulk_create([User(username=f"u{n}") for n in range(1200)])
    note = Note(NoteKind.REPO_UPDATE, "commit:1", [user.pk for user in people], repo, "/alice/net")
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        assert put_note(note) == 1200
    assert put_note(note) == 1200
    assert set(Notification.objects.values_list("count", flat=True)) == {2}


def test_a_new_leader_is_told_of_to_followers_and_to_who_led(alice: User, bob: User, carol: User) -> None:
    data, old, new = repo_of(alice, "digits", repo_type="dataset"), repo_of(bob, "old"), repo_of(alice, "new")
    benchmark = Benchmark.objects.create(repo=data, name="Digits", tasks=[{"id": "digits"}])
    follows.follow_repo(session(carol), repo=data, what="board")
    for repo, before, after in ((old, 1, 2), (new, None, 1)):
        BoardMove.objects.create(
            benchmark=benchmark, task_id="digits", repo=repo, before=before, after=after, value=0.9
        )
    moved = {"board": "alice/digits", "board_pk": data.pk, "task_id": "digits"}
    record_event(ANONYMOUS, EventTag.BOARD_MOVE, repo=new, before=None, after=1, **moved)
    notify_due()
    assert told(carol) == ["alice/new took place 1 on Digits"]
    assert told(bob) == ["bob/old lost the first place on Digits"]
    assert told(alice) == []
    record_event(ANONYMOUS, EventTag.BOARD_MOVE, repo=new, before=1, after=3, **moved)
    notify_due()
    assert len(told(carol)) == 1
