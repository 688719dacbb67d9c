"""Branches, tags and revisions with slashes in their names, told by the unmodified stock client."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RevisionNotFoundError

from tests.live import LiveHub

pytestmark = pytest.mark.wire


@pytest.fixture
def repo_id(hub: LiveHub, unique: str, client_home: Path) -> str:
    return hub.api().create_repo(unique, repo_type="dataset").repo_id


def test_a_branch_with_a_slash_lives_its_whole_life(hub: LiveHub, repo_id: str) -> None:
    api, dataset = hub.api(), {"repo_type": "dataset"}
    api.create_branch(repo_id, branch="feat/x", **dataset)
    with pytest.raises(HfHubHTTPError, match="Reference refs/heads/feat/x already exists") as refusal:
        api.create_branch(repo_id, branch="feat/x", **dataset)
    assert refusal.value.response.status_code == 409
    api.create_branch(repo_id, branch="feat/x", exist_ok=True, **dataset)
    done = api.upload_file(
        path_or_fileobj=b"1", path_in_repo="sub/dir/f.txt", repo_id=repo_id, revision="feat/x", **dataset
    )
    assert api.dataset_info(repo_id, revision="feat/x").sha == done.oid
    assert api.dataset_info(repo_id).sha != done.oid
    listed = [e.path for e in api.list_repo_tree(repo_id, "sub/dir", revision="feat/x", **dataset)]
    assert listed == ["sub/dir/f.txt"]
    found = api.hf_hub_download(repo_id, "sub/dir/f.txt", revision="feat/x", **dataset)
    assert Path(found).read_bytes() == b"1"
    assert api.list_repo_commits(repo_id, revision="feat/x", **dataset)[0].commit_id == done.oid
    assert api.file_exists(repo_id, "sub/dir/f.txt", revision="feat/x", **dataset)
    assert api.get_paths_info(repo_id, "sub", revision="feat/x", **dataset)[0].path == "sub"
    api.delete_branch(repo_id, branch="feat/x", **dataset)
    assert not api.revision_exists(repo_id, "feat/x", **dataset)
    assert api.hf_hub_download(repo_id, "sub/dir/f.txt", revision=done.oid, **dataset)


def test_references(hub: LiveHub, repo_id: str) -> None:
    api, dataset = hub.api(), {"repo_type": "dataset"}
    head = api.dataset_info(repo_id).sha
    api.create_branch(repo_id, branch="dev", revision=head[:7], **dataset)
    api.create_tag(repo_id, tag="v1/final", revision="dev", tag_message="Release", **dataset)
    refs = api.list_repo_refs(repo_id, include_pull_requests=True, **dataset)
    assert [(ref.name, ref.ref, ref.target_commit) for ref in refs.branches] == [
        ("dev", "refs/heads/dev", head), ("main", "refs/heads/main", head),
    ]  # fmt: skip
    assert [(ref.name, ref.ref, ref.target_commit) for ref in refs.tags] == [
        ("v1/final", "refs/tags/v1/final", head)
    ]
    assert (refs.converts, refs.pull_requests) == ([], [])
    assert api.dataset_info(repo_id, revision="v1/final").sha == head
    assert api.dataset_info(repo_id, revision="refs/heads/dev").sha == head
    api.delete_tag(repo_id, tag="v1/final", **dataset)
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag(repo_id, tag="v1/final", **dataset)


def test_refusals(hub: LiveHub, repo_id: str) -> None:
    api, dataset = hub.api(), {"repo_type": "dataset"}
    with pytest.raises(BadRequestError, match="Cannot delete refs/heads/main"):
        api.delete_branch(repo_id, branch="main", **dataset)
    with pytest.raises(RevisionNotFoundError, match="Invalid rev id: nope"):
        api.delete_branch(repo_id, branch="nope", **dataset)
    with pytest.raises(RevisionNotFoundError):
        api.create_branch(repo_id, branch="x", revision="nope", **dataset)
    with pytest.raises(RevisionNotFoundError):
        api.create_tag(repo_id, tag="v", revision="nope", **dataset)
    with pytest.raises(HfHubHTTPError, match="is not a valid reference name"):
        api.create_tag(repo_id, tag="with space", **dataset)
    api.create_tag(repo_id, tag="v1", **dataset)
    with pytest.raises(HfHubHTTPError, match="already exists") as refusal:
        api.create_tag(repo_id, tag="v1", **dataset)
    assert refusal.value.response.status_code == 409
    api.create_tag(repo_id, tag="v1", exist_ok=True, **dataset)
    with pytest.raises(RevisionNotFoundError):
        api.upload_file(path_or_fileobj=b"", path_in_repo="x", repo_id=repo_id, revision="v1", **dataset)
    with pytest.raises(HfHubHTTPError) as refusal:
        hub.api("carol").create_branch(repo_id, branch="mine", **dataset)
    assert refusal.value.response.status_code == 403
