"""What a model's page says beside its card: licence, lineage, trust, downloads, snippets, successor."""

from __future__ import annotations

import ast
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.tokens import mint_token
from models_app.models import BaseModelEdge, DownloadCount, EvalResult, Repo, RepoCard, RepoTag
from models_app.views.model_page import SHOWN_CARD
from tests.models_app.views.conftest import Pages, card, publish


def result_of(repo: Repo) -> EvalResult:
    return EvalResult.objects.get(repo=repo)


def test_the_licence_is_told_in_words(client: Client, pages: Pages) -> None:
    text = client.get("/alice/base").text
    assert "MIT License" in text
    assert "You may use it commercially." in text
    assert "Keep the copyright notice." in text


def test_what_the_base_forbids_is_told_with_a_link(client: Client, pages: Pages) -> None:
    tuned = pages.measured("tuned", 0.9)
    card(pages.base, license="cc-by-nc-4.0")
    response = client.get("/alice/tuned")
    line = response.context["licence"]
    assert [str(text) for text in line.may_not] == ["You may not use it commercially."]
    assert [warned.conflict.rule for warned in line.warnings] == ["commercial-use"]
    assert "forbids commercial use" in response.text
    assert str(line.warnings[0].address) == "/alice/base"
    card(tuned, license="cc-by-nc-4.0")
    assert client.get("/alice/tuned").context["licence"].warnings == []


def test_the_licence_of_a_hidden_base_is_not_told(client: Client, pages: Pages) -> None:
    pages.measured("tuned", 0.9)
    card(pages.base, license="cc-by-nc-4.0")
    Repo.objects.filter(pk=pages.base.pk).update(private=True)
    assert client.get("/alice/tuned").context["licence"].warnings == []


@pytest.mark.parametrize(("licence", "words"), [("", "None is stated"), ("other", "does not know its terms")])
def test_no_licence_and_one_of_its_own(client: Client, pages: Pages, licence: str, words: str) -> None:
    card(
        pages.base,
        license=licence,
        metadata={"license_name": "house rules", "license_link": "javascript:alert(1)"},
    )
    text = client.get("/alice/base").text
    assert words in text
    assert "javascript:" not in text
    assert ("house rules" in text) is (licence == "other")


def test_trust_levels_and_places(client: Client, pages: Pages) -> None:
    best = pages.measured("best", 0.95)
    pages.measured("second", 0.9)
    run = uuid.uuid4()
    EvalResult.objects.filter(repo=best).update(run_uuid=run)
    own = result_of(best)
    for value in (0.951, 0.99):
        EvalResult.objects.create(
            repo=best, filename="claimed.yaml", dataset_id=own.dataset_id, benchmark=own.benchmark,
            task_id="digits", value=value,
        )  # fmt: skip
    response = client.get("/alice/best")
    rows = response.context["standings"].rows
    assert [(row.trust, row.result.value) for row in rows] == [
        ("verified", 0.95),
        ("reproduced", 0.951),
        ("self-reported", 0.99),
    ]
    assert {(row.rank, row.total) for row in rows} == {(1, 2)}
    assert f'href="/runs/{run}"' in response.text
    second = client.get("/alice/second").context["standings"].rows[0]
    assert (second.rank, second.total) == (2, 2)


def test_a_hidden_rival_takes_no_place(client: Client, pages: Pages) -> None:
    pages.measured("quiet", 0.99, private=True)
    pages.measured("loud", 0.9)
    row = client.get("/alice/loud").context["standings"].rows[0]
    assert (row.rank, row.total) == (1, 1)
    client.force_login(pages.alice, backend="accounts.backends.AccountBackend")
    row = client.get("/alice/loud").context["standings"].rows[0]
    assert (row.rank, row.total) == (2, 2)


def test_where_less_is_better_the_least_leads(client: Client, pages: Pages) -> None:
    pages.benchmark.tasks = [{"id": "digits", "split": "test", "metric": "mae", "higher_is_better": False}]
    pages.benchmark.save()
    pages.measured("little", 0.1)
    pages.measured("much", 0.7)
    assert client.get("/alice/little").context["standings"].rows[0].rank == 1
    assert client.get("/alice/much").context["standings"].rows[0].rank == 2


def test_claims_of_the_card_stand_apart(client: Client, pages: Pages) -> None:
    index = [{"results": [{"dataset": {"name": "<b>D"}, "metrics": [{"type": "wer", "value": 12.5}]}]}]
    card(pages.base, metadata={"model-index": index})
    text = client.get("/alice/base").text
    assert "1 number from the card alone" in text
    assert "&lt;b&gt;D" in text


def test_downloads_of_ninety_days_are_drawn(client: Client, pages: Pages) -> None:
    today = timezone.now().date()
    for days, count in ((0, 4), (89, 8), (90, 100)):
        DownloadCount.objects.create(repo=pages.base, day=today - timedelta(days=days), count=count)
    response = client.get("/alice/base")
    chart = response.context["downloads"]
    assert [(bar.left, bar.count, bar.height) for bar in chart.bars] == [(0, 8, 40.0), (89, 4, 20.0)]
    assert "12 downloads in 90 days" in response.text


def test_snippets_name_this_hub_and_python_parses(client: Client, pages: Pages) -> None:
    response = client.get("/alice/base")
    found = {snippet.key: snippet for snippet in response.context["snippets"]}
    assert {"timm", "hub", "cli", "git", "curl", "tune"} <= set(found)
    for snippet in found.values():
        if snippet.language == "python":
            ast.parse(snippet.text)
    assert "hf-hub:alice/base" in response.text


