from __future__ import annotations

from accounts.models import User
from models_app.actions.catching_up import catch_up
from models_app.actions.commits import commit
from models_app.models import Repo, RepoCard
from models_app.storage.operations import AddFile
from tests.models_app.people import repo_of, session


def test_rows_follow_a_branch_that_moved_without_them(alice: User) -> None:
    repo, other = repo_of(alice), repo_of(alice, "other")
    old = repo.head_oid
    card = AddFile("README.md", b"---\nlicense: mit\n---\n# Title\n")
    done = commit(session(alice), repo=repo, branch="main", operations=[card], summary="card")
    # What a kill between the branch and the end of the transaction leaves.
    Repo.objects.filter(pk=repo.pk).update(head_oid=old)
    RepoCard.objects.filter(repo=repo).delete()
    assert catch_up() == 1
    assert Repo.objects.get(pk=repo.pk).head_oid == done.oid
    assert RepoCard.objects.filter(repo=repo).exists()
    assert Repo.objects.get(pk=other.pk).head_oid == other.head_oid
    assert catch_up() == 0


def test_a_repo_without_its_directory_is_left_alone(alice: User) -> None:
    repo = repo_of(alice)
    Repo.objects.create(repo_type="model", namespace=repo.namespace, name="nogit", head_oid="0" * 40)
    assert catch_up() == 0
