"""What there is and what it takes up: tags by type, one's own repos, settings, download counts."""

from __future__ import annotations

import time
from pathlib import Path

import httpx2
import pytest
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RepositoryNotFoundError

from tests.live import LiveHub

pytestmark = pytest.mark.wire


def test_tags_by_type(hub: LiveHub, unique: str, client_home: Path) -> None:
    api = hub.api()
    model, hidden = api.create_repo(unique).repo_id, api.create_repo(f"{unique}-p", private=True).repo_id
    card = "---\nlicense: mit\nlibrary_name: timm\nlanguage: en\ntags: [{}]\ndatasets: [a/{}]\n---\n# Net\n"
    for repo_id, name in ((model, unique), (hidden, f"{unique}-secret")):
        api.upload_file(
            path_or_fileobj=card.format(name, name).encode(), path_in_repo="README.md", repo_id=repo_id
        )
    tags = api.get_model_tags()
    assert {"license", "library", "pipeline_tag", "language", "dataset", "other"} <= set(tags)
    assert {"id": "license:mit", "label": "mit", "type": "license"} in tags["license"]
    assert {"id": "timm", "label": "timm", "type": "library"} in tags["library"]
    assert {"id": "en", "label": "en", "type": "language"} in tags["language"]
    assert f"dataset:a/{unique}" in [tag["id"] for tag in tags["dataset"]]
    assert "image-classification" in [tag["id"] for tag in tags["pipeline_tag"]]
    assert unique in [tag["id"] for tag in tags["other"]]
    assert f"{unique}-secret" not in str(tags)
    found = api.get_dataset_tags()
    assert "task_categories:image-classification" in [tag["id"] for tag in found["task_categories"]]


def test_ones_own_repos_and_their_sizes(hub: LiveHub, unique: str, client_home: Path) -> None:
    api = hub.api("carol")
    model = api.create_repo(unique).repo_id
    data = api.create_repo(unique, repo_type="dataset", private=True).repo_id
    api.upload_file(path_or_fileobj=b"x" * 5000, path_in_repo="w.bin", repo_id=model)
    mine = {(repo.id, repo.type): repo for repo in api.list_user_repos()}
    assert mine[model, "model"].storage > 5000
    assert mine[data, "dataset"].visibility == "private"
    assert 0 < mine[model, "model"].storage_percent <= 100
    assert not [repo for repo in api.list_user_repos() if not repo.id.startswith("carol/")]
    team = hub.api("alice").create_repo(f"team/{unique}").repo_id
    assert team in [repo.id for repo in hub.api("bob").list_user_repos("team")]
    for client, words in ((hub.api("carol"), "not a member of team"), (hub.api(None), "Invalid username")):
        with pytest.raises(HfHubHTTPError, match=words):
            list(client.list_user_repos("team"))
    with pytest.raises(HfHubHTTPError, match="no organization named"):
        list(api.list_user_repos("alice"))


def test_settings_are_echoed(hub: LiveHub, unique: str) -> None:
    repo_id = hub.api().create_repo(unique).repo_id
    url = f"{hub.url}/api/models/{repo_id.upper()}/settings"
    headers = {"Authorization": f"Bearer {hub.tokens['alice']}"}
    body = {"gated": "auto", "visibility": "private", "discussionsDisabled": True}
    assert httpx2.put(url, json=body, headers=headers).json() == {**body, "private": True}
    again = httpx2.put(url, json={"gated": False, "private": False}, headers=headers).json()
    assert again == {"gated": False, "visibility": "public", "private": False, "discussionsDisabled": True}
    for bad in (
        {"discussionsDisabled": "no"},
        {"visibility": "protected"},
        {"gated": "maybe"},
        {"xetEnabled": False},
    ):
        assert httpx2.put(url, json=bad, headers=headers).status_code == 400
    assert httpx2.put(url, json={"xetEnabled": True}, headers=headers).status_code == 200


def test_security_status_claims_nothing(hub: LiveHub, unique: str) -> None:
    repo_id = hub.api().create_repo(unique).repo_id
    info = hub.api().model_info(repo_id, securityStatus=True)
    assert info.security_repo_status == {"scansDone": False, "filesWithIssues": []}
    assert hub.api().model_info(repo_id).security_repo_status is None


