"""The stock `hf` command and timm, in processes of their own, with nothing but HF_ENDPOINT and a token."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.live import LiveHub
from tests.wire.command import Command

pytestmark = pytest.mark.wire


def test_upload_download_and_verify_by_command(
    hub: LiveHub, unique: str, tmp_path: Path, hf: Command
) -> None:
    assert "alice" in hf("auth", "whoami")
    repo_id = f"alice/{unique}"
    assert unique in hf("repos", "create", unique)
    source = tmp_path / "up"
    (source / "sub").mkdir(parents=True)
    (source / "w.safetensors").write_bytes(os.urandom(70_000))
    (source / "sub" / "a b.txt").write_text("text")
    assert unique in hf("upload", repo_id, str(source), ".")
    hf("download", repo_id, "--local-dir", str(tmp_path / "down"))
    for name in ("w.safetensors", "sub/a b.txt"):
        assert (tmp_path / "down" / name).read_bytes() == (source / name).read_bytes()
    hf("download", repo_id)
    assert "verified" in hf("cache", "verify", repo_id).lower()
    hf("repos", "branch", "create", repo_id, "dev")
    hf("repos", "tag", "create", repo_id, "v1", "--revision", "dev")
    assert "v1" in hf("repos", "tag", "list", repo_id)
    hf("repos", "delete", repo_id, "--yes")
    assert "not found" in hf("repos", "tag", "list", repo_id, ok=False).lower()


def test_a_run_token_reaches_what_it_lists_and_nothing_else(hub: LiveHub, unique: str) -> None:
    """What a worker is given: write one target, read the base; it deletes nothing and creates nothing."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    api = hub.api()
    target, base, other = (
        api.create_repo(f"{unique}-{part}", visibility="private").repo_id
        for part in ("target", "base", "other")
    )
    scopes = f"{{'repos': {{'model:{target}': 'write', 'model:{base}': 'read'}}, 'run': 'x', 'attempt': 1}}"
    text = hub.manage(
        "shell", "-v", "0", "-c",
        "from accounts.models import User; from accounts.tokens import mint_token;"
        "alice = User.objects.get(username='alice');"
        f"print(mint_token(alice, name='run', role='fineGrained', scopes={scopes})[1])",
    ).strip().splitlines()[-1]  # fmt: skip
    worker = HfApi(endpoint=hub.url, token=text)
    assert worker.whoami()["name"] == "alice"
    assert worker.create_repo(target, exist_ok=True).repo_id == target
    worker.upload_file(path_or_fileobj=os.urandom(2000), path_in_repo="model.safetensors", repo_id=target)
    assert worker.list_repo_files(base) == [".gitattributes"]
    with pytest.raises(HfHubHTTPError) as refusal:
        worker.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=base)
    assert refusal.value.response.status_code == 403
    with pytest.raises(RepositoryNotFoundError):
        worker.model_info(other)
    for forbidden in (
        lambda: worker.delete_repo(target),
        lambda: worker.update_repo_settings(target, visibility="public"),
        lambda: worker.create_repo(f"{unique}-new"),
    ):
        with pytest.raises(HfHubHTTPError) as refusal:
            forbidden()
        assert refusal.value.response.status_code == 403


def test_discussions_by_command(hub: LiveHub, unique: str, tmp_path: Path, hf: Command) -> None:
    repo_id = hub.api().create_repo(unique).repo_id
    (tmp_path / "a.txt").write_text("offered\n")
    words = ("discussions", "create", repo_id)
    assert "#1" in hf(*words, "--title", "A question", "--body", "Why?")
    assert "refs/pr/2" in hf(*words, "--title", "A change", "--pull-request")
    hf("upload", repo_id, "a.txt", "--revision", "refs/pr/2")
    listed = hf("discussions", "list", repo_id)
    assert "A question" in listed
    assert "A change" in listed
    assert "A change" in hf("discussions", "list", repo_id, "--status", "draft", "--kind", "pull_request")
    assert "+offered" in hf("discussions", "diff", repo_id, "2")
    assert "draft" in hf("discussions", "merge", repo_id, "2", "--yes", ok=False)
    hf("discussions", "reopen", repo_id, "2", "--yes")
    hf("discussions", "merge", repo_id, "2", "--yes", "--comment", "Thanks")
    hf("discussions", "comment", repo_id, "1", "--body", "Because.")
    hf("discussions", "rename", repo_id, "1", "An answered question")
    hf("discussions", "close", repo_id, "1", "--yes")
    told = hf("discussions", "info", repo_id, "1")
    assert "An answered question" in told
    assert "closed" in told
    assert "A change" in hf("discussions", "list", repo_id, "--status", "merged")
    assert hub.api().file_exists(repo_id, "a.txt")


def test_collections_by_command(hub: LiveHub, unique: str, hf: Command) -> None:
    hub.api().create_repo(unique)
    slug = hub.api().create_collection(unique).slug
    assert slug in hf("collections", "create", unique, "--exists-ok")
    assert slug in hf("collections", "add-item", slug, f"alice/{unique}", "model", "--note", "Start here")
    told = hf("collections", "info", slug)
    assert "Start here" in told
    words = ("--owner", "alice", "--item", f"models/alice/{unique}", "--no-truncate")
    listed = hf("collections", "ls", *words)
    assert unique in listed
    hf("collections", "update", slug, "--theme", "green", "--private")
    assert hub.api().get_collection(slug).theme == "green"
    hf("collections", "delete", slug)
    hf("collections", "delete", slug, ok=False)
    hf("collections", "delete", slug, "--missing-ok")
