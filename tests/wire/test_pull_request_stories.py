"""Pull requests by people with and without write access, told by the unmodified stock client."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.community import DiscussionCommit, DiscussionWithDetails
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.live import LiveHub

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("quiet")]
CARD = b"---\nlicense: mit\n---\n# Net\n\nOne.\n\nTwo.\n\nThree.\n"


@pytest.fixture
def repo_id(hub: LiveHub, unique: str) -> str:
    api = hub.api()
    made = api.create_repo(unique).repo_id
    api.upload_file(path_or_fileobj=CARD, path_in_repo="README.md", repo_id=made)
    return made


def add(path: str, data: bytes) -> CommitOperationAdd:
    return CommitOperationAdd(path, data)


def commits_of(thread: DiscussionWithDetails) -> list[str]:
    return [event.summary for event in thread.events if isinstance(event, DiscussionCommit)]


def test_a_stranger_offers_a_change_and_the_owner_merges_it(hub: LiveHub, repo_id: str) -> None:
    carol, alice = hub.api("carol"), hub.api()
    before = alice.model_info(repo_id).sha
    weights = os.urandom(300_000)
    operations = [
        add("notes.txt", b"hello\n"),
        add("w.safetensors", weights),
        CommitOperationDelete("README.md"),
    ]
    done = carol.create_commit(
        repo_id, operations, commit_message="Better weights", commit_description="Trust me.", create_pr=True
    )
    assert done.pr_url == f"{hub.url}/{repo_id}/discussions/1"
    assert (done.pr_num, done.pr_revision) == (1, "refs/pr/1")
    assert done.commit_url == f"{hub.url}/{repo_id}/commit/{done.oid}"
    assert alice.model_info(repo_id).sha == before
    assert alice.model_info(repo_id, revision="refs/pr/1").sha == done.oid
    offered = alice.get_discussion_details(repo_id, 1)
    assert (offered.status, offered.author, offered.title) == ("open", "carol", "Better weights")
    assert (offered.is_pull_request, offered.git_reference) == (True, "refs/pr/1")
    assert (offered.conflicting_files, offered.target_branch) == ([], "refs/heads/main")
    assert offered.merge_commit_oid is None
    assert offered.events[0].content == "Trust me."
    assert (commits_of(offered), offered.events[1].oid) == (["Better weights"], done.oid)
    assert "+hello\n" in offered.diff
    assert "-# Net\n" in offered.diff
    assert "+version https://git-lfs.github.com/spec/v1" in offered.diff
    with pytest.raises(HfHubHTTPError, match="You don't have write access") as refusal:
        carol.merge_pull_request(repo_id, 1)
    assert refusal.value.response.status_code == 403
    alice.merge_pull_request(repo_id, 1, comment="Thanks!")
    merged = carol.get_discussion_details(repo_id, 1)
    head = alice.list_repo_commits(repo_id)[0]
    assert (merged.status, merged.merge_commit_oid) == ("merged", head.commit_id)
    assert [event.type for event in merged.events][-2:] == ["comment", "status-change"]
    assert head.title == "Better weights (#1)"
    assert f"- Better weights ({done.oid})" in head.message
    assert "Co-authored-by: carol <carol@users.noreply" in head.message
    assert head.authors == ["alice"]
    down = Path(alice.snapshot_download(repo_id))
    assert (down / "w.safetensors").read_bytes() == weights
    assert not (down / "README.md").exists()
    assert merged.diff == offered.diff


def test_what_is_offered_can_be_read_before_it_is_merged(hub: LiveHub, repo_id: str) -> None:
    carol = hub.api("carol")
    carol.upload_file(path_or_fileobj=b"offer", path_in_repo="sub/a.txt", repo_id=repo_id, create_pr=True)
    reader = hub.api(None)
    found = reader.hf_hub_download(repo_id, "sub/a.txt", revision="refs/pr/1")
    assert Path(found).read_bytes() == b"offer"
    with pytest.raises(EntryNotFoundError):
        reader.hf_hub_download(repo_id, "sub/a.txt")
    assert [entry.path for entry in reader.list_repo_tree(repo_id, "sub", revision="refs/pr/1")] == [
        "sub/a.txt"
    ]
    assert reader.file_exists(repo_id, "sub/a.txt", revision="refs/pr/1")
    refs = reader.list_repo_refs(repo_id, include_pull_requests=True)
    assert [ref.ref for ref in refs.pull_requests] == ["refs/pr/1"]
    head = reader.list_repo_commits(repo_id, revision="refs/pr/1")[0]
    assert refs.pull_requests[0].target_commit == head.commit_id
    assert [ref.name for ref in refs.branches] == ["main"]


def test_a_draft_grows_and_is_published(hub: LiveHub, repo_id: str) -> None:
    carol, alice = hub.api("carol"), hub.api()
    draft = carol.create_pull_request(repo_id, "Work in progress")
    assert (draft.num, draft.status, draft.diff, commits_of(draft)) == (1, "draft", "", [])
    assert [row.num for row in alice.get_repo_discussions(repo_id, discussion_status="open")] == [1]
    first = carol.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=repo_id, revision="refs/pr/1")
    second = carol.create_commit(
        repo_id, [add("b.bin", os.urandom(50))], commit_message="Second", revision="refs/pr/1",
        parent_commit=first.oid,
    )  # fmt: skip
    alice.upload_file(
        path_or_fileobj=b"2",
        path_in_repo="c",
        repo_id=repo_id,
        revision="refs/pr/1",
        commit_message="By the owner",
    )
    read = carol.get_discussion_details(repo_id, 1)
    assert commits_of(read) == ["Upload a with huggingface_hub", "Second", "By the owner"]
    assert [event.author for event in read.events] == ["carol", "carol", "carol", "alice"]
    with pytest.raises(BadRequestError, match="is a draft"):
        alice.merge_pull_request(repo_id, 1)
    carol.change_discussion_status(repo_id, 1, "open")
    with pytest.raises(HfHubHTTPError, match="The branch was updated") as refusal:
        carol.create_commit(
            repo_id, [add("d", b"")], commit_message="Late", revision="refs/pr/1", parent_commit=second.oid
        )
    assert refusal.value.response.status_code == 412
    alice.merge_pull_request(repo_id, 1)
    assert alice.file_exists(repo_id, "b.bin")


def test_an_empty_one_is_merged_too(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    api.create_pull_request(repo_id, "Nothing yet")
    api.change_discussion_status(repo_id, 1, "open")
    before = api.model_info(repo_id).siblings
    api.merge_pull_request(repo_id, 1)
    merged = api.get_discussion_details(repo_id, 1)
    assert (merged.status, merged.merge_commit_oid) == ("merged", api.model_info(repo_id).sha)
    assert api.model_info(repo_id).siblings == before
    for call in (
        lambda: api.merge_pull_request(repo_id, 1),
        lambda: api.change_discussion_status(repo_id, 1, "closed"),
    ):
        with pytest.raises(BadRequestError, match="is merged"):
            call()


def test_upload_folder_by_a_stranger(hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "w.bin").write_bytes(os.urandom(200_000))
    (tmp_path / "t.txt").write_text("text")
    carol = hub.api("carol")
    done = carol.upload_folder(
        repo_id=repo_id, folder_path=tmp_path, create_pr=True, commit_message="A folder"
    )
    assert (done.pr_num, done.pr_revision) == (1, "refs/pr/1")
    read = carol.get_discussion_details(repo_id, 1)
    assert (read.title, read.status, commits_of(read)) == ("A folder", "draft", ["A folder"])
    found = carol.hf_hub_download(repo_id, "deep/w.bin", revision="refs/pr/1")
    assert Path(found).read_bytes() == (tmp_path / "deep" / "w.bin").read_bytes()


@pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")
def test_large_content_from_memory_goes_by_lfs(hub: LiveHub, repo_id: str) -> None:
    carol, data = hub.api("carol"), os.urandom(100_000)
    for revision, create_pr in ((None, True), ("refs/pr/1", False)):
        operation = CommitOperationAdd(f"{create_pr}.bin", io.BytesIO(data + bytes([create_pr])))
        carol.create_commit(
            repo_id, [operation], commit_message="By LFS", revision=revision, create_pr=create_pr
        )
    found = carol.hf_hub_download(repo_id, "False.bin", revision="refs/pr/1")
    assert Path(found).read_bytes() == data + b"\0"


def test_both_sides_change_the_same_file(hub: LiveHub, repo_id: str) -> None:
    alice, carol = hub.api(), hub.api("carol")
    change(carol, repo_id, b"One, said carol.", create_pr=True)
    carol.create_commit(
        repo_id, [add("README.md", CARD.replace(b"Three.", b"3"))], commit_message="Three", create_pr=True
    )
    change(alice, repo_id, b"One, said alice.")
    offered = alice.get_discussion_details(repo_id, 1)
    assert offered.conflicting_files == ["README.md"]
    with pytest.raises(HfHubHTTPError, match=r"conflicts with main: both changed README\.md") as refusal:
        alice.merge_pull_request(repo_id, 1)
    assert refusal.value.response.status_code == 409
    assert alice.get_discussion_details(repo_id, 1).status == "open"
    # The other one changed another line: it merges, and keeps what main has.
    alice.merge_pull_request(repo_id, 2)
    text = Path(alice.hf_hub_download(repo_id, "README.md")).read_text()
    assert "One, said alice." in text
    assert "\n3\n" in text


def change(api: HfApi, repo_id: str, words: bytes, **where: bool) -> None:
    api.create_commit(
        repo_id, [add("README.md", CARD.replace(b"One.", words))], commit_message="One", **where
    )


def test_the_branch_and_the_commit_it_starts_from(hub: LiveHub, repo_id: str) -> None:
    alice, carol = hub.api(), hub.api("carol")
    old = alice.model_info(repo_id).sha
    alice.upload_file(path_or_fileobj=b"new", path_in_repo="new.txt", repo_id=repo_id)
    done = carol.create_commit(
        repo_id, [add("x", b"x")], commit_message="From the past", create_pr=True, parent_commit=old[:7]
    )
    history = [commit.commit_id for commit in carol.list_repo_commits(repo_id, revision="refs/pr/1")]
    assert history[:2] == [done.oid, old]
    alice.create_branch(repo_id, branch="dev")
    carol.create_commit(repo_id, [add("x", b"x")], commit_message="To dev", create_pr=True, revision="dev")
    assert carol.get_discussion_details(repo_id, 2).target_branch == "refs/heads/dev"
    main = alice.model_info(repo_id).sha
    alice.merge_pull_request(repo_id, 2)
    assert alice.model_info(repo_id).sha == main
    assert alice.file_exists(repo_id, "x", revision="dev")
    for revision in ("not-there", main):
        with pytest.raises(RevisionNotFoundError):
            carol.create_commit(
                repo_id, [add("x", b"x")], commit_message="Nowhere", create_pr=True, revision=revision
            )
    stray = carol.create_commit(repo_id, [add("y", b"y")], commit_message="Stray", create_pr=True)
    with pytest.raises(RevisionNotFoundError):
        carol.create_commit(
            repo_id, [add("z", b"z")], commit_message="On a stray", create_pr=True, parent_commit=stray.oid
        )


def test_who_may_commit_to_it(hub: LiveHub, repo_id: str) -> None:
    carol = hub.api("carol")
    carol.create_commit(repo_id, [add("x", b"x")], commit_message="Mine", create_pr=True)
    for revision, message in (("refs/pr/1", "Only its author"), (None, "You don't have write access")):
        with pytest.raises(HfHubHTTPError, match=message) as refusal:
            upload(hub.api("bob"), repo_id, revision=revision)
        assert refusal.value.response.status_code == 403
    with pytest.raises(HfHubHTTPError, match="Invalid username or password") as refusal:
        upload(hub.api(None), repo_id, create_pr=True)
    assert refusal.value.response.status_code == 401
    with pytest.raises(RevisionNotFoundError, match="refs/pr/7"):
        upload(carol, repo_id, revision="refs/pr/7")
    carol.change_discussion_status(repo_id, 1, "closed")
    with pytest.raises(HfHubHTTPError, match="takes no more commits"):
        upload(carol, repo_id, revision="refs/pr/1")


def upload(api: HfApi, repo_id: str, **where: object) -> None:
    api.upload_file(path_or_fileobj=b"1", path_in_repo="f", repo_id=repo_id, **where)


def test_a_private_repo_takes_none_from_strangers(hub: LiveHub, unique: str) -> None:
    repo_id = hub.api().create_repo(unique, private=True).repo_id
    for call in (
        lambda api: upload(api, repo_id, create_pr=True),
        lambda api: api.create_pull_request(repo_id, "May I?"),
        lambda api: upload(api, repo_id, revision="refs/pr/1"),
    ):
        with pytest.raises(RepositoryNotFoundError):
            call(hub.api("carol"))
    hub.api().create_pull_request(repo_id, "Among us")
    with pytest.raises(RepositoryNotFoundError):
        hub.api("carol").get_discussion_details(repo_id, 1)


def test_a_gate_keeps_strangers_from_files_and_diffs_not_from_talk(hub: LiveHub, repo_id: str) -> None:
    alice, carol = hub.api(), hub.api("carol")
    alice.create_commit(repo_id, [add("x", b"secret\n")], commit_message="Ours", create_pr=True)
    alice.update_repo_settings(repo_id, gated="manual")
    seen = carol.get_discussion_details(repo_id, 1)
    assert (seen.title, seen.diff) == ("Ours", None)
    assert "+secret" in alice.get_discussion_details(repo_id, 1).diff
    assert carol.create_discussion(repo_id, "Please let me in").num == 2
    for call in (
        lambda: upload(carol, repo_id, create_pr=True),
        lambda: carol.create_pull_request(repo_id, "Let me in"),
    ):
        with pytest.raises(RepositoryNotFoundError, match="restricted"):  # GatedRepoError is one
            call()


def test_a_hash_brings_nothing_back(hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    """Content that was uploaded to the repo but is shown nowhere stays out of a stranger's pull request."""
    alice, carol, data = hub.api(), hub.api("carol"), os.urandom(60_000)
    known = add("unreleased.bin", data)
    alice.preupload_lfs_files(repo_id, [known])
    sha256 = known.upload_info.sha256.hex()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(data)}\n".encode()
    with pytest.raises(BadRequestError, match="never uploaded to this repo"):
        carol.create_commit(repo_id, [add("mine.txt", pointer)], commit_message="Aha", create_pr=True)
    carol.create_commit(repo_id, [add("mine.bin", data)], commit_message="I have it too", create_pr=True)
    assert Path(carol.hf_hub_download(repo_id, "mine.bin", revision="refs/pr/1")).read_bytes() == data