def test_ids_have_no_case_and_old_ids_no_namespace(hub: LiveHub, unique: str, client_home: Path) -> None:
    api = hub.api()
    repo_id = api.create_repo(f"{unique}Mixed").repo_id
    loud = repo_id.upper()
    api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id=loud)
    assert Path(api.hf_hub_download(loud, "a.txt")).read_bytes() == b"1"
    assert api.model_info(loud).id == repo_id
    assert httpx2.get(f"{hub.url}/{loud}.git/info/refs?service=git-upload-pack").status_code == 200
    for attempt in (
        lambda: api.model_info("gpt2"),
        lambda: api.hf_hub_download("gpt2", "config.json"),
        lambda: list(api.list_repo_tree("gpt2")),
        lambda: api.list_repo_commits("gpt2"),
        lambda: api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="gpt2"),
    ):
        with pytest.raises(RepositoryNotFoundError):
            attempt()
    with pytest.raises(BadRequestError, match="cannot be expanded"):
        api.model_info(repo_id, expand=["nonsense"])
    with pytest.raises(BadRequestError, match="Cannot sort by"):
        list(api.list_models(sort="beauty"))


def test_the_last_commit_of_each_path(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    repo_id = api.create_repo(unique).repo_id
    made = {
        path: api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo_id).oid
        for path, content in (("a.txt", b"1"), ("sub/b.txt", b"2"), ("sub/c.txt", b"3"))
    }
    changed = api.upload_file(path_or_fileobj=b"4", path_in_repo="a.txt", repo_id=repo_id).oid
    tree = api.list_repo_tree(repo_id, recursive=True, expand=True)
    last = {entry.path: entry.last_commit.oid for entry in tree if entry.last_commit}
    assert last == {
        ".gitattributes": api.list_repo_commits(repo_id)[-1].commit_id,
        "a.txt": changed,
        "sub": made["sub/c.txt"],
        "sub/b.txt": made["sub/b.txt"],
        "sub/c.txt": made["sub/c.txt"],
    }
    (info,) = api.get_paths_info(repo_id, "sub/b.txt", expand=True)
    assert info.last_commit is not None
    assert info.last_commit.title == "Upload sub/b.txt with huggingface_hub"


def count(hub: LiveHub) -> None:
    """What the hub's worker does every minute, done now for the minute that is running."""
    code = (
        "from datetime import timedelta; from django.utils import timezone;"
        "from models_app.actions.downloads import count_downloads;"
        "print(count_downloads(timezone.now() + timedelta(seconds=70)))"
    )
    hub.manage("shell", "-v", "0", "-c", code)


def test_downloads_are_counted_once_a_client(
    hub: LiveHub, unique: str, tmp_path: Path, client_home: Path
) -> None:
    api = hub.api()
    model, data = api.create_repo(unique).repo_id, api.create_repo(unique, repo_type="dataset").repo_id
    api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=model)
    for name, home in (("alice", "1"), ("bob", "2"), (None, "3")):
        hub.api(name).snapshot_download(model, cache_dir=tmp_path / home)
        hub.api(name).hf_hub_download(data, ".gitattributes", repo_type="dataset", cache_dir=tmp_path / home)
    url = f"{hub.url}/{model}/resolve/main/config.json"
    assert httpx2.get(url, headers={"User-Agent": "Mozilla/5.0 (a crawler)"}).status_code == 200
    assert httpx2.get(url, headers={"User-Agent": ""}).status_code == 200
    time.sleep(0.1)
    count(hub)
    info = api.model_info(model, expand=["downloads", "downloadsAllTime"])
    assert (info.downloads, info.downloads_all_time) == (3, 3)
    assert api.dataset_info(data).downloads == 3
    hub.api().hf_hub_download(data, ".gitattributes", repo_type="dataset", cache_dir=tmp_path / "4")
    count(hub)
    assert api.dataset_info(data).downloads == 3
    assert [repo.id for repo in api.list_models(search=unique, sort="downloads")] == [model]
