"""Large files from repo to repo by their names, as the stock client does it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import CommitOperationCopy
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from tests.live import LiveHub

pytestmark = pytest.mark.wire

RNG = np.random.default_rng(71)
WEIGHTS = RNG.bytes(1_500_000)


@pytest.fixture
def source(hub: LiveHub, unique: str) -> str:
    repo_id = f"alice/{unique}"
    api = hub.api()
    api.create_repo(repo_id)
    api.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="w/model.safetensors", repo_id=repo_id)
    api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=repo_id)
    return repo_id


def test_a_commit_that_copies_from_another_repo_moves_no_bytes(
    hub: LiveHub, source: str, unique: str, client_home: Path
) -> None:
    api = hub.api("carol")
    api.create_repo(f"carol/{unique}", repo_type="dataset")
    before = len(hub.requests())
    operations = [
        CommitOperationCopy(path, target, src_repo_id=source, src_repo_type="model")
        for path, target in (("w/model.safetensors", "copy.safetensors"), ("config.json", "copy.json"))
    ]
    api.create_commit(f"carol/{unique}", operations, commit_message="Copy", repo_type="dataset")
    seen = hub.requests_since(before, "POST", f"/api/datasets/carol/{unique}/commit/")
    sent = [line[1] for line in seen if line[0] in ("POST", "PUT")]
    assert f"/api/models/{source}/lfs-files/duplicate" in sent
    assert not any("/cas/" in path or "/lfs/objects/" in path for path in sent)
    got = api.hf_hub_download(f"carol/{unique}", "copy.safetensors", repo_type="dataset")
    assert Path(got).read_bytes() == WEIGHTS
    got = api.hf_hub_download(f"carol/{unique}", "copy.json", repo_type="dataset")
    assert Path(got).read_bytes() == b"{}"


def test_copy_files_copies_a_whole_repo(hub: LiveHub, source: str, unique: str, client_home: Path) -> None:
    api = hub.api("carol")
    api.create_repo(f"carol/{unique}")
    api.copy_files(f"hf://{source}/", f"hf://carol/{unique}/")
    files = api.list_repo_files(f"carol/{unique}")
    assert {"w/model.safetensors", "config.json"} <= set(files)
    assert Path(api.hf_hub_download(f"carol/{unique}", "w/model.safetensors")).read_bytes() == WEIGHTS


def test_a_reader_may_not_copy_into_other_peoples_repos(hub: LiveHub, source: str, unique: str) -> None:
    copy = CommitOperationCopy(
        "w/model.safetensors", "x.safetensors", src_repo_id=source, src_repo_type="model"
    )
    hub.api("alice").create_repo(f"alice/{unique}-2")
    with pytest.raises(HfHubHTTPError, match="403"):
        hub.api("carol").create_commit(f"alice/{unique}-2", [copy], commit_message="Copy")


def _duplicate(hub: LiveHub, who: str, source: str, body: object) -> tuple[int, dict[str, object], str]:
    request = urllib.request.Request(
        f"{hub.url}/api/models/{source}/lfs-files/duplicate",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {hub.tokens[who]}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer), ""
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers.get("X-Error-Code", "")


def test_what_the_source_has_not_is_told_by_name(hub: LiveHub, source: str, unique: str) -> None:
    hub.api("carol").create_repo(f"carol/{unique}")
    (entry,) = hub.api().get_paths_info(source, "w/model.safetensors")
    assert entry.lfs is not None
    there = {"sha256": entry.lfs.sha256, "xetHash": entry.xet_hash, "filename": entry.path}
    files = [there, {**there, "xetHash": "1" * 64}, {**there, "sha256": "2" * 64}]
    target = {"type": "model", "name": f"carol/{unique}"}
    status, answer, _ = _duplicate(hub, "carol", source, {"target": target, "files": files})
    assert status == 200
    failed = answer["failed"]
    assert isinstance(failed, list)
    assert [one["sha256"] for one in failed] == [entry.lfs.sha256, "2" * 64]
    assert all("has no large file" in one["error"] for one in failed)


def test_refusals(hub: LiveHub, source: str, unique: str) -> None:
    hub.api("carol").create_repo(f"carol/{unique}")
    hub.api("alice").create_repo(f"alice/{unique}-p", private=True)
    target = {"type": "model", "name": f"carol/{unique}"}
    one = {"sha256": "1" * 64, "xetHash": "1" * 64, "filename": "w"}
    assert _duplicate(hub, "carol", f"alice/{unique}-p", {"target": target, "files": []})[::2] == (
        404,
        "RepoNotFound",
    )
    hidden = {"type": "model", "name": f"alice/{unique}-p"}
    assert _duplicate(hub, "carol", source, {"target": hidden, "files": []})[::2] == (404, "RepoNotFound")
    for body in (
        {},
        {"target": target},
        {"target": target, "files": [one] * 501},
        {"target": target, "files": [{"sha256": 5}]},
        {"target": target, "files": ["x"]},
        {"target": {"type": "bucket", "name": "a/b"}, "files": [one]},
        {"target": "x", "files": [one]},
    ):
        assert _duplicate(hub, "carol", source, body)[0] == 400


def test_a_copy_of_what_nobody_may_read_is_a_repo_nobody_knows(
    hub: LiveHub, unique: str, client_home: Path
) -> None:
    hub.api("alice").create_repo(f"alice/{unique}-s", private=True)
    hub.api("carol").create_repo(f"carol/{unique}")
    copy = CommitOperationCopy("w.bin", "x.bin", src_repo_id=f"alice/{unique}-s", src_repo_type="model")
    with pytest.raises(RepositoryNotFoundError):
        hub.api("carol").create_commit(f"carol/{unique}", [copy], commit_message="Copy")
