"""Files go up and come down unchanged, told by the unmodified stock client."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfFileSystem
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RevisionNotFoundError,
)

from tests.live import LiveHub

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("quiet")]
ODD_NAME = "dir/a #?%b é+&=.txt"


def test_a_folder_goes_up_and_comes_down(hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    api = hub.api()
    content = {
        "README.md": b"---\nlicense: mit\n---\n# Net\n",
        "config.json": b"{}",
        "model.safetensors": os.urandom(200_000),
        "empty.txt": b"",
        ODD_NAME: "grüße".encode(),
        "deep/er/notes.log": b"ignored",
        "a/b/c/d.bin": os.urandom(10),
    }
    for name, data in content.items():
        (tmp_path / "up" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "up" / name).write_bytes(data)
    api.upload_folder(folder_path=tmp_path / "up", repo_id=repo_id, ignore_patterns=["*.log"])
    down = Path(api.snapshot_download(repo_id))
    found = {str(path.relative_to(down)): path.read_bytes() for path in down.rglob("*") if path.is_file()}
    del content["deep/er/notes.log"]
    assert {name: found[name] for name in content} == content
    assert set(found) == {*content, ".gitattributes"}
    files = {entry.path: entry for entry in api.list_repo_tree(repo_id, recursive=True)}
    assert files["model.safetensors"].lfs.size == 200_000
    assert files["config.json"].lfs is None
    assert "a/b/c" in files


def test_an_upload_that_changes_nothing_makes_no_commit(hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    (folder / "w.bin").write_bytes(os.urandom(5000))
    (folder / "t.txt").write_text("same")
    api = hub.api()
    api.upload_folder(folder_path=folder, repo_id=repo_id)
    before = api.model_info(repo_id).sha
    api.upload_folder(folder_path=folder, repo_id=repo_id)
    assert api.model_info(repo_id).sha == before


def test_one_commit_adds_copies_and_deletes(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    first = api.create_commit(
        repo_id,
        [
            CommitOperationAdd("keep.txt", b"keep"),
            CommitOperationAdd("old/one.txt", b"1"),
            CommitOperationAdd("old/two.txt", b"2"),
            CommitOperationAdd("gone.txt", b"x"),
            CommitOperationAdd("w.bin", os.urandom(3000)),
        ],
        commit_message="First",
    )
    second = api.create_commit(
        repo_id,
        [
            CommitOperationDelete("old/"),
            CommitOperationDelete("gone.txt"),
            CommitOperationCopy("keep.txt", "copies/keep.txt"),
            CommitOperationCopy("w.bin", "copies/w.bin"),
            CommitOperationAdd("new.txt", b"n"),
        ],
        commit_message="Second",
        commit_description="With a reason.",
        parent_commit=first.oid,
    )
    assert second.commit_url == f"{hub.url}/{repo_id}/commit/{second.oid}"
    assert set(api.list_repo_files(repo_id)) == {
        ".gitattributes", "keep.txt", "copies/keep.txt", "w.bin", "copies/w.bin", "new.txt",
    }  # fmt: skip
    assert "old/one.txt" in api.list_repo_files(repo_id, revision=first.oid)
    commits = api.list_repo_commits(repo_id, formatted=True)
    assert [(commit.title, commit.message) for commit in commits[:2]] == [
        ("Second", "With a reason."), ("First", ""),
    ]  # fmt: skip
    with pytest.raises(HfHubHTTPError, match="The branch was updated since you opened") as refusal:
        api.upload_file(path_or_fileobj=b"", path_in_repo="x", repo_id=repo_id, parent_commit=first.oid[:8])
    assert refusal.value.response.status_code == 412


def test_deleting_what_is_not_there(hub: LiveHub, repo_id: str) -> None:
    with pytest.raises(EntryNotFoundError, match="A file with this name doesn't exist"):
        hub.api().delete_file("nope.txt", repo_id)


def test_a_folder_is_deleted_by_its_bare_path(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    operations = [CommitOperationAdd("1/a", b"a"), CommitOperationAdd("1/b/c", b"c")]
    api.create_commit(repo_id, operations, commit_message="Add")
    api.create_commit(repo_id, [CommitOperationDelete("1", is_folder=False)], commit_message="Drop")
    assert not [path for path in api.list_repo_files(repo_id) if path.startswith("1/")]


@pytest.mark.parametrize("path", ["a\\.git\\b", ".git/config", "a/../../x", "x" * 256, "a//b", "a/.GIT/b"])
def test_a_path_no_repo_may_hold_is_refused_by_name(hub: LiveHub, repo_id: str, path: str) -> None:
    api = hub.api()
    operation = CommitOperationAdd("fine.txt", b"x")
    operation.path_in_repo = path  # past the client's own check
    with pytest.raises(HfHubHTTPError) as refusal:
        api.create_commit(repo_id, [operation], commit_message="x")
    assert refusal.value.response.status_code == 422
    assert repr(path[:200]) in str(refusal.value)
    assert api.list_repo_files(repo_id) == [".gitattributes"]


def test_a_backslash_is_a_letter_like_others(hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    api = hub.api()
    for path in ("a\\b.txt", "folder/..\\..\\file"):
        api.upload_file(repo_id=repo_id, path_or_fileobj=b"not outside", path_in_repo=path)
        assert path in api.list_repo_files(repo_id)
    got = api.hf_hub_download(repo_id, "a\\b.txt", local_dir=tmp_path)
    assert Path(got).read_bytes() == b"not outside"
    with pytest.raises(ValueError, match="path segment"):  # so says the client
        api.hf_hub_download(repo_id, "folder/..\\..\\file", local_dir=tmp_path)


def test_what_is_not_there(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    with pytest.raises(RemoteEntryNotFoundError):
        api.hf_hub_download(repo_id, "nope.txt")
    with pytest.raises(RevisionNotFoundError, match="Invalid rev id: nope"):
        api.hf_hub_download(repo_id, ".gitattributes", revision="nope")
    assert not api.file_exists(repo_id, "nope.txt")
    assert api.file_exists(repo_id, ".gitattributes")
    assert not api.revision_exists(repo_id, "nope")
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(repo_id, "nope"))
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(repo_id, ".gitattributes"))
    assert api.get_paths_info(repo_id, ["nope", ".gitattributes"])[0].path == ".gitattributes"


def test_the_absence_of_a_file_is_remembered_by_the_client(
    hub: LiveHub, repo_id: str, client_home: Path
) -> None:
    with pytest.raises(RemoteEntryNotFoundError):
        hub.api().hf_hub_download(repo_id, "generation_config.json")
    head = hub.api().model_info(repo_id).sha
    markers = [path for path in client_home.rglob("*") if path.name == "generation_config.json"]
    assert [path.parent.name for path in markers] == [head]


def test_a_tree_of_many_files_pages(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    names = [f"data/{number:04}.txt" for number in range(1210)]
    api.create_commit(repo_id, [CommitOperationAdd(n, b"x") for n in names], commit_message="Many")
    listed = [entry.path for entry in api.list_repo_tree(repo_id, "data")]
    assert listed == names
    expanded = list(api.list_repo_tree(repo_id, "data", expand=True))
    assert [entry.path for entry in expanded] == names
    assert {entry.last_commit.title for entry in expanded} == {"Many"}
    assert len(api.get_paths_info(repo_id, names)) == len(names)


def test_commits_page(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    for number in range(55):
        api.upload_file(
            path_or_fileobj=str(number).encode(),
            path_in_repo="n",
            repo_id=repo_id,
            commit_message=f"{number}",
        )
    titles = [commit.title for commit in api.list_repo_commits(repo_id)]
    assert titles == [*[str(number) for number in reversed(range(55))], "initial commit"]


def test_uploads_at_once_all_arrive(hub: LiveHub, repo_id: str) -> None:
    def upload(number: int) -> None:
        hub.api().upload_file(path_or_fileobj=b"x", path_in_repo=f"f{number}.txt", repo_id=repo_id)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(upload, range(12)))
    assert {f"f{number}.txt" for number in range(12)} <= set(hub.api().list_repo_files(repo_id))
    assert len(hub.api().list_repo_commits(repo_id)) == 13


def test_text_of_nine_megabytes_stays_ordinary(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    text = b"a line of text\n" * 629_000
    api.upload_file(path_or_fileobj=text, path_in_repo="big.txt", repo_id=repo_id)
    entry = api.get_paths_info(repo_id, ["big.txt"])[0]
    assert (entry.size, entry.lfs) == (len(text), None)
    assert Path(api.hf_hub_download(repo_id, "big.txt")).read_bytes() == text


def test_reading_like_a_file_system(hub: LiveHub, repo_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(100_000)
    hub.api().upload_file(path_or_fileobj=data, path_in_repo="d/w.bin", repo_id=repo_id)
    HfFileSystem.clear_instance_cache()
    fs = HfFileSystem(endpoint=hub.url, token=hub.tokens["alice"], skip_instance_cache=True)
    assert fs.ls(f"{repo_id}/d", detail=False) == [f"{repo_id}/d/w.bin"]
    assert fs.info(f"{repo_id}/d/w.bin")["size"] == len(data)
    with fs.open(f"{repo_id}/d/w.bin", block_size=4096) as file:
        file.seek(50_000)
        assert file.read(1000) == data[50_000:51_000]
    assert fs.cat_file(f"{repo_id}/d/w.bin", start=10, end=20) == data[10:20]


def test_an_interrupted_download_resumes(hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    """The client continues a partial file with a Range request."""
    api = hub.api()
    data = os.urandom(400_000)
    api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=repo_id)
    done = Path(api.hf_hub_download(repo_id, "w.bin"))
    blob = done.resolve()
    (blob.parent / f"{blob.name}.incomplete").write_bytes(data[:123_456])
    blob.unlink()
    done.unlink()
    assert Path(api.hf_hub_download(repo_id, "w.bin")).read_bytes() == data


def test_large_content_of_another_repo_cannot_be_referred_to(hub: LiveHub, repo_id: str, unique: str) -> None:
    """Knowing a hash gives no access: a commit that names it is refused."""
    api = hub.api()
    data = os.urandom(5000)
    api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=repo_id)
    sha256 = api.get_paths_info(repo_id, ["w.bin"])[0].lfs.sha256
    other = hub.api("carol").create_repo(f"{unique}-thief").repo_id
    body = (
        '{"key":"header","value":{"summary":"x"}}\n'
        f'{{"key":"lfsFile","value":{{"path":"w.bin","algo":"sha256","oid":"{sha256}","size":5000}}}}\n'
    )
    request = urllib.request.Request(
        f"{hub.url}/api/models/{other}/commit/main",
        body.encode(),
        {"Authorization": f"Bearer {hub.tokens['carol']}", "Content-Type": "application/x-ndjson"},
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request)
    assert refusal.value.code == 400
    assert b"never uploaded to this repo" in refusal.value.read()
