"""Repos move and are copied, told by the unmodified stock client."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from tests.live import LiveHub
from tests.wire.command import Command

pytestmark = pytest.mark.wire


@pytest.fixture
def repo_id(hub: LiveHub, unique: str, client_home: Path) -> str:
    made = hub.api().create_repo(unique).repo_id
    hub.api().upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=made)
    return made


@pytest.mark.parametrize("repo_type", [None, "model", "dataset"])
def test_a_repo_moves_and_its_id_is_free_again(hub: LiveHub, unique: str, repo_type: str | None) -> None:
    api = hub.api()
    old, new = f"alice/{unique}", f"alice/{unique}-new"
    for _ in range(2):
        api.create_repo(old, repo_type=repo_type)
        api.move_repo(from_id=old, to_id=new, repo_type=repo_type)
        api.delete_repo(new, repo_type=repo_type)
    assert not api.repo_exists(old, repo_type=repo_type)


def test_the_old_id_goes_on_working(hub: LiveHub, unique: str, repo_id: str, tmp_path: Path) -> None:
    api, new = hub.api(), f"team/{unique}.v2"
    api.move_repo(repo_id, new)
    assert api.model_info(repo_id).id == api.model_info(repo_id.upper()).id == new
    assert (Path(api.snapshot_download(repo_id)) / "config.json").read_bytes() == b"{}"
    assert Path(api.hf_hub_download(repo_id, "config.json")).read_bytes() == b"{}"
    done = api.upload_file(path_or_fileobj=os.urandom(50_000), path_in_repo="w.bin", repo_id=repo_id)
    assert api.list_repo_commits(new)[0].commit_id == done.oid
    text = b"a line of text\n" * 600_000  # nine megabytes, sent whole before the answer is looked at
    api.upload_file(path_or_fileobj=text, path_in_repo="long.txt", repo_id=repo_id)
    assert Path(api.hf_hub_download(repo_id, "long.txt")).read_bytes() == text
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "-q", f"{hub.url}/{repo_id}", str(clone)],
        check=True, capture_output=True, env={**os.environ, "GIT_LFS_SKIP_SMUDGE": "1"},
    )  # fmt: skip
    assert (clone / "config.json").exists()
    for method, url in (
        ("GET", f"/api/models/{repo_id}/tree/main?recursive=true"),
        ("HEAD", f"/{repo_id}/resolve/main/config.json"),
        ("GET", f"/{repo_id}.git/info/refs?service=git-upload-pack"),
        ("POST", f"/api/models/{repo_id}/paths-info/main"),
        ("GET", f"/{repo_id}/tree/main"),
        ("GET", f"/{repo_id}"),
    ):
        answer = httpx2.request(method, hub.url + url)
        assert answer.status_code == 307, url
        assert answer.headers["Location"] == url.replace(repo_id, new)


def test_moves_chain_until_another_repo_takes_the_old_id(hub: LiveHub, unique: str, repo_id: str) -> None:
    api = hub.api()
    names = [f"alice/{unique}-{number}" for number in range(3)]
    for old, new in zip([repo_id, *names], names, strict=False):
        api.move_repo(old, new)
    assert {api.model_info(name).id for name in [repo_id, *names]} == {names[-1]}
    assert api.create_repo(repo_id).repo_id == repo_id
    assert api.model_info(repo_id).id == repo_id
    assert api.model_info(names[0]).id == names[-1]
    api.move_repo(names[-1], names[0])  # back over its own trail
    assert api.model_info(names[-1]).id == names[0]
    api.move_repo(names[0], names[0].replace("alice/r", "alice/R"))
    assert api.model_info(names[0]).id.startswith("alice/R")


def test_a_moved_private_repo_is_found_by_its_people_only(hub: LiveHub, unique: str, repo_id: str) -> None:
    api, new = hub.api(), f"alice/{unique}-hidden"
    api.update_repo_settings(repo_id, visibility="private")
    api.move_repo(repo_id, new)
    assert api.model_info(repo_id).id == new
    for name in ("carol", None):
        headers = {"Authorization": f"Bearer {hub.tokens[name]}"} if name else {}
        missing = httpx2.get(f"{hub.url}/api/models/alice/{unique}-nothing", headers=headers)
        answer = httpx2.get(f"{hub.url}/api/models/{repo_id}", headers=headers)
        assert (answer.status_code, answer.content) == (missing.status_code, missing.content)
        assert httpx2.get(f"{hub.url}/{repo_id}", headers=headers).status_code == 404


def test_refused_moves_change_nothing(hub: LiveHub, unique: str, repo_id: str) -> None:
    api, other = hub.api(), hub.api().create_repo(f"{unique}-other").repo_id
    refused: list[tuple[HfApi, str, str, int, str | None]] = [
        (api, repo_id, other, 409, "A model repository called .* already exists"),
        (api, repo_id, f"carol/{unique}", 403, "don't have the rights"),
        (hub.api("carol"), repo_id, f"carol/{unique}", 403, "don't have admin access"),
        (hub.api("bob"), repo_id, f"team/{unique}", 403, None),
        (api, repo_id, "alice/bad--name", 400, "not a valid repo name"),
        (api, f"{repo_id}-none", f"alice/{unique}-b", 404, None),
    ]
    for client, source, target, status, words in refused:
        with pytest.raises(HfHubHTTPError, match=words) as refusal:
            client.move_repo(source, target)
        assert refusal.value.response.status_code == status
    assert api.model_info(repo_id).id == repo_id
    # To a namespace where one may write but not administrate.
    mine = hub.api("bob").create_repo(unique).repo_id
    with pytest.raises(HfHubHTTPError, match="don't have the rights"):
        hub.api("bob").move_repo(mine, f"team/{unique}")


def test_the_command_moves_and_copies(hub: LiveHub, unique: str, repo_id: str, hf: Command) -> None:
    new = f"alice/{unique}-cli"
    assert new in hf("repos", "move", repo_id, new)
    copy = f"team/{unique}-copy"
    assert copy in hf("repos", "duplicate", new, copy)
    assert new in hf("repos", "list", "--search", unique, "--limit", "0")
    space = f"alice/{unique}-space"
    assert space in hf("repos", "create", space, "--type", "space", "--sdk", "static")
    assert space in hf("spaces", "list", "--search", unique)
    assert "STOPPED" in hf("spaces", "info", space)
    hf("repos", "settings", space, "--type", "space", "--private")
    assert "index.html" in hf("download", space, "index.html", "--type", "space")
    assert copy in hf("repos", "list", "--namespace", "team", "--search", unique, "--limit", "0")


def test_a_copy_has_history_files_and_card_of_its_own(hub: LiveHub, unique: str, repo_id: str) -> None:
    api, weights = hub.api(), os.urandom(90_000)
    api.upload_file(path_or_fileobj=weights, path_in_repo="w.safetensors", repo_id=repo_id, revision="main")
    api.create_branch(repo_id, branch="dev")
    api.create_tag(repo_id, tag="v1", tag_message="one")
    made = hub.api("bob").duplicate_repo(repo_id, f"bob/{unique}")
    assert (made.repo_id, made.files_copy_pending) == (f"bob/{unique}", False)
    copy = hub.api("bob")
    assert [c.commit_id for c in copy.list_repo_commits(made.repo_id)] == [
        c.commit_id for c in api.list_repo_commits(repo_id)
    ]
    refs = copy.list_repo_refs(made.repo_id)
    assert ([r.name for r in refs.branches], [r.name for r in refs.tags]) == (["dev", "main"], ["v1"])
    api.delete_repo(repo_id)  # the copy stands on its own
    local = copy.hf_hub_download(made.repo_id, "w.safetensors")
    assert Path(local).read_bytes() == weights
    assert copy.duplicate_repo(made.repo_id, exist_ok=True).repo_id == made.repo_id
    with pytest.raises(HfHubHTTPError) as refusal:
        copy.duplicate_repo(made.repo_id, f"bob/{unique.upper()}")
    assert refusal.value.response.status_code == 409
    hidden = copy.duplicate_repo(made.repo_id, f"bob/{unique}-p", private=True).repo_id
    assert copy.model_info(hidden).private


def test_a_copied_space_lists_the_same_files(hub: LiveHub, unique: str, client_home: Path) -> None:
    api = hub.api()
    source = api.create_repo(unique, repo_type="space", space_sdk="static").repo_id
    api.upload_file(
        path_or_fileobj=b"data", path_in_repo="temp/new_file.md", repo_id=source, repo_type="space"
    )
    copy = hub.api("carol").duplicate_repo(source, repo_type="space").repo_id
    assert copy == f"carol/{unique}"
    listed = hub.api("carol").list_repo_files(copy, repo_type="space")
    assert listed == api.list_repo_files(source, repo_type="space")
    assert listed == [".gitattributes", "README.md", "index.html", "style.css", "temp/new_file.md"]


def test_copies_of_what_one_may_not_read_are_refused(hub: LiveHub, unique: str, repo_id: str) -> None:
    api, carol = hub.api(), hub.api("carol")
    with pytest.raises(RepositoryNotFoundError):
        carol.duplicate_repo(f"alice/{unique}-none")
    with pytest.raises(HfHubHTTPError, match="don't have the rights"):
        carol.duplicate_repo(repo_id, f"alice/{unique}-c")
    api.update_repo_settings(repo_id, gated="manual")
    with pytest.raises(GatedRepoError):
        carol.duplicate_repo(repo_id)
    api.update_repo_settings(repo_id, gated=False, visibility="private")
    with pytest.raises(RepositoryNotFoundError):
        carol.duplicate_repo(repo_id)
    assert not carol.repo_exists(f"carol/{unique}")
    assert api.duplicate_repo(repo_id, f"alice/{unique}-mine").repo_id == f"alice/{unique}-mine"
    assert api.model_info(f"alice/{unique}-mine").private
