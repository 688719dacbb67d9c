"""Repos come, change and go, told by the unmodified stock client."""

from __future__ import annotations

import warnings
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
)

from tests.live import LiveHub, fresh_token

pytestmark = pytest.mark.wire


def test_who_am_i(hub: LiveHub) -> None:
    me = hub.api().whoami()
    assert (me["name"], me["type"]) == ("alice", "user")
    assert [(org["name"], org["roleInOrg"]) for org in me["orgs"]] == [("team", "admin")]
    assert me["auth"]["accessToken"]["role"] == "write"
    with pytest.raises(HfHubHTTPError) as refusal:
        HfApi(endpoint=hub.url, token=fresh_token()).whoami()
    assert refusal.value.response.status_code == 401


def test_people_and_organizations(hub: LiveHub) -> None:
    overview = hub.api("carol").get_user_overview("alice")
    assert (overview.username, overview.fullname) == ("alice", "alice")
    assert hub.api(None).get_organization_overview("team").name == "team"
    assert sorted(user.username for user in hub.api().list_organization_members("team")) == ["alice", "bob"]
    with pytest.raises(HfHubHTTPError, match="There is no user named 'nobody'"):
        hub.api().get_user_overview("nobody")


def test_create_exist_ok_and_delete(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    made = api.create_repo(unique)
    assert (made.repo_id, made.endpoint, made.repo_type) == (f"alice/{unique}", hub.url, "model")
    assert str(made) == f"{hub.url}/alice/{unique}"
    assert api.create_repo(unique.upper(), exist_ok=True).repo_id == made.repo_id
    with pytest.raises(HfHubHTTPError, match="You already created this model repo") as refusal:
        api.create_repo(unique)
    assert refusal.value.response.status_code == 409
    data = api.create_repo(unique, repo_type="dataset")
    assert str(data) == f"{hub.url}/datasets/alice/{unique}"
    api.delete_repo(made.repo_id)
    assert not api.repo_exists(made.repo_id)
    assert api.repo_exists(made.repo_id, repo_type="dataset")
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(made.repo_id)
    api.delete_repo(made.repo_id, missing_ok=True)


def test_a_fresh_repo_has_one_commit_and_its_rules(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    repo_id = api.create_repo(unique).repo_id
    assert api.list_repo_files(repo_id) == [".gitattributes"]
    assert [commit.title for commit in api.list_repo_commits(repo_id)] == ["initial commit"]
    assert api.list_repo_commits(repo_id)[0].authors == ["alice"]
    info = api.model_info(repo_id)
    assert info.sha == api.list_repo_commits(repo_id)[0].commit_id
    assert (info.author, info.private, info.gated) == ("alice", False, False)


def test_creating_where_one_may_not(hub: LiveHub, unique: str) -> None:
    for name in (f"carol/{unique}", f"nobody/{unique}"):
        with pytest.raises(HfHubHTTPError, match="You don't have the rights to create") as refusal:
            hub.api("alice").create_repo(name)
        assert refusal.value.response.status_code == 403
    assert hub.api("bob").create_repo(f"team/{unique}").repo_id == f"team/{unique}"
    with pytest.raises(HfHubHTTPError, match="don't have admin access"):
        hub.api("bob").delete_repo(f"team/{unique}")


def test_a_private_repo_looks_missing_to_others(hub: LiveHub, unique: str) -> None:
    repo_id = hub.api().create_repo(unique, visibility="private").repo_id
    assert hub.api().model_info(repo_id).private
    for stranger in (hub.api("carol"), hub.api(None)):
        assert not stranger.repo_exists(repo_id)
        with pytest.raises(RepositoryNotFoundError, match="Repository Not Found"):
            stranger.model_info(repo_id)
        with pytest.raises(RepositoryNotFoundError):
            stranger.hf_hub_download(repo_id, ".gitattributes")
        with pytest.raises(RepositoryNotFoundError):
            stranger.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo_id)
    hub.api().update_repo_settings(repo_id, visibility="public")
    assert hub.api(None).repo_exists(repo_id)


def test_access_probes(hub: LiveHub, unique: str) -> None:
    repo_id = hub.api().create_repo(unique).repo_id
    hub.api(None).auth_check(repo_id)
    hub.api().auth_check(repo_id, write=True)
    with pytest.raises(HfHubHTTPError) as refusal:
        hub.api("carol").auth_check(repo_id, write=True)
    assert refusal.value.response.status_code == 403
    with pytest.raises(RepositoryNotFoundError):
        hub.api("carol").auth_check(f"alice/{unique}x")


def test_a_gated_repo_is_known_but_closed(hub: LiveHub, unique: str, client_home: Path) -> None:
    repo_id = hub.api().create_repo(unique).repo_id
    hub.api().update_repo_settings(repo_id, gated="manual")
    assert hub.api("carol").model_info(repo_id).gated == "manual"
    for stranger in (hub.api("carol"), hub.api(None)):
        with pytest.raises(GatedRepoError, match=f"Access to model {repo_id} is restricted"):
            stranger.hf_hub_download(repo_id, ".gitattributes")
        with pytest.raises(GatedRepoError):
            stranger.auth_check(repo_id)
    assert Path(hub.api().hf_hub_download(repo_id, ".gitattributes")).exists()


def test_a_card_is_validated_before_it_is_committed(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    repo_id = api.create_repo(unique).repo_id
    with pytest.raises(ValueError, match=r"Invalid metadata in README\.md"):
        api.upload_file(
            path_or_fileobj=b"---\nlicense: [not closed\n---\n", path_in_repo="README.md", repo_id=repo_id
        )
    assert "README.md" not in api.list_repo_files(repo_id)
    with pytest.warns(UserWarning, match=r"Warnings while validating metadata in README\.md"):
        api.upload_file(path_or_fileobj=b"# No metadata", path_in_repo="README.md", repo_id=repo_id)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = b"---\nlicense: mit\ntags:\n- vision\n---\n# Fine\n"
        api.upload_file(path_or_fileobj=text, path_in_repo="README.md", repo_id=repo_id)
    info = api.model_info(repo_id)
    assert info.card_data is not None
    assert info.card_data.license == "mit"
    assert info.tags is not None
    assert "vision" in info.tags
    assert "Fine" in ModelCard.load(Path(api.hf_hub_download(repo_id, "README.md"))).text


def test_what_this_hub_does_not_serve_is_said_so(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    repo_id = api.create_repo(unique).repo_id
    answer = httpx2.get(f"{hub.url}/api/models/{repo_id}/parquet/default")
    assert answer.status_code == 404
    assert answer.json()["error"] == "This hub does not serve 'parquet/default' for a repo."
    assert "X-Error-Code" not in answer.headers
