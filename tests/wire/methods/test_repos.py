"""Repos: made, known, changed, moved, copied, removed."""

from __future__ import annotations

from typing import Any

import pytest
from huggingface_hub import DatasetInfo, KernelInfo, ModelInfo, SpaceInfo
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from tests.wire.methods.register import People, tries

pytestmark = pytest.mark.wire
KINDS = ("model", "dataset", "space", "kernel")


@tries("create_repo", "delete_repo", "repo_exists", "repo_info")
@pytest.mark.parametrize("kind", KINDS)
def test_a_repo_of_each_type_comes_and_goes(people: People, unique: str, kind: str) -> None:
    api, words = people(), {"repo_type": kind}
    sdk = {"space_sdk": "static"} if kind == "space" else {}
    url = api.create_repo(unique, visibility="private", **words, **sdk)
    assert (url.repo_id, url.namespace, url.repo_name, url.repo_type) == (
        f"alice/{unique}",
        "alice",
        unique,
        kind,
    )
    assert api.create_repo(unique, exist_ok=True, **words, **sdk) == url
    assert api.repo_exists(url.repo_id, **words)
    assert not people(None).repo_exists(url.repo_id, **words)
    found = api.repo_info(url.repo_id, **words)
    assert (found.id, found.private, found.author) == (url.repo_id, True, "alice")
    with pytest.raises(HfHubHTTPError, match="already created this") as taken:
        api.create_repo(unique, **words, **sdk)
    assert taken.value.response.status_code == 409
    api.delete_repo(url.repo_id, **words)
    assert not api.repo_exists(url.repo_id, **words)
    with pytest.raises(RepositoryNotFoundError, match=r"Request ID: [\s\S]*Repository Not Found"):
        api.delete_repo(url.repo_id, **words)
    api.delete_repo(url.repo_id, missing_ok=True, **words)


@tries("create_repo")
def test_exist_ok_is_about_other_peoples_repos_too(people: People, unique: str) -> None:
    theirs = people("carol").create_repo(unique, repo_type="dataset")
    mine = people().create_repo(theirs.repo_id, repo_type="dataset", exist_ok=True)
    assert (mine.repo_id, mine.repo_type) == (theirs.repo_id, "dataset")


@tries("model_info", "dataset_info", "space_info", "kernel_info")
def test_what_is_known_of_each_type(people: People, unique: str) -> None:
    api = people()
    for kind, ask, answer in (
        ("model", api.model_info, ModelInfo),
        ("dataset", api.dataset_info, DatasetInfo),
        ("space", api.space_info, SpaceInfo),
        ("kernel", api.kernel_info, KernelInfo),
    ):
        sdk = {"space_sdk": "gradio"} if kind == "space" else {}
        repo_id = api.create_repo(f"{unique}-{kind}", repo_type=kind, **sdk).repo_id
        found = ask(repo_id)
        assert isinstance(found, answer)
        assert (found.id, found.private, found.likes) == (repo_id, False, 0)
        assert ask(repo_id, revision="main").sha == found.sha
        with pytest.raises(HfHubHTTPError) as missing:
            ask(repo_id, revision="nope")
        assert missing.value.response.status_code == 404
        with pytest.raises(RepositoryNotFoundError):
            ask(f"{repo_id}-not")


@tries("model_info")
def test_options_of_info(people: People, model: str) -> None:
    api = people()
    api.upload_file(path_or_fileobj=b"w" * 20_000, path_in_repo="w.bin", repo_id=model)
    files = {file.rfilename: file for file in api.model_info(model, files_metadata=True).siblings}
    assert (files["w.bin"].size, files["w.bin"].lfs["size"]) == (20_000, 20_000)
    assert (files[".gitattributes"].lfs, len(files[".gitattributes"].blob_id)) == (None, 40)
    assert api.model_info(model, securityStatus=True).security_repo_status == {
        "scansDone": False,
        "filesWithIssues": [],
    }
    only = api.model_info(model, expand=["author", "downloadsAllTime"])
    assert (only.author, only.downloads_all_time, only.downloads, only.created_at) == ("alice", 0, None, None)
    with pytest.raises(HfHubHTTPError, match="cannot be expanded") as refusal:
        api.model_info(model, expand=["foo"])
    assert refusal.value.response.status_code == 400


@tries("revision_exists", "file_exists")
def test_whether_something_is_there(people: People, model: str) -> None:
    api, stranger = people(), people(None)
    api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id=model)
    assert api.revision_exists(model, "main")
    assert not api.revision_exists(model, "nope")
    assert api.file_exists(model, "a.txt")
    assert not api.file_exists(model, "b.txt")
    assert not api.file_exists(model, "a.txt", revision="nope")
    assert not api.file_exists("nobody-has-this", "a.txt")
    api.update_repo_settings(model, private=True)
    assert not stranger.revision_exists(model, "main")
    assert not stranger.file_exists(model, "a.txt")


@tries("update_repo_settings", "auth_check")
def test_settings_and_who_may_pass(people: People, model: str) -> None:
    api, carol = people(), people("carol")
    carol.auth_check(model)
    with pytest.raises(HfHubHTTPError) as refusal:
        carol.auth_check(model, write=True)
    assert refusal.value.response.status_code == 403
    for gated, private in (("manual", True), ("auto", False), (False, False)):
        api.update_repo_settings(model, gated=gated, private=private)
        found = api.model_info(model)
        assert (found.gated, found.private) == (gated, private)
        api.auth_check(model, write=True)
        if gated and not private:
            with pytest.raises(GatedRepoError):
                carol.auth_check(model)
    api.update_repo_settings(model, visibility="private")
    with pytest.raises(RepositoryNotFoundError):
        carol.auth_check(model)


@tries("move_repo")
def test_a_repo_moves(people: People, model: str, unique: str) -> None:
    api = people()
    api.move_repo(model, f"team/{unique}")
    assert api.model_info(model).id == f"team/{unique}"
    other = api.create_repo(f"{unique}-2").repo_id
    with pytest.raises(HfHubHTTPError, match=r"A model repository called .* already exists"):
        api.move_repo(other, f"team/{unique}")


@tries("duplicate_repo")
def test_a_repo_is_copied_with_its_history(people: People, model: str, unique: str) -> None:
    api = people()
    api.upload_file(path_or_fileobj=b"w" * 20_000, path_in_repo="w.bin", repo_id=model)
    made = api.duplicate_repo(model, f"{unique}-copy", visibility="private")
    assert (made.repo_id, made.files_copy_pending) == (f"alice/{unique}-copy", False)
    assert api.model_info(made.repo_id).private
    assert [one.title for one in api.list_repo_commits(made.repo_id)][-1] == "initial commit"
    assert api.duplicate_repo(model, made.repo_id, exist_ok=True).repo_id == made.repo_id
    with pytest.raises(HfHubHTTPError) as taken:
        api.duplicate_repo(model, made.repo_id)
    assert taken.value.response.status_code == 409


@tries("list_user_repos", "get_full_repo_name")
def test_what_one_owns(people: People, model: str, unique: str) -> None:
    api = people()
    mine: dict[str, Any] = {repo.id: repo for repo in api.list_user_repos()}
    assert (mine[model].type, mine[model].visibility) == ("model", "public")
    assert api.get_full_repo_name(unique) == model
    assert api.get_full_repo_name(unique, organization="team") == f"team/{unique}"
