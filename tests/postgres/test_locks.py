"""Row locks that hold, are waited for, are passed by, and never close a circle."""

from __future__ import annotations

import hashlib
import io
import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError

from models_app.storage.xet.chunking import Chunker
from models_app.storage.xet.hashing import chunk_hash
from tests.live import LiveHub
from tests.postgres.conftest import Database

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("client_home")]
LOCK_REPO = "SELECT 1 FROM models_app_repo WHERE name = %s FOR UPDATE"


def lfs_upload(hub: LiveHub, repo_id: str, data: bytes) -> None:
    """As a client without Xet sends a large file: ask where to, and put it there."""
    asked = {"operation": "upload", "transfers": ["basic"], "objects": [object_of(data)]}
    headers = {
        "Content-Type": "application/vnd.git-lfs+json",
        "Authorization": f"Bearer {hub.tokens['alice']}",
    }
    url = f"{hub.url}/{repo_id}.git/info/lfs/objects/batch"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(asked).encode(), headers)) as answer:
        upload = json.load(answer)["objects"][0]["actions"]["upload"]
    request = urllib.request.Request(upload["href"], data, upload.get("header", {}), method="PUT")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def object_of(data: bytes) -> dict[str, object]:
    return {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}


def test_a_commit_waits_for_the_repos_row_and_loses_nothing(
    hub: LiveHub, database: Database, unique: str
) -> None:
    repo_id = hub.api().create_repo(unique).repo_id
    with ThreadPoolExecutor(1) as pool:
        with database.held(LOCK_REPO, unique):
            done = pool.submit(
                hub.api().upload_file, path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=repo_id
            )
            database.wait_until_blocked(1)
            assert hub.api().list_repo_files(repo_id) == [".gitattributes"]
        done.result(30)
    assert "a.txt" in hub.api().list_repo_files(repo_id)


def test_many_writers_of_one_repo_are_served_one_after_the_other(hub: LiveHub, unique: str) -> None:
    repo_id = hub.api().create_repo(unique).repo_id

    def write(number: int) -> None:
        operation = CommitOperationAdd(f"{number}.txt", f"{number}".encode())
        hub.api().create_commit(repo_id, [operation], commit_message=f"Add {number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))
    assert len(hub.api().list_repo_commits(repo_id)) == 17
    assert {f"{number}.txt" for number in range(16)} < set(hub.api().list_repo_files(repo_id))


def test_of_two_who_build_on_the_same_parent_one_is_told(
    hub: LiveHub, database: Database, unique: str
) -> None:
    repo_id = hub.api().create_repo(unique).repo_id
    parent = hub.api().model_info(repo_id).sha

    def write(name: str) -> int:
        operation = CommitOperationAdd(name, name.encode())
        try:
            hub.api().create_commit(repo_id, [operation], commit_message=name, parent_commit=parent)
        except HfHubHTTPError as refusal:
            return int(refusal.response.status_code)
        return 200

    with ThreadPoolExecutor(2) as pool:
        with database.held(LOCK_REPO, unique):
            answers = [pool.submit(write, name) for name in ("a", "b")]
            database.wait_until_blocked(2)
        assert sorted(answer.result(30) for answer in answers) == [200, 412]


def test_discussions_opened_at_once_have_numbers_of_their_own(hub: LiveHub, unique: str) -> None:
    repo_id = hub.api().create_repo(unique).repo_id
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda n: hub.api("bob").create_discussion(repo_id, f"Question {n}").num, range(16))
    assert sorted(made) == list(range(1, 17))


def test_uploads_that_share_chunks_in_another_order_wait_but_never_for_each_other(
    hub: LiveHub, database: Database, unique: str
) -> None:
    repo_id = hub.api().create_repo(unique).repo_id
    parts = [np.random.default_rng([5, part]).bytes(500_000) for part in range(3)]
    there, back = b"".join(parts), b"".join(reversed(parts))
    shared = sorted(chunks_of(there) & chunks_of(back))
    assert len(shared) > 5
    # A chunk of both is being written by somebody else, who gives up in the end.
    raw = shared[len(shared) // 2]
    insert = (
        'INSERT INTO models_app_chunk (hash, xorb_id, "position", "offset", stored_length, length) '
        "VALUES (%s, 'nowhere', 0, 0, 1, 1)"
    )
    with ThreadPoolExecutor(2) as pool:
        with database.held(insert, raw):
            sent = [pool.submit(lfs_upload, hub, repo_id, data) for data in (there, back)]
            database.wait_until_blocked(2)
        for one in sent:
            one.result(60)
    for name, data in (("there", there), ("back", back)):
        hub.api().upload_file(path_or_fileobj=io.BytesIO(data), path_in_repo=name, repo_id=repo_id)
        with open(hub.api().hf_hub_download(repo_id, name), "rb") as file:
            assert file.read() == data


def chunks_of(data: bytes) -> set[bytes]:
    chunker = Chunker()
    return {chunk_hash(chunk) for chunk in [*chunker.feed(data), *chunker.finish()]}
