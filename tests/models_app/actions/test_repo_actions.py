"""Creating, changing, disabling and deleting repos: rules, refusals, one event each."""

from __future__ import annotations

import errno
import subprocess

import pytest

from accounts.models import User
from models_app.access import Forbidden, RepoNotFound
from models_app.actions import repos as actions
from models_app.actions.refusals import InvalidInput, RepoExists
from models_app.files import git_store
from models_app.models import Event, EventTag, Repo
from tests.models_app.people import by_token, organization, repo_of, session


def test_a_new_repo_has_one_commit_and_one_event(alice: User) -> None:
    repo = actions.create_repo(by_token(alice), repo_type="model", namespace=None, name="net")
    store = git_store(repo)
    history = list(store.history(store.resolve("main")))
    assert [(commit.title, commit.author) for commit in history] == [("initial commit", "alice")]
    assert [entry.path for entry in store.files("main" and repo.head_oid)] == [".gitattributes"]
    assert b"*.safetensors filter=lfs" in store.read("main", ".gitattributes", 10_000)
    assert repo.head_oid == history[0].oid
    assert [event.tag for event in Event.objects.all()] == [EventTag.REPO_CREATE]
    said = subprocess.run(
        ["git", "-c", "safe.directory=*", "fsck", "--strict"], cwd=store.path, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr


def test_datasets_track_images_too(alice: User) -> None:
    repo = actions.create_repo(by_token(alice), repo_type="dataset", namespace=None, name="data")
    assert b"*.png filter=lfs" in git_store(repo).read("main", ".gitattributes", 10_000)


def test_visibility_defaults_to_what_the_organization_prefers(alice: User) -> None:
    organization("quiet", private_by_default=True, admin=alice)
    make = {"repo_type": "model", "namespace": "quiet"}
    assert actions.create_repo(by_token(alice), **make, name="a").private
    assert not actions.create_repo(by_token(alice), **make, name="b", private=False).private
    assert not actions.create_repo(by_token(alice), repo_type="model", namespace=None, name="c").private


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "-a",
        "a-",
        ".a",
        "a.",
        "a--b",
        "a..b",
        "a.git",
        "a b",
        "a/b",
        "é",
        "x" * 97,
        "a\n",
        "../x",
        "A.GIT",
    ],
)
def test_names_no_client_could_reach_are_refused(alice: User, name: str) -> None:
    with pytest.raises(InvalidInput, match="is not a valid repo name"):
        actions.create_repo(by_token(alice), repo_type="model", namespace=None, name=name)
    assert not Repo.objects.exists()


def test_an_unknown_type_is_refused(alice: User) -> None:
    with pytest.raises(InvalidInput, match="'app' are not supported"):
        actions.create_repo(by_token(alice), repo_type="app", namespace=None, name="x")


def test_a_taken_id_names_its_repo_in_any_case(alice: User) -> None:
    repo = repo_of(alice, "Net")
    with pytest.raises(RepoExists) as refusal:
        actions.create_repo(by_token(alice), repo_type="model", namespace=None, name="nET")
    assert refusal.value.repo == repo
    assert actions.create_repo(by_token(alice), repo_type="dataset", namespace=None, name="net")


def test_a_token_that_may_only_write_learns_that_the_repo_exists(alice: User) -> None:
    repo_of(alice, "net", private=True)
    worker = by_token(alice, "fineGrained", repos={"model:alice/net": "write"})
    with pytest.raises(RepoExists):
        actions.create_repo(worker, repo_type="model", namespace="alice", name="net")
    with pytest.raises(Forbidden):
        actions.create_repo(worker, repo_type="model", namespace="alice", name="other")


def test_a_failure_on_the_way_leaves_no_row_and_no_directory(
    alice: User, monkeypatch: pytest.MonkeyPatch, settings: pytest.FixtureRequest
) -> None:
    made = []

    def full(*arguments: object, **words: object) -> str:
        made.append(arguments[0].path)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(actions, "write_commit", full)
    with pytest.raises(OSError, match="No space"):
        actions.create_repo(by_token(alice), repo_type="model", namespace=None, name="net")
    assert not Repo.objects.exists()
    assert not Event.objects.exists()
    assert made
    assert not made[0].exists()


@pytest.mark.django_db(transaction=True)
def test_deleting_removes_rows_and_directory_and_is_recorded(alice: User) -> None:
    repo = repo_of(alice)
    path = git_store(repo).path
    assert path.exists()
    actions.delete_repo(by_token(alice), repo=repo)
    assert not path.exists()
    assert not Repo.objects.exists()
    event = Event.objects.get(tag=EventTag.REPO_DELETE)
    assert event.data["repo_id"] == "alice/net"


@pytest.mark.django_db(transaction=True)
def test_members_who_write_may_not_delete(alice: User, bob: User) -> None:
    organization("team", admin=alice, write=bob)
    repo = repo_of(alice, namespace="team")
    with pytest.raises(Forbidden):
        actions.delete_repo(by_token(bob), repo=repo)
    assert git_store(repo).path.exists()


def test_settings_change_and_only_changes_are_recorded(alice: User) -> None:
    repo = repo_of(alice)
    assert actions.change_settings(by_token(alice), repo=repo, private=True, gated="auto").private
    actions.change_settings(by_token(alice), repo=repo, private=True)
    events = Event.objects.filter(tag=EventTag.REPO_SETTINGS)
    assert [event.data["changed"] for event in events] == [{"private": True, "gated": "auto"}]
    with pytest.raises(InvalidInput):
        actions.change_settings(by_token(alice), repo=repo, gated="maybe")


def test_only_staff_disable_and_every_verb_has_its_inverse(alice: User, mod: User) -> None:
    repo = repo_of(alice)
    with pytest.raises(Forbidden):
        actions.disable_repo(session(alice), repo=repo, reason="x")
    actions.disable_repo(session(mod), repo=repo, reason="malware")
    actions.disable_repo(session(mod), repo=repo, reason="again")
    assert Repo.objects.get(pk=repo.pk).disabled_at
    actions.enable_repo(session(mod), repo=repo, reason="cleared")
    assert Repo.objects.get(pk=repo.pk).disabled_at is None
    tags = [event.tag for event in Event.objects.filter(repo=repo).order_by("pk")]
    assert tags == [EventTag.REPO_CREATE, EventTag.REPO_DISABLE, EventTag.REPO_ENABLE]


def test_a_repo_deleted_meanwhile_is_not_found(alice: User) -> None:
    repo = repo_of(alice)
    Repo.objects.filter(pk=repo.pk).delete()
    with pytest.raises(RepoNotFound):
        actions.change_settings(by_token(alice), repo=repo, private=True)
