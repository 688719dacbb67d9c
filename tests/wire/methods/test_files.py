"""Files: up by every road, looked at, down again, copied, taken away."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError

from tests.wire.methods.register import People, tries

pytestmark = pytest.mark.wire
LARGE = np.random.default_rng(7).bytes(200_000)


@pytest.fixture
def filled(alice: Any, model: str) -> str:
    """A model with small and large files, at the top and below."""
    added = {"a.txt": b"a", "d/b.txt": b"bb", "d/e/c.md": b"ccc", "w.bin": LARGE, "d/w.bin": b"w"}
    operations = [CommitOperationAdd(path, content) for path, content in added.items()]
    alice.create_commit(model, operations, commit_message="Add all")
    return model


@tries("upload_file", "hf_hub_download")
def test_a_file_from_bytes_a_path_and_a_file_object(people: People, model: str, tmp_path: Path) -> None:
    api = people()
    (tmp_path / "w").write_bytes(LARGE)
    sources: dict[str, Any] = {
        "bytes.bin": LARGE,
        "path.bin": tmp_path / "w",
        "text.bin": str(tmp_path / "w"),
        "stream.bin": io.BytesIO(LARGE),
    }
    for name, source in sources.items():
        done = api.upload_file(path_or_fileobj=source, path_in_repo=f"sub/{name}", repo_id=model)
        assert done.commit_url == f"{people.hub.url}/{model}/commit/{done.oid}"
        assert httpx2.head(done.commit_url).status_code == 200
        found = api.hf_hub_download(model, name, subfolder="sub", revision=done.oid)
        assert Path(found).read_bytes() == LARGE
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(model, "sub/none.bin")
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download(model, "sub/path.bin", revision="nope")
    told = api.hf_hub_download(model, "sub/path.bin", local_dir=tmp_path / "new", dry_run=True)
    assert (told.file_size, told.will_download) == (len(LARGE), True)


@tries("create_commit", "preupload_lfs_files")
def test_a_commit_of_every_operation(people: People, filled: str) -> None:
    api = people()
    large = CommitOperationAdd("new.bin", LARGE[:100_000])
    api.preupload_lfs_files(filled, [large])
    operations = [
        large,
        CommitOperationCopy("w.bin", "copy/w.bin"),
        CommitOperationCopy("a.txt", "copy/a.txt"),
        CommitOperationDelete("d/"),
        CommitOperationAdd("a.txt", b"A"),
    ]
    head = api.model_info(filled).sha
    done = api.create_commit(
        filled, operations, commit_message="All", commit_description="At once", parent_commit=head
    )
    assert (done.commit_message, done.commit_description, done.pr_url) == ("All", "At once", None)
    assert sorted(api.list_repo_files(filled)) == [
        ".gitattributes", "a.txt", "copy/a.txt", "copy/w.bin", "new.bin", "w.bin",
    ]  # fmt: skip
    with pytest.raises(HfHubHTTPError) as late:
        api.upload_file(path_or_fileobj=b"b", path_in_repo="b", repo_id=filled, parent_commit=head)
    assert late.value.response.status_code == 412


@tries("create_commit")
def test_what_changes_nothing_is_no_commit(people: People, filled: str) -> None:
    api = people()
    before = api.list_repo_commits(filled)
    for operations in ([], [CommitOperationAdd("a.txt", b"a"), CommitOperationAdd("w.bin", LARGE)]):
        done = api.create_commit(filled, operations, commit_message="Nothing")
        assert done.oid == before[0].commit_id
    assert api.list_repo_commits(filled) == before


@tries("create_commit", "upload_file")
def test_a_stranger_opens_a_pull_request(people: People, filled: str) -> None:
    carol = people("carol")
    with pytest.raises(HfHubHTTPError) as refusal:
        carol.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=filled)
    assert refusal.value.response.status_code == 403
    words = {"commit_message": "Add x", "create_pr": True}
    done = carol.create_commit(filled, [CommitOperationAdd("x", b"x")], **words)
    assert (done.pr_revision, done.pr_num) == ("refs/pr/1", 1)
    assert done.pr_url == f"{people.hub.url}/{filled}/discussions/1"
    assert not carol.file_exists(filled, "x")
    assert carol.file_exists(filled, "x", revision="refs/pr/1")
    for revision in ("missing", people().model_info(filled).sha):
        with pytest.raises(RevisionNotFoundError):
            carol.create_commit(filled, [CommitOperationAdd("x", b"x")], revision=revision, **words)


@tries("upload_folder", "delete_files", "delete_file", "delete_folder")
def test_folders_go_up_and_files_go_away(people: People, model: str, tmp_path: Path) -> None:
    api = people()
    for name in ("keep.txt", "logs/1.log", "logs/2.log", "skip.tmp", "sub/w.bin", ".git/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    api.upload_folder(repo_id=model, folder_path=tmp_path, ignore_patterns="*.tmp", path_in_repo="in")
    expected = {"in/keep.txt", "in/logs/1.log", "in/logs/2.log", "in/sub/w.bin"}
    assert set(api.list_repo_files(model)) == expected | {".gitattributes"}
    words = {"allow_patterns": "keep.txt", "delete_patterns": "logs/*"}
    api.upload_folder(repo_id=model, folder_path=tmp_path, path_in_repo="in", **words)
    assert set(api.list_repo_files(model)) == {".gitattributes", "in/keep.txt", "in/sub/w.bin"}
    api.delete_files(model, ["*.bin", "not_there"])
    assert set(api.list_repo_files(model)) == {".gitattributes", "in/keep.txt"}
    with pytest.raises(EntryNotFoundError, match="A file with this name doesn't exist"):
        api.delete_file("none", model)
    api.upload_file(path_or_fileobj=b"1", path_in_repo="one", repo_id=model)
    api.delete_file("one", model)
    api.delete_folder("in", model)
    assert api.list_repo_files(model) == [".gitattributes"]


@tries("list_repo_files", "list_repo_tree", "get_paths_info")
def test_what_lies_where(people: People, filled: str) -> None:
    api = people()
    assert api.list_repo_files(filled) == [
        ".gitattributes", "a.txt", "d/b.txt", "d/e/c.md", "d/w.bin", "w.bin",
    ]  # fmt: skip
    top = {entry.path: entry for entry in api.list_repo_tree(filled, expand=True)}
    assert set(top) == {".gitattributes", "a.txt", "d", "w.bin"}
    assert (top["w.bin"].size, top["w.bin"].lfs.size) == (len(LARGE), len(LARGE))
    assert len(top["w.bin"].xet_hash) == len(top["w.bin"].lfs.sha256) == 64
    assert {top[path].last_commit.title for path in ("a.txt", "d", "w.bin")} == {"Add all"}
    assert [entry.path for entry in api.list_repo_tree(filled)] == ["d", ".gitattributes", "a.txt", "w.bin"]
    assert len(list(api.list_repo_tree(filled, recursive=True))) == 8
    assert [entry.path for entry in api.list_repo_tree(filled, "d/e")] == ["d/e/c.md"]
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(filled, "none"))
    folder, file = api.get_paths_info(filled, ["d", "d/w.bin", "none"], expand=True)
    assert (folder.path, file.path) == ("d", "d/w.bin")
    assert (len(folder.tree_id), len(file.blob_id), file.last_commit.title) == (40, 40, "Add all")
    (file,) = api.get_paths_info(filled, "a.txt")
    assert (file.size, file.lfs, file.last_commit) == (1, None, None)


@tries("snapshot_download", "verify_repo_checksums", "get_hf_file_metadata", "resolve_revision")
def test_a_whole_repo_comes_down(people: People, filled: str, tmp_path: Path) -> None:
    api = people()
    home = Path(api.snapshot_download(filled, ignore_patterns="*.md"))
    assert sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()) == [
        ".gitattributes", "a.txt", "d/b.txt", "d/w.bin", "w.bin",
    ]  # fmt: skip
    place = api.snapshot_download(filled, local_dir=tmp_path / "here", allow_patterns=["d/*", "w.bin"])
    assert (Path(place) / "w.bin").read_bytes() == LARGE
    whole = api.snapshot_download(filled, local_dir=tmp_path / "whole")
    proof = api.verify_repo_checksums(filled, local_dir=whole)
    assert (proof.checked_count, proof.mismatches, proof.missing_paths) == (6, [], [])
    (Path(whole) / "w.bin").write_bytes(b"spoilt")
    assert [one["path"] for one in api.verify_repo_checksums(filled, local_dir=whole).mismatches] == ["w.bin"]
    url = hf_hub_url(filled, "w.bin", endpoint=people.hub.url)
    told = api.get_hf_file_metadata(url=url)
    head = api.model_info(filled).sha
    assert (told.size, told.commit_hash) == (len(LARGE), head)
    assert told.etag == api.get_paths_info(filled, "w.bin")[0].lfs.sha256
    assert api.resolve_revision(filled, revision="main").resolved == head


@tries("copy_files")
def test_files_are_copied_between_repos(people: People, filled: str, unique: str) -> None:
    api = people()
    target = api.create_repo(f"{unique}-to", repo_type="dataset").repo_id
    api.copy_files(f"hf://{filled}/w.bin", f"hf://datasets/{target}/copied/w.bin")
    path = api.hf_hub_download(target, "copied/w.bin", repo_type="dataset")
    assert Path(path).read_bytes() == LARGE


@tries("list_lfs_files", "permanently_delete_lfs_files")
def test_large_files_are_listed_and_deleted_for_good(people: People, filled: str) -> None:
    api = people()
    files = {file.filename: file for file in api.list_lfs_files(filled)}
    assert set(files) == {"w.bin", "d/w.bin"}
    assert files["w.bin"].size == len(LARGE)
    assert files["w.bin"].file_oid == api.get_paths_info(filled, "w.bin")[0].lfs.sha256
    api.permanently_delete_lfs_files(filled, [files["w.bin"]])
    assert [file.filename for file in api.list_lfs_files(filled)] == ["d/w.bin"]
    assert "w.bin" not in api.list_repo_files(filled)
