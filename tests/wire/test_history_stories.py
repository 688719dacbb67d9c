"""History squashed, large files listed and taken away for good, told by the unmodified stock client."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx2
import pytest
from huggingface_hub.errors import BadRequestError, EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError

from tests.live import LiveHub

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("client_home")]


def put(hub: LiveHub, repo_id: str, path: str, content: bytes, **where: str) -> None:
    hub.api().upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo_id, **where)


def test_squashing_a_branch_leaves_the_others_alone(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    put(hub, repo_id, "file.txt", b"content")
    put(hub, repo_id, "lfs.bin", b"content")
    put(hub, repo_id, "file.txt", b"another_content")
    api.create_branch(repo_id, branch="v0.1")
    put(hub, repo_id, "file.txt", b"foo", revision="v0.1")
    before = api.list_repo_files(repo_id)

    api.super_squash_history(repo_id)

    (only,) = api.list_repo_commits(repo_id)
    assert only.title == "Super-squash branch 'main' using huggingface_hub"
    assert only.authors == ["alice"]
    assert api.list_repo_files(repo_id) == before
    assert api.model_info(repo_id).sha == only.commit_id
    assert Path(api.hf_hub_download(repo_id, "lfs.bin")).read_bytes() == b"content"
    assert [c.title for c in api.list_repo_commits(repo_id, revision="v0.1")][-1] == "initial commit"
    api.super_squash_history(repo_id, branch="v0.1", commit_message="One")
    assert [c.title for c in api.list_repo_commits(repo_id, revision="v0.1")] == ["One"]
    assert Path(api.hf_hub_download(repo_id, "file.txt", revision="v0.1")).read_bytes() == b"foo"


def test_what_cannot_be_squashed(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    api.create_tag(repo_id, tag="v1")
    with pytest.raises(BadRequestError, match="Only a branch can be squashed"):
        api.super_squash_history(repo_id, branch="v1")
    with pytest.raises(RevisionNotFoundError):
        api.super_squash_history(repo_id, branch="nope")
    with pytest.raises(HfHubHTTPError) as refusal:
        hub.api("carol").super_squash_history(repo_id)
    assert refusal.value.response.status_code == 403
    assert [c.title for c in api.list_repo_commits(repo_id)] == ["initial commit"]


def test_large_files_are_listed_once_and_deleted_with_their_history(
    hub: LiveHub, repo_id: str, tmp_path: Path
) -> None:
    api = hub.api()
    for name in ("lfs_file.bin", "txt_file.txt", "lfs_file_2.bin", "sub/only.bin"):
        put(hub, repo_id, name, f"Content of {name}".encode())
    api.create_tag(repo_id, tag="v1", tag_message="annotated")
    api.create_branch(repo_id, branch="my-branch")
    put(hub, repo_id, "lfs_file_branch.bin", b"LFS content branch", revision="my-branch")

    listed = list(api.list_lfs_files(repo_id))
    assert {(file.filename, file.ref) for file in listed} == {
        ("lfs_file.bin", "refs/heads/main"),
        ("lfs_file_2.bin", "refs/heads/main"),
        ("sub/only.bin", "refs/heads/main"),
        ("lfs_file_branch.bin", "refs/heads/my-branch"),
    }
    assert {file.size for file in listed if file.filename == "lfs_file.bin"} == {
        len("Content of lfs_file.bin")
    }
    titles = [c.title for c in api.list_repo_commits(repo_id)]

    on_main = [file for file in listed if file.ref == "refs/heads/main"]
    api.permanently_delete_lfs_files(repo_id, on_main)

    assert [file.filename for file in api.list_lfs_files(repo_id)] == ["lfs_file_branch.bin"]
    assert set(api.list_repo_files(repo_id)) == {".gitattributes", "txt_file.txt"}
    assert set(api.list_repo_files(repo_id, revision="v1")) == {".gitattributes", "txt_file.txt"}
    assert "lfs_file.bin" not in api.list_repo_files(repo_id, revision="my-branch")
    assert [c.title for c in api.list_repo_commits(repo_id)] == titles
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(repo_id, "lfs_file.bin")
    kept = api.hf_hub_download(repo_id, "lfs_file_branch.bin", revision="my-branch")
    assert Path(kept).read_bytes() == b"LFS content branch"
    # Git finds no trace either, and what was deleted can be uploaded again.
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "-q", f"{hub.url}/{repo_id}", str(clone)],
        check=True, capture_output=True, env={"PATH": "/usr/bin:/bin", "GIT_LFS_SKIP_SMUDGE": "1"},
    )  # fmt: skip
    log = subprocess.run(
        ["git", "log", "--all", "--oneline", "--", "lfs_file.bin", "sub"],
        cwd=clone, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert log.stdout == ""
    put(hub, repo_id, "lfs_file.bin", b"Content of lfs_file.bin")
    assert Path(api.hf_hub_download(repo_id, "lfs_file.bin")).read_bytes() == b"Content of lfs_file.bin"


def test_without_rewriting_the_pointers_stay(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    put(hub, repo_id, "w.bin", b"weights")
    head = api.model_info(repo_id).sha
    api.permanently_delete_lfs_files(repo_id, list(api.list_lfs_files(repo_id)), rewrite_history=False)
    assert api.model_info(repo_id).sha == head
    assert "w.bin" in api.list_repo_files(repo_id)
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(repo_id, "w.bin")
    assert list(api.list_lfs_files(repo_id)) == []


def test_the_list_pages_and_refuses(hub: LiveHub, repo_id: str) -> None:
    for number in range(3):
        put(hub, repo_id, f"{number}.bin", f"weights {number}".encode())
    headers = {"Authorization": f"Bearer {hub.tokens['alice']}"}
    url, seen = f"{hub.url}/api/models/{repo_id}/lfs-files?limit=2", []
    while url:
        answer = httpx2.get(url, headers=headers)
        seen.append([item["filename"] for item in answer.json()])
        url = answer.links.get("next", {}).get("url", "")
    assert seen == [["2.bin", "1.bin"], ["0.bin"]]
    with pytest.raises(HfHubHTTPError) as refusal:
        list(hub.api("carol").list_lfs_files(repo_id))
    assert refusal.value.response.status_code == 403
    batch = f"{hub.url}/api/models/{repo_id}/lfs-files/batch"
    for body in ({}, {"deletions": {"sha": ["x"]}}, {"deletions": {"sha": ["a" * 64] * 1001}}):
        answer = httpx2.post(batch, json=body, headers=headers)
        assert answer.status_code == 400
    known_nowhere = {"deletions": {"sha": ["a" * 64], "rewriteHistory": True}}
    assert httpx2.post(batch, json=known_nowhere, headers=headers).json()["deleted"] == 0
    carol = {"Authorization": f"Bearer {hub.tokens['carol']}"}
    assert httpx2.post(batch, json=known_nowhere, headers=carol).status_code == 403


def test_a_comparison_is_a_diff(hub: LiveHub, repo_id: str) -> None:
    put(hub, repo_id, "a.txt", b"one\n")
    hub.api().create_branch(repo_id, branch="feat/x")
    put(hub, repo_id, "a.txt", b"two\n", revision="feat/x")
    put(hub, repo_id, "b.txt", b"main only\n")

    def diff(spec: str) -> str:
        answer = httpx2.get(f"{hub.url}/api/models/{repo_id}/compare/{spec}")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        return answer.text

    assert "-one\n+two\n" in diff("main..feat%2Fx")
    assert "b.txt" in diff("main..feat%2Fx")
    assert "b.txt" not in diff("main...feat%2Fx")
    assert diff("main..main") == ""
    answer = httpx2.get(f"{hub.url}/api/models/{repo_id}/compare/main..nope")
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RevisionNotFound")
    assert httpx2.get(f"{hub.url}/api/models/{repo_id}/compare/main").status_code == 400


def test_pull_requests_are_squashed_and_keep_their_own_files(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    put(hub, repo_id, "file.txt", b"content")
    pr = api.create_pull_request(repo_id, title="Squash on a pull request")
    put(hub, repo_id, "file.txt", b"another", revision=pr.git_reference)
    put(hub, repo_id, "lfs_file_PR.bin", b"LFS content PR", revision=pr.git_reference)
    put(hub, repo_id, "lfs_file.bin", b"LFS content")
    assert {(file.filename, file.ref) for file in api.list_lfs_files(repo_id)} == {
        ("lfs_file.bin", "refs/heads/main"),
        ("lfs_file_PR.bin", pr.git_reference),
    }
    api.super_squash_history(repo_id, branch=pr.git_reference)
    (only,) = api.list_repo_commits(repo_id, revision=pr.git_reference)
    assert only.title == f"Super-squash branch '{pr.git_reference}' using huggingface_hub"
    assert len(api.list_repo_commits(repo_id)) == 3
    on_main = [file for file in api.list_lfs_files(repo_id) if file.ref == "refs/heads/main"]
    api.permanently_delete_lfs_files(repo_id, on_main)
    assert [file.filename for file in api.list_lfs_files(repo_id)] == ["lfs_file_PR.bin"]
    assert set(api.list_repo_files(repo_id)) == {".gitattributes", "file.txt"}
    assert set(api.list_repo_files(repo_id, revision=pr.git_reference)) == {
        ".gitattributes", "file.txt", "lfs_file_PR.bin",
    }  # fmt: skip
    copy = api.duplicate_repo(repo_id, f"{repo_id}-copy").repo_id
    refs = api.list_repo_refs(copy, include_pull_requests=True)
    assert refs.pull_requests == []
    assert list(api.list_lfs_files(copy)) == []


def test_rewriting_says_nothing_new_to_a_thread(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    put(hub, repo_id, "old.bin", b"large and old")
    pr = api.create_pull_request(repo_id, title="On top of a large file")
    put(hub, repo_id, "mine.txt", b"text", revision=pr.git_reference)
    before = [event.id for event in api.get_discussion_details(repo_id, pr.num).events]
    api.permanently_delete_lfs_files(repo_id, list(api.list_lfs_files(repo_id)))
    assert [event.id for event in api.get_discussion_details(repo_id, pr.num).events] == before
    assert set(api.list_repo_files(repo_id, revision=pr.git_reference)) == {".gitattributes", "mine.txt"}
    api.change_discussion_status(repo_id, pr.num, "open")
    api.merge_pull_request(repo_id, pr.num)
    assert set(api.list_repo_files(repo_id)) == {".gitattributes", "mine.txt"}


def test_talk_follows_a_repo_that_moves(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    num = api.create_discussion(repo_id, title="Before the move").num
    api.move_repo(repo_id, f"{repo_id}-new")
    assert api.get_discussion_details(repo_id, num).title == "Before the move"
    assert api.comment_discussion(repo_id, num, comment="Still here").content == "Still here"
    assert [found.num for found in api.get_repo_discussions(f"{repo_id}-new")] == [num]
