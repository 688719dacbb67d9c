"""Spaces and kernels are repos like the others, told by the unmodified stock client; nothing runs them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx2
import pytest
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RepositoryNotFoundError

from tests.live import LiveHub

pytestmark = pytest.mark.wire
SPACE = {"repo_type": "space"}


@pytest.fixture
def space(hub: LiveHub, unique: str, client_home: Path) -> str:
    return hub.api().create_repo(unique, space_sdk="gradio", **SPACE).repo_id


def test_a_space_begins_with_its_card(hub: LiveHub, unique: str, space: str) -> None:
    api = hub.api()
    assert (
        str(api.create_repo(unique, space_sdk="gradio", exist_ok=True, **SPACE))
        == f"{hub.url}/spaces/{space}"
    )
    assert api.list_repo_files(space, **SPACE) == [".gitattributes", "README.md"]
    assert [commit.title for commit in api.list_repo_commits(space, **SPACE)] == ["initial commit"]
    card = Path(api.hf_hub_download(space, "README.md", **SPACE)).read_text()
    assert card.startswith("---\ntitle: ")
    info = api.space_info(space)
    assert (info.sdk, info.author, info.private) == ("gradio", "alice", False)
    assert info.card_data is not None
    assert info.card_data["app_file"] == "app.py"
    assert info.runtime is not None
    assert info.runtime.stage == api.get_space_runtime(space).stage == "STOPPED"
    assert info.tags == ["gradio"]
    static = api.create_repo(f"{unique}-static", space_sdk="static", **SPACE).repo_id
    assert api.list_repo_files(static, **SPACE) == [".gitattributes", "README.md", "index.html", "style.css"]


def test_files_of_every_kind_go_up_and_come_back(hub: LiveHub, space: str, tmp_path: Path) -> None:
    api = hub.api()
    weights = os.urandom(120_000)
    (tmp_path / "w.bin").write_bytes(weights)
    api.upload_file(path_or_fileobj=b"print('hi')\n", path_in_repo="app.py", repo_id=space, **SPACE)
    api.upload_file(path_or_fileobj=tmp_path / "w.bin", path_in_repo="w.bin", repo_id=space, **SPACE)
    with (tmp_path / "w.bin").open("rb") as file:  # file objects travel by LFS
        api.upload_file(path_or_fileobj=file, path_in_repo="again.bin", repo_id=space.upper(), **SPACE)
    local = Path(api.snapshot_download(space, **SPACE))
    assert (local / "app.py").read_bytes() == b"print('hi')\n"
    assert (local / "w.bin").read_bytes() == (local / "again.bin").read_bytes() == weights
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "-q", f"{hub.url}/spaces/{space}", str(clone)],
        check=True, capture_output=True, env={**os.environ, "GIT_LFS_SKIP_SMUDGE": "1"},
    )  # fmt: skip
    assert (clone / "app.py").read_text() == "print('hi')\n"
    api.create_branch(space, branch="dev", **SPACE)
    assert api.revision_exists(space, "dev", **SPACE)
    api.update_repo_settings(space, visibility="private", **SPACE)
    with pytest.raises(RepositoryNotFoundError):
        hub.api("carol").space_info(space)
    api.delete_repo(space, **SPACE)
    assert not api.repo_exists(space, **SPACE)


def test_spaces_are_listed_by_what_they_use(hub: LiveHub, unique: str, space: str) -> None:
    api = hub.api()
    model = api.create_repo(f"{unique}-m").repo_id
    card = (
        f"---\nsdk: gradio\ntitle: Find {unique}\nmodels:\n- {model}\ndatasets: [x/{unique}]\n---\n# Words\n"
    )
    api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=space, **SPACE)
    for query in ({"models": model}, {"datasets": f"x/{unique}"}, {"search": unique}, {"filter": "gradio"}):
        assert space in [found.id for found in api.list_spaces(author="alice", **query)], query
    assert [found.id for found in api.list_spaces(linked=True, models=model, limit=5)] == [space]
    assert list(api.list_spaces(models=f"{model}x")) == []
    (found,) = api.list_spaces(models=model, full=True)
    assert (found.models, found.datasets, found.sdk) == ([model], [f"x/{unique}"], "gradio")
    (found,) = api.list_spaces(models=model, expand=["models", "runtime", "subdomain"])
    assert (found.models, found.subdomain) == ([model], space.lower().replace("/", "-"))
    assert api.model_info(model).spaces == [space]
    assert space in [found.id for found in api.search_spaces(f"Find {unique}")]
    assert list(api.search_spaces(unique, sdk="docker")) == []
    with pytest.raises(BadRequestError, match="cannot be expanded"):
        list(api.list_spaces(expand=["safetensors"]))
    assert api.list_space_templates() == []
    assert api.list_spaces_hardware() == []


def test_running_a_space_is_refused_in_words(hub: LiveHub, unique: str, space: str) -> None:
    api = hub.api()
    for attempt in (
        lambda: api.restart_space(space),
        lambda: api.pause_space(space),
        lambda: api.add_space_secret(space, "KEY", "value"),
        lambda: api.add_space_variable(space, "KEY", "value"),
        lambda: api.request_space_hardware(space, "t4-small"),
        lambda: api.set_space_sleep_time(space, 60),
        lambda: api.create_repo(
            f"{unique}-x", space_sdk="docker", space_secrets=[{"key": "a", "value": "b"}], **SPACE
        ),
    ):
        with pytest.raises(BadRequestError, match="stores spaces and does not run them"):
            attempt()
    assert api.get_space_variables(space) == api.get_space_secrets(space) == {}
    with pytest.raises(BadRequestError, match="'protected' hides the code of a running space"):
        api.update_repo_settings(space, visibility="protected", **SPACE)
    answer = httpx2.post(
        f"{hub.url}/api/repos/create",
        json={"name": f"{unique}-y", "type": "space"},
        headers={"Authorization": f"Bearer {hub.tokens['alice']}"},
    )
    assert answer.status_code == 400
    assert "'sdk' must be one of" in answer.json()["error"]
    with pytest.raises(HfHubHTTPError) as refusal:
        hub.api("carol").restart_space(space)
    assert refusal.value.response.status_code == 403


def test_kernels_live_below_their_own_prefix(hub: LiveHub, unique: str, client_home: Path) -> None:
    api, kernel = hub.api(), {"repo_type": "kernel"}
    made = api.create_repo(unique, **kernel)
    assert str(made) == f"{hub.url}/kernels/alice/{unique}"
    api.upload_file(path_or_fileobj=b"build = 1\n", path_in_repo="build.toml", repo_id=made.repo_id, **kernel)
    assert Path(api.hf_hub_download(made.repo_id, "build.toml", **kernel)).read_bytes() == b"build = 1\n"
    info = api.kernel_info(made.repo_id)
    assert (info.id, info.author, info.private) == (made.repo_id, "alice", False)
    assert [ref.name for ref in api.list_repo_refs(made.repo_id, **kernel).branches] == ["main"]
    api.delete_repo(made.repo_id, **kernel)
    assert not api.repo_exists(made.repo_id, **kernel)
