"""The index of recipes follows git, in recipe repos and beside weights."""

from __future__ import annotations

from django.core.management import call_command

from accounts.models import User
from models_app.actions import commits
from models_app.actions.duplicates import duplicate_repo
from models_app.models import Recipe, RepoCard
from models_app.storage.operations import AddFile, DeleteFile, Operation
from tests.models_app.people import repo_of, session

GOOD = "base_model: {repo: alice/net}\ndataset: {repo: alice/digits}\nstrategy: {kind: full}\n"


def push(user: User, repo: object, *operations: Operation, **files: str) -> None:
    added = [AddFile(name.replace("__", "."), text.encode()) for name, text in files.items()]
    commits.commit(
        session(user), repo=repo, branch="main", operations=[*operations, *added], summary="Change"
    )  # type: ignore[arg-type]


def test_a_recipe_repo_is_read_and_read_again(alice: User) -> None:
    repo = repo_of(alice, "gentle", repo_type="recipe")
    assert Recipe.objects.get(repo=repo).problems[0]["message"] == "There is no recipe.yaml in this repo."
    push(alice, repo, recipe__yaml=GOOD, README__md="# All of it, gently\n\nWords.\n")
    found = Recipe.objects.get(repo=repo)
    assert (found.title, found.pipeline_tag, found.strategy) == (
        "All of it, gently",
        "image-classification",
        "full",
    )
    assert (found.base_model, found.dataset, found.is_valid) == ("alice/net", "alice/digits", True)
    assert found.spec["optim"]["epochs"] == 3
    assert RepoCard.objects.get(repo=repo).pipeline_tag == "image-classification"
    push(alice, repo, recipe__yaml=GOOD + "optim: {lr: -1}\n")
    found = Recipe.objects.get(repo=repo)
    assert not found.is_valid
    assert found.problems == [{"field": "optim.lr", "message": "optim.lr must be above 0, got -1."}]
    assert (found.spec, found.fingerprint, found.base_model) == ({}, "", "alice/net")


def test_a_model_has_one_while_its_file_is_there(alice: User) -> None:
    repo = repo_of(alice, "tuned")
    assert not Recipe.objects.filter(repo=repo).exists()
    push(alice, repo, recipe__yaml=GOOD)
    assert Recipe.objects.get(repo=repo).fingerprint
    push(alice, repo, DeleteFile("recipe.yaml"))
    assert not Recipe.objects.filter(repo=repo).exists()


def test_a_megabyte_is_told_and_not_read(alice: User) -> None:
    repo = repo_of(alice, "large", repo_type="recipe")
    push(alice, repo, recipe__yaml="# " + "x" * 2**20)
    found = Recipe.objects.get(repo=repo)
    assert found.problems == [{"field": "", "message": "The recipe is larger than 64 KiB."}]


def test_a_fork_remembers_where_it_came_from_and_reindexing_keeps_it(alice: User, bob: User) -> None:
    repo = repo_of(alice, "first", repo_type="recipe")
    push(alice, repo, recipe__yaml=GOOD)
    copy = duplicate_repo(session(bob), source=repo, namespace=None, name="second")
    assert Recipe.objects.get(repo=copy).forked_from == repo
    Recipe.objects.filter(repo=copy).update(title="", fingerprint="", spec={})
    call_command("reindex", verbosity=0)
    found = Recipe.objects.get(repo=copy)
    assert found.forked_from == repo
    assert found.fingerprint == Recipe.objects.get(repo=repo).fingerprint
