"""What the hub could not read of a push is told on the repo's page, in words and escaped."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from models_app.actions.commits import commit
from models_app.storage.operations import AddFile
from tests.models_app.people import repo_of, session


@pytest.mark.parametrize("repo_type", ["model", "dataset"])
def test_problems_of_a_card_are_told(alice: User, repo_type: str) -> None:
    repo = repo_of(alice, repo_type=repo_type)
    file = AddFile("README.md", b"---\nx: !<b> 1\n---\n# Net\n")
    commit(session(alice), repo=repo, branch="main", operations=[file], summary="Card")
    page = Client().get(repo.get_absolute_url()).content.decode()
    assert "The metadata uses the tag b; only plain values are allowed." in page
    assert "Net</h1>" in page
