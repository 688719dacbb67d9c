"""Buckets: made, filled, listed, fetched, kept in step with a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub.errors import BucketNotFoundError, EntryNotFoundError, HfHubHTTPError

from tests.wire.methods.register import People, tries

pytestmark = pytest.mark.wire
LARGE = np.random.default_rng(11).bytes(150_000)


@pytest.fixture
def bucket(alice: Any, unique: str) -> str:
    """A public bucket of alice's with three files."""
    made = str(alice.create_bucket(unique).bucket_id)
    alice.batch_bucket_files(made, add=[(b"a", "a.txt"), (LARGE, "d/w.bin"), (b"b", "d/e/b.txt")])
    return made


@tries("create_bucket", "bucket_info", "list_buckets")
@tries("update_bucket_settings", "move_bucket", "delete_bucket")
def test_buckets_come_and_go(people: People, unique: str) -> None:
    api = people()
    made = api.create_bucket(unique, private=True)
    assert (made.bucket_id, made.url) == (f"alice/{unique}", f"{people.hub.url}/buckets/alice/{unique}")
    assert api.create_bucket(unique, exist_ok=True).bucket_id == made.bucket_id
    with pytest.raises(HfHubHTTPError) as taken:
        api.create_bucket(unique)
    assert taken.value.response.status_code == 409
    info = api.bucket_info(made.bucket_id)
    assert (info.id, info.private, info.size, info.total_files) == (made.bucket_id, True, 0, 0)
    with pytest.raises(BucketNotFoundError):
        people("carol").bucket_info(made.bucket_id)
    api.update_bucket_settings(made.bucket_id, private=False)
    assert made.bucket_id in [found.id for found in people("carol").list_buckets("alice", search=unique)]
    api.move_bucket(made.bucket_id, f"alice/{unique}-2")
    assert [found.id for found in api.list_buckets(search=unique)] == [f"alice/{unique}-2"]
    api.delete_bucket(f"alice/{unique}-2")
    api.delete_bucket(f"alice/{unique}-2", missing_ok=True)
    with pytest.raises(BucketNotFoundError):
        api.delete_bucket(f"alice/{unique}-2")


@tries(
    "batch_bucket_files",
    "list_bucket_tree",
    "get_bucket_paths_info",
    "get_bucket_file_metadata",
    "download_bucket_files",
)
def test_what_is_in_a_bucket(people: People, bucket: str, tmp_path: Path) -> None:
    api = people()
    assert [entry.path for entry in api.list_bucket_tree(bucket)] == ["a.txt", "d/e/b.txt", "d/w.bin"]
    top = [(entry.type, entry.path) for entry in api.list_bucket_tree(bucket, recursive=False)]
    assert top == [("file", "a.txt"), ("directory", "d")]
    assert [entry.path for entry in api.list_bucket_tree(bucket, "d/e/")] == ["d/e/b.txt"]
    (file,) = api.get_bucket_paths_info(bucket, ["d/w.bin", "none"])
    assert (file.path, file.size, len(file.xet_hash)) == ("d/w.bin", len(LARGE), 64)
    assert api.get_bucket_file_metadata(bucket, "d/w.bin").size == len(LARGE)
    with pytest.raises(EntryNotFoundError):
        api.get_bucket_file_metadata(bucket, "none")
    api.batch_bucket_files(bucket, copy=[("bucket", bucket, file.xet_hash, "copy.bin")], delete=["a.txt"])
    with pytest.warns(UserWarning, match="none"):
        api.download_bucket_files(bucket, [("copy.bin", tmp_path / "copy.bin"), ("none", tmp_path / "none")])
    assert (tmp_path / "copy.bin").read_bytes() == LARGE
    with pytest.raises(EntryNotFoundError):
        api.download_bucket_files(bucket, [("none", tmp_path / "none")], raise_on_missing_files=True)


@tries("sync_bucket")
def test_a_folder_and_a_bucket_in_step(people: People, bucket: str, tmp_path: Path) -> None:
    api, here, there = people(), tmp_path / "here", f"hf://buckets/{bucket}/in"
    (here / "sub").mkdir(parents=True)
    (here / "one.txt").write_bytes(b"1")
    (here / "sub" / "w.bin").write_bytes(LARGE)
    api.sync_bucket(str(here), there, quiet=True)
    assert [entry.path for entry in api.list_bucket_tree(bucket, "in/")] == ["in/one.txt", "in/sub/w.bin"]
    (here / "one.txt").unlink()
    plan = api.sync_bucket(str(here), there, delete=True, quiet=True)
    assert {entry.path for entry in api.list_bucket_tree(bucket, "in/")} == {"in/sub/w.bin"}, plan
    api.sync_bucket(there, str(tmp_path / "back"), quiet=True)
    assert (tmp_path / "back" / "sub" / "w.bin").read_bytes() == LARGE


@tries("copy_files")
def test_copies_between_buckets_and_repos(people: People, bucket: str, model: str, unique: str) -> None:
    api = people()
    api.upload_file(path_or_fileobj=LARGE, path_in_repo="w.bin", repo_id=model)
    other = api.create_bucket(f"{unique}-2").bucket_id
    api.copy_files(f"hf://{model}/w.bin", f"hf://buckets/{other}/from-repo.bin")
    api.copy_files(f"hf://buckets/{bucket}/d", f"hf://buckets/{other}/d")
    assert [entry.path for entry in api.list_bucket_tree(other)] == ["d/e/b.txt", "d/w.bin", "from-repo.bin"]
