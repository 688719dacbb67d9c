"""Search finds what people type, puts names first, and treats no text as an error."""

from __future__ import annotations

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from models_app.actions.commits import commit
from models_app.actions.repos import delete_repo
from models_app.models import Repo
from models_app.search import search_repos
from models_app.search_table import TABLE, keys_with
from models_app.storage.operations import AddFile
from tests.models_app.people import repo_of, session


@pytest.fixture
def shelf(alice: User) -> User:
    """Four models with cards."""
    cards = {
        "resnet": "---\ntags: [vision]\n---\nA residual network.",
        "resnet-50": "---\nlicense: mit\n---\nFifty layers deep.",
        "digits": "---\nlanguage: zh\n---\n手写数字识别模型，基于 ResNet。",
        "notes": "A text that mentions resnet once, and 100% \"quotes\".",
    }  # fmt: skip
    for name, text in cards.items():
        repo = repo_of(alice, name)
        file = AddFile("README.md", text.encode())
        commit(session(alice), repo=repo, branch="main", operations=[file], summary="Card")
    return alice


def found(text: str) -> list[str]:
    return [repo.name for repo in search_repos(Repo.objects.all(), text)]


def test_the_name_itself_comes_first_then_names_that_begin_so(shelf: User) -> None:
    assert found("resnet")[:2] == ["resnet", "resnet-50"]
    assert set(found("resnet")) == {"resnet", "resnet-50", "digits", "notes"}
    assert found("alice/resnet-50")[0] == "resnet-50"
    assert found("RESNET")[0] == "resnet"


def test_tags_and_card_text_are_found_by_any_part(shelf: User) -> None:
    assert found("vision") == ["resnet"]
    assert found("license:mit") == ["resnet-50"]
    assert found("idual net") == ["resnet"]


@pytest.mark.parametrize("text", ["数字识别", "手写", "模", "手写 resnet"])
def test_chinese_text_is_found_at_any_length(shelf: User, text: str) -> None:
    assert found(text) == ["digits"]


def test_every_word_must_be_found(shelf: User) -> None:
    assert found("resnet deep") == ["resnet-50"]
    assert found("resnet absent") == []
    assert found("re 50") == ["resnet-50"]


def test_blank_text_finds_everything(shelf: User) -> None:
    assert len(found("  ")) == 4


@pytest.mark.parametrize(
    "text",
    ['"', "'", 'a"b', "resnet*", "NOT resnet", "resnet OR", "NEAR(",
     "name:resnet", "(", "%", "100%", "_", "\\",
     "\0", "--",
     "x" * 10_000, "a " * 500,
     "🙂", "^resnet", "{a}", ";drop table"],
)  # fmt: skip
def test_no_text_is_an_error(shelf: User, text: str) -> None:
    found(text)


def test_operators_and_wildcards_are_plain_characters(shelf: User) -> None:
    assert found('"quotes"') == ["notes"]
    assert found("100%") == ["notes"]
    assert found("res_et") == []
    assert found("resnet NEAR once") == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=30))
def test_generated_text_is_no_error_either(shelf: User, text: str) -> None:
    found(text)


def test_a_changed_card_is_found_by_its_new_words_only(shelf: User) -> None:
    repo = Repo.objects.get(name="notes")
    file = AddFile("README.md", b"Zebra.")
    commit(session(shelf), repo=repo, branch="main", operations=[file], summary="Change")
    assert found("zebra") == ["notes"]
    assert "notes" not in found("resnet")


def test_a_deleted_repo_leaves_no_text_behind(shelf: User) -> None:
    repo = Repo.objects.get(name="resnet")
    delete_repo(session(shelf), repo=repo)
    assert "resnet" not in found("resnet")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {TABLE}")  # noqa: S608
        assert cursor.fetchone()[0] == 3


def test_search_narrows_what_it_is_given(shelf: User, bob: User) -> None:
    repo_of(bob, "resnet-of-bob", private=True)
    visible = Repo.objects.visible_to(session(shelf))
    assert "resnet-of-bob" not in [repo.name for repo in search_repos(visible, "resnet")]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="bm25 is SQLite's")
def test_the_ranking_is_made_once_for_all_rows(shelf: User) -> None:
    # Asked row by row, bm25 counts the whole table each time: 5,000 repos took ten seconds.
    plan = search_repos(Repo.objects.all(), "resnet").explain()
    assert "MATERIALIZE hits" in plan


@pytest.mark.skipif(connection.vendor != "postgresql", reason="trigrams are an index of PostgreSQL's")
def test_postgresql_finds_by_an_index_over_all_texts(shelf: User) -> None:
    query = keys_with(["resnet", "vision"])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {query.sql}", query.params)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Bitmap Index Scan on models_app_search_trigrams" in plan
    assert "Seq Scan" not in plan
    assert found("vision resnet") == ["resnet"]


def test_a_word_in_the_name_counts_more_than_in_the_card(shelf: User) -> None:
    assert found("layers resnet") == ["resnet-50"]
    assert found("net res")[0] in ("resnet", "resnet-50")
    assert set(found("esnet")[:2]) == {"resnet", "resnet-50"}
