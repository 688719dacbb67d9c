"""Models side by side: what differs, what is measured alike, and nothing of what is hidden."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.test import Client

from models_app.models import EvalResult, Repo, RepoTag
from tests.models_app.views.conftest import Pages, card, publish

BOTH = "/compare?model=alice/one&model=alice/two"


@pytest.fixture
def two(pages: Pages) -> tuple[Repo, Repo]:
    made = pages.measured("one", 0.90), pages.measured("two", 0.95)
    EvalResult.objects.update(dataset_revision="a" * 40)
    return made


def test_facts_differ_or_not(client: Client, two: tuple[Repo, Repo]) -> None:
    card(two[0], parameters=1_000_000)
    card(two[1], parameters=2_000_000)
    response = client.get(BOTH)
    rows = {row.title: row for row in response.context["facts"]}
    assert [cell.text for cell in rows["Parameters"].cells] == ["1M", "2M"]
    assert rows["Parameters"].differs
    assert not rows["Task"].differs
    assert rows["Made from"].cells[0].address == "/alice/base"
    only = client.get(f"{BOTH}&only=differences")
    assert [row.title for row in only.context["facts"]] == ["Parameters"]


def test_a_clear_difference_is_told_with_its_interval(client: Client, two: tuple[Repo, Repo]) -> None:
    response = client.get(BOTH)
    (board,) = response.context["boards"]
    first, second = board.cells
    assert first.verdict == ""
    assert (second.verdict, round(second.gap, 3), second.is_best) == ("better", 0.05, True)
    assert second.gap_interval[0] > 0
    assert "+5.0 points" in response.text


def test_a_small_difference_may_be_chance(client: Client, two: tuple[Repo, Repo]) -> None:
    EvalResult.objects.filter(repo=two[1]).update(value=0.905)
    (board,) = client.get(BOTH).context["boards"]
    assert board.cells[1].verdict == "chance"


def test_where_less_is_better_more_is_worse(client: Client, pages: Pages, two: tuple[Repo, Repo]) -> None:
    pages.benchmark.tasks = [{"id": "digits", "metric": "mae", "higher_is_better": False}]
    pages.benchmark.save()
    EvalResult.objects.filter(repo=two[0]).update(low=0.89, high=0.91)
    EvalResult.objects.filter(repo=two[1]).update(low=0.94, high=0.96)
    (board,) = client.get(BOTH).context["boards"]
    assert [cell.is_best for cell in board.cells] == [True, False]
    assert board.cells[1].verdict == "worse"


@pytest.mark.parametrize("revision", ["b" * 40, ""])
def test_other_revisions_of_the_data_are_not_compared(
    client: Client, two: tuple[Repo, Repo], revision: str
) -> None:
    EvalResult.objects.filter(repo=two[1]).update(dataset_revision=revision)
    response = client.get(BOTH)
    (board,) = response.context["boards"]
    assert not any(cell.is_best or cell.verdict for cell in board.cells)
    assert "not the same revision" in response.text


def test_the_licence_counts_the_base_in(client: Client, pages: Pages, two: tuple[Repo, Repo]) -> None:
    other = publish(pages.alice, "free")
    card(pages.base, license="cc-by-nc-4.0")
    response = client.get(f"/compare?model=alice/one&model={other.repo_id}")
    rows = {row.title: [cell.mark for cell in row.cells] for row in response.context["terms"]}
    assert rows["Commercial use"] == ["no", "yes"]
    assert rows["Passing it on"] == ["yes", "yes"]


def test_what_is_hidden_looks_missing(client: Client, pages: Pages, two: tuple[Repo, Repo]) -> None:
    publish(pages.alice, "vault", private=True)
    hidden, missing = (client.get(f"{BOTH}&model=alice/{name}") for name in ("vault", "nothing"))
    assert "alice/vault does not exist, or you may not see it" in hidden.text
    assert "alice/nothing does not exist, or you may not see it" in missing.text
    assert hidden.context["chosen"].ids == missing.context["chosen"].ids
    assert client.get("/compare?q=vault").context["found"] == []


def test_a_board_of_hidden_data_is_not_shown(client: Client, pages: Pages, two: tuple[Repo, Repo]) -> None:
    Repo.objects.filter(pk=pages.data.pk).update(private=True)
    assert client.get(BOTH).context["boards"] == []


def test_models_are_added_removed_and_looked_for(client: Client, two: tuple[Repo, Repo]) -> None:
    response = client.get("/compare?model=alice/one&add=alice/two")
    assert response["Location"] == "/compare?model=alice%2Fone&model=alice%2Ftwo"
    page = client.get(response["Location"])
    assert page.context["columns"][0][1] == "/compare?model=alice%2Ftwo"
    found = client.get("/compare?model=alice/one&q=two").context["found"]
    links = {repo.name: link for repo, link in found}
    assert links["two"] == "/compare?model=alice%2Fone&model=alice%2Ftwo"
    assert "one" not in links
    part = client.get("/compare?q=two", headers={"HX-Request": "true", "HX-Target": "found-models"})
    assert "<html" not in part.text
    assert "/compare?model=alice%2Ftwo" in part.text


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?model=",
        "?model=%00/x&model=a",
        "?model=" + "x" * 3000,
        "?q=%00",
        "?add=../../etc",
        "?model=a/b/c",
    ],
)
def test_bad_addresses_are_pages_all_the_same(client: Client, pages: Pages, query: str) -> None:
    assert client.get(f"/compare{query}", follow=True).status_code == 200


def test_a_sixth_model_is_told(client: Client, pages: Pages) -> None:
    names = [publish(pages.alice, f"m{number}").repo_id for number in range(6)]
    response = client.get("/compare?" + "&".join(f"model={name}" for name in [*names, names[0].upper()]))
    assert len(response.context["columns"]) == 5
    assert "Only the first 5 models are shown." in response.text


def test_five_models_cost_no_more_queries_than_two(
    client: Client,
    pages: Pages,
    two: tuple[Repo, Repo],
    django_assert_max_num_queries: Callable[[int], AbstractContextManager[object]],
) -> None:
    names = [pages.measured(f"n{number}", 0.5).repo_id for number in range(3)]
    RepoTag.objects.create(repo=two[0], kind="language", value="de")
    with django_assert_max_num_queries(9):
        client.get(f"{BOTH}&" + "&".join(f"model={name}" for name in names))


def test_models_are_ticked_in_the_list(client: Client, two: tuple[Repo, Repo]) -> None:
    text = client.get("/models").text
    assert 'form="compare-form" name="model" value="alice/one"' in text
    assert 'id="compare-form"' in text
    assert "compare-form" not in client.get("/datasets").text


@pytest.mark.parametrize(("pointer", "shown"), [("alice/two", True), ("", False), (None, False)])
def test_a_row_says_that_there_is_a_newer_version(
    client: Client, two: tuple[Repo, Repo], pointer: str | None, shown: bool
) -> None:
    card(two[0], metadata={"new_version": pointer} if pointer is not None else {})
    assert ("has a newer version" in client.get("/models").text) is shown