def test_a_private_model_names_the_readers_token_and_never_shows_it(
    as_alice: Client, alice: User, pages: Pages
) -> None:
    _token, secret = mint_token(alice, name="my laptop", role="read")
    publish(alice, "vault", private=True)
    text = as_alice.get("/alice/vault").text
    assert "my laptop" in text
    assert secret not in text


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"new_version": "alice/other"}, 'href="/alice/other"'),
        ({"new_version": "lab/elsewhere"}, "lab/elsewhere"),
        ({"deprecated": "Use the <i>next</i> one."}, "Use the &lt;i&gt;next&lt;/i&gt; one."),
        ({"deprecated": True}, "out of date"),
    ],
)
def test_a_model_that_is_out_of_date_points_on(
    client: Client, pages: Pages, metadata: dict[str, object], words: str
) -> None:
    publish(pages.alice, "other")
    card(pages.base, metadata=metadata)
    text = client.get("/alice/base").text
    assert words in text
    assert "successor" in text


def test_a_hidden_successor_is_named_and_not_linked(client: Client, pages: Pages) -> None:
    publish(pages.alice, "secret-next", private=True)
    card(pages.base, metadata={"new_version": "alice/secret-next"})
    text = client.get("/alice/base").text
    assert 'href="/alice/secret-next"' not in text


@pytest.mark.parametrize("new_version", [7, ["a/b"], "", None, "x" * 5000, "no-slash", "a/\x00b"])
def test_a_pointer_that_makes_no_sense_breaks_nothing(
    client: Client, pages: Pages, new_version: object
) -> None:
    RepoCard.objects.filter(repo=pages.base).update(metadata={})
    repo = Repo.objects.get(pk=pages.base.pk)
    if new_version == "a/\x00b":
        new_version = "a/b"
    card(repo, metadata={"new_version": new_version})
    assert client.get("/alice/base").status_code == 200


def test_a_card_of_a_megabyte_is_cut_and_can_be_had_whole(client: Client, pages: Pages) -> None:
    card(pages.base, html="<p>first</p>\n" + "<p>word</p>\n" * 90_000 + "<p>the very last</p>\n")
    cut, whole = client.get("/alice/base"), client.get("/alice/base?card=whole")
    assert len(cut.context["card_html"]) <= SHOWN_CARD
    assert "the very last" not in cut.text
    assert 'href="/alice/base?card=whole"' in cut.text
    assert "the very last" in whole.text


def test_who_uses_it_as_far_as_one_may_see(client: Client, pages: Pages) -> None:
    for name, private in (("open-space", False), ("shut-space", True)):
        space = publish(pages.alice, name, repo_type="space", private=private)
        RepoTag.objects.create(repo=space, kind="model", value="alice/base")
    text = client.get("/alice/base").text
    assert "open-space" in text
    assert "shut-space" not in text


def test_data_sets_of_the_card_are_linked_where_they_are_to_be_seen(client: Client, pages: Pages) -> None:
    publish(pages.alice, "hidden-data", repo_type="dataset", private=True)
    for value in ("alice/digits", "alice/hidden-data", "imagenet-1k"):
        RepoTag.objects.create(repo=pages.base, kind="dataset", value=value)
    text = client.get("/alice/base").text
    assert 'href="/datasets/alice/digits"' in text
    assert 'href="/datasets/alice/hidden-data"' not in text
    assert "imagenet-1k" in text


def test_a_merge_shows_all_its_parents(client: Client, pages: Pages) -> None:
    merged = publish(pages.alice, "merged")
    other = publish(pages.alice, "other-parent")
    for parent in (pages.base, other):
        BaseModelEdge.objects.create(
            child=merged, parent=parent, parent_repo_id=parent.repo_id, relation="merge"
        )
    text = client.get("/alice/merged").text
    assert "Merged from" in text
    assert text.count('href="/alice/other-parent"') >= 2
    assert "from all of the above" in text


def test_a_dataset_tells_its_licence_leader_and_how_to_load_it(client: Client, pages: Pages) -> None:
    pages.measured("leader", 0.95)
    response = client.get("/datasets/alice/digits")
    assert "leads with 95.00 %" in response.text
    assert "MIT License" in response.text
    assert "load_dataset(" in response.text
    assert response.context["board"].best.repo.name == "leader"


def test_the_leader_of_a_dataset_is_one_the_reader_may_see(client: Client, pages: Pages) -> None:
    pages.measured("quiet", 0.99, private=True)
    pages.measured("loud", 0.5)
    assert "alice/loud" in client.get("/datasets/alice/digits").text
    assert "alice/quiet" not in client.get("/datasets/alice/digits").text


def test_a_page_costs_few_queries_however_large_the_family(
    client: Client,
    pages: Pages,
    django_assert_max_num_queries: Callable[[int], AbstractContextManager[object]],
) -> None:
    for number in range(6):
        pages.measured(f"child{number}", 0.5 + number / 100)
    client.get("/alice/base")
    with django_assert_max_num_queries(24):
        client.get("/alice/base")
    with django_assert_max_num_queries(26):
        client.get("/alice/child0")
    with django_assert_max_num_queries(18):
        client.get("/datasets/alice/digits")
