"""Pages of spaces and kernels, and of repos that moved."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from models_app.actions.commits import commit
from models_app.actions.moves import move_repo
from models_app.models import Repo
from models_app.storage.operations import AddFile
from tests.models_app.people import repo_of, session
from tests.models_app.views.conftest import Pages, publish

CARD = (
    b"---\nsdk: docker\nlicense: mit\nmodels: [alice/base, alice/hidden]\n---\n# A demo\n\nIt shows digits.\n"
)


@pytest.fixture
def space(alice: User) -> Repo:
    repo = repo_of(alice, "demo", repo_type="space")
    commit(session(alice), repo=repo, branch="main", operations=[AddFile("README.md", CARD)], summary="Card")
    return repo


@pytest.mark.parametrize("tail", ["", "/tree/main", "/blob/main/README.md", "/commits/main"])
def test_a_space_has_every_page_of_a_repo(client: Client, space: Repo, tail: str) -> None:
    answer = client.get(f"/spaces/alice/demo{tail}")
    assert answer.status_code == 200
    assert 'href="/spaces/alice/demo/tree/main"' in answer.text


def test_the_card_says_what_it_uses_as_far_as_one_may_see(client: Client, pages: Pages, space: Repo) -> None:
    publish(pages.alice, "hidden", private=True)
    text = client.get("/spaces/alice/demo").text
    assert "It shows digits." in text
    assert "does not run them" in text
    assert "--repo-type space" in text
    assert 'href="/alice/base"' in text
    assert 'href="/alice/hidden"' not in text


def test_lists_and_profile_show_spaces_and_kernels(client: Client, space: Repo, alice: User) -> None:
    kernel = repo_of(alice, "fast", repo_type="kernel")
    hidden = repo_of(alice, "unseen-demo", repo_type="space", private=True)
    for path in ("/spaces", "/alice"):
        assert 'href="/spaces/alice/demo"' in client.get(path).text
        assert hidden.name not in client.get(path).text
    assert kernel.get_absolute_url() in client.get("/kernels").text
    assert kernel.get_absolute_url() in client.get("/alice").text
    assert client.get(kernel.get_absolute_url()).status_code == 200
    assert space.get_absolute_url() not in client.get("/models").text


def test_a_private_space_looks_missing(client: Client, alice: User) -> None:
    repo_of(alice, "quiet", repo_type="space", private=True)
    assert client.get("/spaces/alice/quiet").status_code == 404
    assert client.get("/alice/demo").status_code == 404  # no model of that name


def test_old_addresses_lead_to_the_new_ones(client: Client, as_alice: Client, space: Repo) -> None:
    move_repo(session(space.namespace.user), repo=space, namespace="alice", name="show")
    for tail in ("", "/tree/main", "/commits/main?page=2", "/blob/main/README.md"):
        answer = client.get(f"/spaces/alice/demo{tail}")
        assert (answer.status_code, answer["Location"]) == (307, f"/spaces/alice/show{tail}")
    answer = as_alice.post("/spaces/alice/demo/settings", {"action": "visibility", "visibility": "private"})
    assert (answer.status_code, answer["Location"]) == (307, "/spaces/alice/show/settings")
    model = repo_of(space.namespace.user, "net")
    move_repo(session(space.namespace.user), repo=model, namespace="alice", name="web")
    assert as_alice.get("/alice/net/finetune?x=1")["Location"] == "/alice/web/finetune?x=1"
    Repo.objects.filter(pk=space.pk).update(private=True)
    assert Client().get("/spaces/alice/demo").status_code == 404
    assert as_alice.get("/spaces/alice/demo").status_code == 307
