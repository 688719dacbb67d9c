"""Branches, tags, references, commits, and what is done in the background."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RevisionNotFoundError

from tests.wire.methods.register import People, tries

pytestmark = pytest.mark.wire


@tries("create_branch", "delete_branch", "list_repo_refs")
def test_branches(people: People, model: str) -> None:
    api = people()
    first = api.model_info(model).sha
    api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=model)
    api.create_branch(model, branch="now")
    api.create_branch(model, branch="was/then", revision=first)
    api.create_branch(model, branch="now", exist_ok=True)
    refs = {ref.name: ref for ref in api.list_repo_refs(model).branches}
    assert set(refs) == {"main", "now", "was/then"}
    assert (refs["was/then"].ref, refs["was/then"].target_commit) == ("refs/heads/was/then", first)
    with pytest.raises(HfHubHTTPError) as taken:
        api.create_branch(model, branch="now")
    assert taken.value.response.status_code == 409
    with pytest.raises(RevisionNotFoundError):
        api.create_branch(model, branch="other", revision="nope")
    api.delete_branch(model, branch="was/then")
    assert {ref.name for ref in api.list_repo_refs(model).branches} == {"main", "now"}
    with pytest.raises(HfHubHTTPError, match="Cannot delete refs/heads/main"):
        api.delete_branch(model, branch="main")
    with pytest.raises(RevisionNotFoundError):
        api.delete_branch(model, branch="was/then")


@tries("create_tag", "delete_tag", "list_repo_refs")
def test_tags(people: People, model: str) -> None:
    api = people()
    first = api.model_info(model).sha
    done = api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=model, create_pr=True)
    api.create_tag(model, tag="v0", tag_message="The beginning.")
    api.create_tag(model, tag="v0-short", revision=first[:7])
    api.create_tag(model, tag="v1", revision=done.pr_revision)
    assert api.model_info(model, revision="v0").sha == api.model_info(model, revision="v0-short").sha == first
    assert api.model_info(model, revision="v1").sha == done.oid
    api.create_tag(model, tag="v0", exist_ok=True)
    with pytest.raises(HfHubHTTPError) as taken:
        api.create_tag(model, tag="v0")
    assert taken.value.response.status_code == 409
    refs = api.list_repo_refs(model, include_pull_requests=True)
    assert [ref.name for ref in refs.tags] == ["v0", "v0-short", "v1"]
    assert ([ref.ref for ref in refs.pull_requests], refs.converts) == (["refs/pr/1"], [])
    assert api.list_repo_refs(model).pull_requests is None
    api.delete_tag(model, tag="v0")
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag(model, tag="v0")


@tries("list_repo_commits", "super_squash_history")
def test_commits_and_one_of_them_all(people: People, model: str) -> None:
    api = people()
    words = {"commit_message": "One <1>", "commit_description": "**D**"}
    api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=model, **words)
    last, first = api.list_repo_commits(model, formatted=True)
    assert (last.title, last.message, last.authors) == ("One <1>", "**D**", ["alice"])
    assert (last.formatted_title, first.title) == ("One &lt;1&gt;", "initial commit")
    assert last.created_at >= first.created_at
    assert api.list_repo_commits(model)[0].formatted_title is None
    with pytest.raises(RevisionNotFoundError):
        api.list_repo_commits(model, revision="nope")
    api.super_squash_history(model, commit_message="All of it")
    assert [one.title for one in api.list_repo_commits(model)] == ["All of it"]
    api.create_tag(model, tag="v1")
    with pytest.raises(BadRequestError, match="Only a branch can be squashed"):
        api.super_squash_history(model, branch="v1")


@tries("run_as_future", "upload_file")
def test_in_the_background_and_in_order(people: People, model: str) -> None:
    api = people()
    found = api.run_as_future(api.model_info, model)
    assert isinstance(found, Future)
    assert found.result(30).id == model
    uploads = [
        api.upload_file(path_or_fileobj=b"1", path_in_repo=name, repo_id=model, run_as_future=True)
        for name in ("one", "two", "three")
    ]
    assert all(upload.result(60).oid for upload in uploads)
    assert [one.title.split()[1] for one in api.list_repo_commits(model)[:3]] == ["three", "two", "one"]
