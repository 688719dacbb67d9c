"""Buckets told by the unmodified stock client: its Python, its file system, its command line."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import HfFileSystem
from huggingface_hub.errors import (
    BucketBatchError,
    BucketNotFoundError,
    EntryNotFoundError,
    HfHubHTTPError,
)

from tests.live import LiveHub
from tests.wire.command import Command

pytestmark = pytest.mark.wire


def weights(seed: int, size: int = 300_000) -> bytes:
    return np.random.default_rng(seed).bytes(size)


@pytest.fixture
def bucket_id(hub: LiveHub, unique: str, client_home: Path) -> str:
    """A public bucket of alice's, seen from a machine that remembers no upload."""
    return hub.api().create_bucket(unique).bucket_id


def paths(hub: LiveHub, bucket_id: str, prefix: str | None = None, recursive: bool = True) -> list[str]:
    return [item.path for item in hub.api().list_bucket_tree(bucket_id, prefix, recursive=recursive)]


def get(
    hub: LiveHub, path: str, name: str | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(hub.url + path, headers=headers)
    if name:
        request.add_header("Authorization", f"Bearer {hub.tokens[name]}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def test_buckets_come_change_and_go(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    with pytest.raises(HfHubHTTPError) as nameless:
        api.delete_bucket(unique)
    assert nameless.value.response.status_code == 404
    made = api.create_bucket(unique, private=True)
    assert (made.bucket_id, made.url) == (f"alice/{unique}", f"{hub.url}/buckets/alice/{unique}")
    assert api.create_bucket(made.bucket_id.upper(), exist_ok=True).bucket_id == made.bucket_id
    with pytest.raises(HfHubHTTPError, match="You already created this bucket") as refusal:
        api.create_bucket(unique)
    assert refusal.value.response.status_code == 409
    info = api.bucket_info(made.bucket_id)
    assert (info.id, info.private, info.size, info.total_files) == (made.bucket_id, True, 0, 0)
    assert abs((datetime.now(UTC) - info.created_at).total_seconds()) < 60
    api.update_bucket_settings(made.bucket_id, private=False)
    assert not hub.api(None).bucket_info(made.bucket_id).private
    assert [one.id for one in api.list_buckets(search=unique[2:])] == [made.bucket_id]
    assert made.bucket_id in [one.id for one in hub.api("carol").list_buckets("alice")]
    api.delete_bucket(made.bucket_id)
    with pytest.raises(BucketNotFoundError, match="Bucket Not Found"):
        api.bucket_info(made.bucket_id)
    with pytest.raises(BucketNotFoundError):
        api.delete_bucket(made.bucket_id)
    api.delete_bucket(made.bucket_id, missing_ok=True)


def test_a_private_bucket_looks_missing_to_others(hub: LiveHub, unique: str, client_home: Path) -> None:
    bucket_id = hub.api().create_bucket(unique, private=True).bucket_id
    hub.api().batch_bucket_files(bucket_id, add=[(b"secret words", "a.txt")])
    for name in ("carol", None):
        stranger = hub.api(name)
        for ask in (
            lambda api: api.bucket_info(bucket_id),
            lambda api: list(api.list_bucket_tree(bucket_id)),
            lambda api: list(api.get_bucket_paths_info(bucket_id, ["a.txt"])),
            lambda api: api.delete_bucket(bucket_id),
            lambda api: api.batch_bucket_files(bucket_id, delete=["a.txt"]),
        ):
            with pytest.raises(BucketNotFoundError):
                ask(stranger)
        assert bucket_id not in [one.id for one in stranger.list_buckets("alice")]
        assert get(hub, f"/buckets/{bucket_id}/resolve/a.txt", name)[0] == (404 if name else 401)
        assert get(hub, f"/api/buckets/{bucket_id}/xet-read-token", name)[0] == (404 if name else 401)
        assert get(hub, f"/api/buckets/{bucket_id}/events", name)[0] == (404 if name else 401)
    with pytest.raises(HfHubHTTPError) as refusal:
        hub.api("carol").create_bucket(f"alice/{unique}-2")
    assert refusal.value.response.status_code == 403
    assert hub.api("bob").create_bucket(f"team/{unique}").bucket_id == f"team/{unique}"


def test_files_go_up_and_come_down(hub: LiveHub, bucket_id: str, tmp_path: Path) -> None:
    api, data = hub.api(), weights(1)
    (tmp_path / "w.bin").write_bytes(data)
    os.utime(tmp_path / "w.bin", (1_700_000_000, 1_700_000_000))
    api.batch_bucket_files(
        bucket_id,
        add=[(tmp_path / "w.bin", "models/w.bin"), (b'{"a": 1}', "config.json"), (b"", "empty/.keep")],
    )
    assert paths(hub, bucket_id) == ["config.json", "empty/.keep", "models/w.bin"]
    (found,) = api.get_bucket_paths_info(bucket_id, ["models/w.bin", "nothing", "models"])
    assert (found.size, found.mtime) == (len(data), datetime.fromtimestamp(1_700_000_000, UTC))
    metadata = api.get_bucket_file_metadata(bucket_id, "models/w.bin")
    assert (metadata.size, metadata.xet_file_data.file_hash) == (len(data), found.xet_hash)
    assert metadata.xet_file_data.refresh_route == f"{hub.url}/api/buckets/{bucket_id}/xet-read-token"
    for reader in ("alice", "carol", None):
        to = tmp_path / str(reader)
        wanted = [(name, to / name) for name in ("empty/.keep", "models/w.bin", "config.json")]
        hub.api(reader).download_bucket_files(bucket_id, wanted)
        assert (to / "models/w.bin").read_bytes() == data
        assert (to / "config.json").read_bytes() == b'{"a": 1}'
        assert (to / "empty/.keep").read_bytes() == b""
    with pytest.raises(EntryNotFoundError):
        api.download_bucket_files(
            bucket_id, [("none.bin", tmp_path / "none.bin")], raise_on_missing_files=True
        )
    info = api.bucket_info(bucket_id)
    assert (info.size, info.total_files) == (len(data) + 8, 3)
    api.batch_bucket_files(bucket_id, add=[(b"2", "config.json")], delete=["models/w.bin", "models/none"])
    assert paths(hub, bucket_id) == ["config.json", "empty/.keep"]
    assert get(hub, f"/buckets/{bucket_id}/resolve/config.json")[1] == b"2"


def test_plain_downloads_with_ranges(hub: LiveHub, bucket_id: str) -> None:
    data = weights(2)
    name = "folder/a b#é.bin"
    hub.api().batch_bucket_files(bucket_id, add=[(data, name)])
    url = f"/buckets/{bucket_id}/resolve/folder/a%20b%23%C3%A9.bin"
    status, body, headers = get(hub, url)
    assert (status, body) == (200, data)
    assert headers["X-Xet-Hash"]
    assert headers["Content-Security-Policy"].startswith("sandbox")
    status, body, headers = get(hub, url, Range="bytes=1000-1999")
    assert (status, body, headers["Content-Range"]) == (206, data[1000:2000], f"bytes 1000-1999/{len(data)}")
    assert get(hub, url, Range="bytes=900000-")[0] == 416
    assert get(hub, url, **{"If-None-Match": headers["ETag"]})[0] == 304
    status, _, headers = get(hub, f"/buckets/{bucket_id}/resolve/folder")
    assert (status, headers["X-Error-Code"]) == (404, "EntryNotFound")


def test_a_prefix_is_compared_letter_by_letter(hub: LiveHub, bucket_id: str) -> None:
    names = ["logs.json", "logs/a/1.txt", "logs/b.txt", "logs_old/c.txt", "other.txt"]
    hub.api().batch_bucket_files(bucket_id, add=[(name.encode(), name) for name in names])
    assert paths(hub, bucket_id) == names
    assert paths(hub, bucket_id, recursive=False) == ["logs.json", "logs", "logs_old", "other.txt"]
    assert paths(hub, bucket_id, "logs") == names[:4]
    assert paths(hub, bucket_id, "logs", False) == ["logs.json", "logs/a", "logs/b.txt", "logs_old"]
    assert paths(hub, bucket_id, "logs/", False) == ["logs/a", "logs/b.txt"]
    assert paths(hub, bucket_id, "logs/b.txt", False) == ["logs/b.txt"]
    assert paths(hub, bucket_id, "nothing") == []


def test_knowing_a_hash_gives_no_access(hub: LiveHub, bucket_id: str, unique: str) -> None:
    """Decision 0004: a hash of another bucket is not content, nor one of a source that may not be read."""
    private = hub.api().create_bucket(f"{unique}-private", private=True).bucket_id
    hub.api().batch_bucket_files(private, add=[(weights(3), "w.bin")])
    (file,) = hub.api().get_bucket_paths_info(private, ["w.bin"])
    theirs = hub.api("carol").create_bucket(f"carol/{unique}").bucket_id
    with pytest.raises(BucketBatchError, match="cannot be read: Bucket not found") as refusal:
        hub.api("carol").batch_bucket_files(theirs, copy=[("bucket", private, file.xet_hash, "w.bin")])
    assert [one["path"] for one in refusal.value.failures] == ["w.bin"]
    assert refusal.value.response.status_code == 422
    with pytest.raises(BucketBatchError, match="holds no content with this Xet hash") as refusal:
        hub.api("carol").batch_bucket_files(
            theirs, add=[(b"mine", "mine.txt")], copy=[("bucket", bucket_id, file.xet_hash, "w.bin")]
        )
    assert refusal.value.response.status_code == 200
    assert [item.path for item in hub.api("carol").list_bucket_tree(theirs)] == ["mine.txt"]
    with pytest.raises(HfHubHTTPError, match="write access to bucket") as denied:
        hub.api("carol").batch_bucket_files(bucket_id, delete=["w.bin"])
    assert denied.value.response.status_code == 403


def test_copies_from_repos_and_buckets(hub: LiveHub, bucket_id: str, unique: str) -> None:
    api, data = hub.api(), weights(4)
    repo_id = api.create_repo(unique, visibility="private").repo_id
    api.upload_file(path_or_fileobj=data, path_in_repo="sub/w.bin", repo_id=repo_id)
    api.upload_file(path_or_fileobj=b"words", path_in_repo="sub/a.txt", repo_id=repo_id)
    api.copy_files(f"hf://{repo_id}/sub/", f"hf://buckets/{bucket_id}/from-repo/")
    assert paths(hub, bucket_id) == ["from-repo/a.txt", "from-repo/w.bin"]
    other = api.create_bucket(f"{unique}-other").bucket_id
    api.copy_files(f"hf://buckets/{bucket_id}/from-repo", f"hf://buckets/{other}/")
    assert paths(hub, other) == ["from-repo/a.txt", "from-repo/w.bin"]
    assert get(hub, f"/buckets/{other}/resolve/from-repo/w.bin")[1] == data
    (file,) = api.get_bucket_paths_info(bucket_id, ["from-repo/w.bin"])
    theirs = hub.api("carol").create_bucket(f"carol/{unique}").bucket_id
    with pytest.raises(BucketBatchError, match="Repository not found"):
        hub.api("carol").batch_bucket_files(theirs, copy=[("model", repo_id, file.xet_hash, "w.bin")])
    hub.api("carol").batch_bucket_files(theirs, copy=[("bucket", other, file.xet_hash, "w.bin")])
    assert get(hub, f"/buckets/{theirs}/resolve/w.bin")[1] == data


def test_a_moved_bucket_keeps_its_files(hub: LiveHub, bucket_id: str, unique: str) -> None:
    api = hub.api()
    api.batch_bucket_files(bucket_id, add=[(b"x", "a.txt")])
    api.move_bucket(bucket_id, f"team/{unique}-moved")
    assert paths(hub, f"team/{unique}-moved") == ["a.txt"]
    with pytest.raises(BucketNotFoundError):
        api.bucket_info(bucket_id)
    with pytest.raises(HfHubHTTPError):
        hub.api("carol").move_bucket(f"team/{unique}-moved", f"carol/{unique}")


def test_the_file_system_reads_and_writes_buckets(hub: LiveHub, bucket_id: str) -> None:
    fs = HfFileSystem(endpoint=hub.url, token=hub.tokens["alice"], skip_instance_cache=True)
    root, data = f"hf://buckets/{bucket_id}", weights(5)
    with fs.open(f"{root}/dir/w.bin", "wb") as file:
        file.write(data)
    assert fs.ls(root, detail=False) == [f"buckets/{bucket_id}/dir"]
    assert fs.ls(f"{root}/dir", detail=False) == [f"buckets/{bucket_id}/dir/w.bin"]
    assert fs.info(f"{root}/dir/w.bin")["size"] == len(data)
    with fs.open(f"{root}/dir/w.bin", "rb") as file:
        file.seek(1000)
        assert file.read(500) == data[1000:1500]
    fs.cp_file(f"{root}/dir/w.bin", f"{root}/copy.bin")
    assert fs.find(root) == [f"buckets/{bucket_id}/copy.bin", f"buckets/{bucket_id}/dir/w.bin"]
    fs.rm(f"{root}/dir", recursive=True)
    assert fs.find(root, refresh=True) == [f"buckets/{bucket_id}/copy.bin"]
    assert not fs.exists("hf://buckets/alice/nothing-here")


def test_a_follower_hears_of_changes(hub: LiveHub, bucket_id: str) -> None:
    from huggingface_hub._bucket_live_follow import BucketFollower

    api = hub.api()
    heard: list[tuple[str, str]] = []
    follower = BucketFollower(
        endpoint=hub.url,
        bucket_id=bucket_id,
        token=hub.tokens["alice"],
        on_changes=lambda changes: heard.extend((change.op, change.path) for change in changes),
        on_reconcile=lambda: None,
        is_alive=lambda: True,
    )
    follower.start()
    try:
        wait_for(lambda: follower.subscribed)
        api.batch_bucket_files(bucket_id, add=[(b"1", "a.txt")])
        api.batch_bucket_files(bucket_id, add=[(b"2", "a.txt"), (b"3", "b.txt")])
        api.batch_bucket_files(bucket_id, delete=["b.txt"])
        wait_for(lambda: len(heard) == 4)
    finally:
        follower.stop()
    assert heard[0] == ("add", "a.txt")
    assert sorted(heard[1:3]) == [("add", "b.txt"), ("update", "a.txt")]
    assert heard[3] == ("delete", "b.txt")


def wait_for(done: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_buckets_by_command(hub: LiveHub, unique: str, tmp_path: Path, hf: Command) -> None:
    bucket_id = f"alice/{unique}"
    assert bucket_id in hf("buckets", "create", unique)
    assert unique in hf("buckets", "list")
    assert '"total_files": 0' in hf("buckets", "info", bucket_id, "--json").replace("\n", " ")
    (tmp_path / "one.txt").write_text("one")
    hf("buckets", "cp", "one.txt", f"hf://buckets/{bucket_id}/sub/one.txt")
    assert "sub/one.txt" in hf("buckets", "list", bucket_id, "-R")
    hf("cp", f"hf://buckets/{bucket_id}/sub/one.txt", "back.txt")
    assert (tmp_path / "back.txt").read_text() == "one"
    hf("buckets", "settings", bucket_id, "--private")
    assert hub.api().bucket_info(bucket_id).private
    hf("buckets", "rm", f"{bucket_id}/sub/", "--recursive", "--yes")
    assert paths(hub, bucket_id) == []
    hf("buckets", "delete", bucket_id, "--yes")
    assert "not found" in hf("buckets", "info", bucket_id, ok=False).lower()


def test_a_folder_is_kept_in_step(hub: LiveHub, unique: str, tmp_path: Path, hf: Command) -> None:
    bucket_id = hub.api().create_bucket(unique).bucket_id
    source, to = tmp_path / "source", tmp_path / "to"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "w.bin").write_bytes(weights(6))
    (source / "a.txt").write_text("a")
    hf("sync", "source", f"hf://buckets/{bucket_id}/data")
    assert paths(hub, bucket_id) == ["data/a.txt", "data/sub/w.bin"]
    assert "Nothing to sync" in hf("sync", "source", f"hf://buckets/{bucket_id}/data")
    (source / "a.txt").unlink()
    (source / "b.txt").write_text("bb")
    hf("sync", "source", f"hf://buckets/{bucket_id}/data", "--delete")
    assert paths(hub, bucket_id) == ["data/b.txt", "data/sub/w.bin"]
    hf("sync", f"hf://buckets/{bucket_id}/data", "to")
    assert (to / "sub" / "w.bin").read_bytes() == weights(6)
    assert sorted(path.name for path in to.rglob("*") if path.is_file()) == ["b.txt", "w.bin"]
