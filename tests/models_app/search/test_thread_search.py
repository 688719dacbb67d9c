"""What is said in threads is found by whoever may read it, in the words it has now."""

from __future__ import annotations

import pytest
from django.db import connection

from accounts.actor import ANONYMOUS, Actor
from accounts.models import User
from models_app.actions import discussions
from models_app.actions.repos import change_settings, delete_repo
from models_app.models import Discussion, Repo
from models_app.thread_search import HITS_EACH, HITS_FIRST, TABLE, create, drop, fold, found_threads
from tests.models_app.people import repo_of, session


def found(text: str, actor: Actor = ANONYMOUS) -> list[str]:
    return [thread.title for thread in found_threads(actor, text, 20)]


@pytest.fixture
def talk(alice: User) -> Discussion:
    repo = repo_of(alice, "net")
    actor = session(alice)
    thread = discussions.open_discussion(
        actor, repo=repo, title="Training diverges", description="loss is NaN"
    )
    discussions.open_discussion(actor, repo=repo, title="数据清洗的问题", description="怎样去掉重复的样本？")
    discussions.comment(actor, repo=repo, num=thread.num, text="Lower the learning rate, 100% sure")
    return thread


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("diverges", ["Training diverges"]),
        ("TRAINING nan", ["Training diverges"]),
        ("learning rate", ["Training diverges"]),
        ("100% sure", ["Training diverges"]),
        ("数据清洗", ["数据清洗的问题"]),
        ("重复", ["数据清洗的问题"]),
        ("diverges absent", []),
        ("", []),
        ("  ", []),
    ],
)
def test_titles_and_comments_are_found(talk: Discussion, text: str, titles: list[str]) -> None:
    assert found(text) == titles


@pytest.mark.parametrize(
    "text",
    ['"', "'", "%", "_", "\\", "\0", "NOT a", "NEAR(", "x" * 9000, "a " * 500, "🙂", "--", ";drop", "*"],
)
def test_no_text_is_an_error(talk: Discussion, text: str) -> None:
    found(text)


def test_private_talk_is_for_those_who_may_read_it(talk: Discussion, alice: User, carol: User) -> None:
    change_settings(session(alice), repo=talk.repo, private=True)
    assert found("diverges") == []
    assert found("diverges", session(carol)) == []
    assert found("diverges", session(alice)) == ["Training diverges"]


def test_what_was_edited_hidden_or_renamed_is_found_as_it_is_now(talk: Discussion, alice: User) -> None:
    actor, repo = session(alice), talk.repo
    last = talk.events.order_by("-pk").first()
    assert last is not None
    discussions.edit_comment(actor, repo=repo, num=talk.num, event=last.uuid.hex, text="Use warmup instead")
    assert found("warmup") == ["Training diverges"]
    assert found("learning rate") == []
    discussions.rename(actor, repo=repo, num=talk.num, title="Solved by warming up")
    assert found("diverges") == []
    assert found("solved nan") == ["Solved by warming up"]
    discussions.hide_comment(actor, repo=repo, num=talk.num, event=last.uuid.hex)
    assert found("instead") == []


def test_a_deleted_repo_leaves_no_talk_behind(talk: Discussion, alice: User) -> None:
    delete_repo(session(alice), repo=Repo.objects.get(pk=talk.repo_id))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {TABLE}")  # noqa: S608
        assert cursor.fetchone()[0] == 0


def test_a_table_made_anew_holds_what_was_said_before(talk: Discussion) -> None:
    drop()
    create()
    assert found("diverges nan") == ["Training diverges"]
    assert found("learning rate") == ["Training diverges"]


def test_a_long_talk_of_the_same_words_does_not_hide_the_others(talk: Discussion, alice: User) -> None:
    # One more than are looked at first, all of them in one thread.
    for number in range(2 * HITS_FIRST + 1):
        discussions.comment(session(alice), repo=talk.repo, num=talk.num, text=f"重复 {number}")
    assert 2 * HITS_EACH > 2 * HITS_FIRST + 2
    titles = [thread.title for thread in found_threads(ANONYMOUS, "重复", 2)]
    assert titles == ["Training diverges", "数据清洗的问题"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's table has no column of texts")
def test_a_table_from_before_finds_all_letters_once_it_is_folded(talk: Discussion) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE {TABLE} DROP COLUMN texts, ADD COLUMN texts text"
            " GENERATED ALWAYS AS (title || ' ' || body) STORED"
        )
    assert found("diverges TRAINING nan") == []
    fold()
    assert found("diverges TRAINING nan") == ["Training diverges"]
