"""A repo's own pages: card, lineage, results, classes; and who may see them."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from models_app.models import BaseModelEdge, Repo
from tests.models_app.views.conftest import Pages, publish


def stable(text: str) -> str:
    """A page without the address it was asked at and the forms' tokens, which is all that may differ."""
    text = re.sub(r'(name="(?:next|csrfmiddlewaretoken)" value=)"[^"]*"', r"\1", text)
    return re.sub(r"next=[^\"]*", "next=", text).replace("vault", "nothing")


def test_the_card_is_rendered_and_cannot_run_scripts(client: Client, pages: Pages) -> None:
    text = client.get("/alice/base").text
    assert "A network that reads digits." in text
    assert "<script>alert" not in text
    assert "3.5M" in text
    assert "14.2 MB" in text


def test_the_page_links_both_ways_along_the_lineage(client: Client, pages: Pages) -> None:
    pages.measured("tuned", 0.95)
    assert 'href="/alice/tuned"' in client.get("/alice/base").text
    assert 'href="/alice/base"' in client.get("/alice/tuned").text


def test_a_private_parent_is_named_as_the_card_does_but_not_linked(client: Client, pages: Pages) -> None:
    parent = publish(pages.alice, "hidden-parent", private=True)
    child = publish(pages.alice, "child")
    BaseModelEdge.objects.create(child=child, parent=parent, parent_repo_id=parent.repo_id)
    text = client.get("/alice/child").text
    assert "alice/hidden-parent" in text
    assert 'href="/alice/hidden-parent"' not in text


def test_a_private_child_is_not_counted(client: Client, pages: Pages) -> None:
    pages.measured("quiet-child", 0.5, private=True)
    text = client.get("/alice/base").text
    assert "quiet-child" not in text
    assert "made from it" not in text


def test_results_show_value_interval_and_whether_they_are_verified(client: Client, pages: Pages) -> None:
    pages.measured("tuned", 0.95)
    pages.measured("claimed", 0.99, verified=False)
    tuned, claimed = client.get("/alice/tuned").text, client.get("/alice/claimed").text
    assert "95.00 %" in tuned
    assert "93.5 % – 96.2 %" in tuned
    assert 'href="/leaderboards/alice/digits?task=digits"' in tuned
    assert "verified" in tuned
    assert "verified" not in claimed


def test_only_models_that_can_be_tuned_offer_it(client: Client, pages: Pages) -> None:
    assert 'href="/alice/base/finetune"' in client.get("/alice/base").text
    Repo.objects.get(name="base").card.delete()
    assert "/finetune" not in client.get("/alice/base").text


def test_a_dataset_shows_classes_splits_images_and_problems_escaped(client: Client, pages: Pages) -> None:
    text = client.get("/datasets/alice/digits").text
    assert "zero &amp; &lt;b&gt;" in text
    assert 'src="data:image/png;base64,iVBORw0KGgo="' in text
    assert "One file could not be read." in text
    assert 'href="/leaderboards/alice/digits"' in text
    assert 'width="50.0%"' in text


@pytest.mark.parametrize("path", ["", "/tree/main", "/commits/main", "/blob/main/README.md"])
@pytest.mark.parametrize("prefix", ["", "/datasets"])
def test_a_private_repo_looks_missing(
    client: Client, alice: User, carol: User, path: str, prefix: str
) -> None:
    publish(alice, "vault", repo_type="dataset" if prefix else "model", private=True)
    private, missing = client.get(f"{prefix}/alice/vault{path}"), client.get(f"{prefix}/alice/nothing{path}")
    assert private.status_code == missing.status_code == 404
    assert stable(private.text) == stable(missing.text)
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    assert client.get(f"{prefix}/alice/vault{path}").status_code == 404
    client.force_login(alice, backend="accounts.backends.AccountBackend")
    assert client.get(f"{prefix}/alice/vault{path}").status_code == 200


def test_a_gated_repo_shows_its_page_but_not_its_files(client: Client, pages: Pages) -> None:
    Repo.objects.filter(pk=pages.base.pk).update(gated="auto")
    assert client.get("/alice/base").status_code == 200
    refused = client.get("/alice/base/blob/main/config.json")
    assert refused.status_code == 403
    assert "restricted" in refused.text


def test_a_disabled_repo_says_so(client: Client, pages: Pages) -> None:
    Repo.objects.filter(pk=pages.base.pk).update(disabled_at=timezone.now())
    refused = client.get("/alice/base")
    assert refused.status_code == 403
    assert "disabled" in refused.text


def test_an_unknown_address_is_told_in_words(client: Client, db: None) -> None:
    response = client.get("/no/such/place/at/all")
    assert response.status_code == 404
    assert "There is nothing at this address" in response.text


def test_a_model_is_no_dataset(client: Client, pages: Pages) -> None:
    assert client.get("/datasets/alice/base").status_code == 404
    assert client.get("/alice/digits").status_code == 404
