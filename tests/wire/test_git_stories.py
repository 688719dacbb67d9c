"""Clone and fetch with the real git; what it may not do, it is told in words."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.live import LiveHub

pytestmark = pytest.mark.wire


def git(*words: str, cwd: Path | None = None, ok: bool = True, **variables: str) -> str:
    """What git prints, run as on a machine without any configuration or saved password."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_LFS_SKIP_SMUDGE": "1", **variables,
    }  # fmt: skip
    done = subprocess.run(
        ["git", *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def with_token(hub: LiveHub, name: str, path: str) -> str:
    return f"{hub.url.replace('://', f'://{name}:{hub.tokens[name]}@')}/{path}"


def test_a_repo_made_by_the_client_is_cloned_and_fetched(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    api = hub.api()
    repo_id = api.create_repo(unique).repo_id
    api.upload_file(path_or_fileobj=b"one", path_in_repo="dir/a #b.txt", repo_id=repo_id)
    work = tmp_path / "work"
    git("clone", f"{hub.url}/{repo_id}", str(work))
    assert (work / "dir/a #b.txt").read_bytes() == b"one"
    done = api.upload_file(path_or_fileobj=b"two", path_in_repo="dir/a #b.txt", repo_id=repo_id)
    api.create_tag(repo_id, tag="v1")
    git("pull", "--tags", cwd=work)
    assert (work / "dir/a #b.txt").read_bytes() == b"two"
    assert git("rev-parse", "v1", cwd=work).strip() == done.oid
    assert "error" not in git("fsck", "--strict", cwd=work)
    log = git("log", "--format=%an|%s", cwd=work).splitlines()
    assert log[0] == "alice|Upload dir/a #b.txt with huggingface_hub"


def test_every_form_of_the_address_and_of_the_protocol(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    repo_id = hub.api().create_repo(unique, repo_type="dataset").repo_id
    url = f"{hub.url}/datasets/{repo_id}"
    for number, (address, version) in enumerate([(url, "0"), (f"{url}.git", "1"), (f"{url}.git", "2")]):
        git("-c", f"protocol.version={version}", "clone", address, str(tmp_path / str(number)))
        assert (tmp_path / str(number) / ".gitattributes").exists()
    git("clone", "--depth", "1", url, str(tmp_path / "shallow"))
    git("clone", "--filter=blob:none", "--no-checkout", url, str(tmp_path / "partial"))


def test_a_long_negotiation_arrives_compressed_and_chunked(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    """git gzips what it has, and sends what is over http.postBuffer in chunks of unannounced length."""
    api = hub.api()
    repo_id = api.create_repo(unique).repo_id
    work = tmp_path / "work"
    git("clone", f"{hub.url}/{repo_id}", str(work))
    who = "committer x <x@example.org> {} +0000\ndata 1\nx\n"
    local = ["commit refs/heads/local\n" + who.format(2_000_000_000 + number) for number in range(3000)]
    subprocess.run(["git", "fast-import", "--quiet"], cwd=work, input="".join(local), text=True, check=True)
    ways = [("0", "65600", "transfer-encoding: chunked"), ("0", "1000000", "content-encoding: gzip")]
    for version, buffer, header in [*ways, ("2", "1000000", "git-protocol: version=2")]:
        done = api.upload_file(path_or_fileobj=header.encode(), path_in_repo=version, repo_id=repo_id)
        settings = ("-c", f"protocol.version={version}", "-c", f"http.postBuffer={buffer}")
        said = git(*settings, "fetch", "origin", cwd=work, GIT_TRACE_CURL="1", GIT_TRACE_CURL_NO_DATA="1")
        assert header in said.lower()
        assert git("rev-parse", "origin/main", cwd=work).strip() == done.oid


def test_a_private_repo_asks_for_a_token(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    repo_id = hub.api().create_repo(unique, visibility="private").repo_id
    said = git("clone", f"{hub.url}/{repo_id}", str(tmp_path / "a"), ok=False)
    assert "could not read Username" in said
    said = git("clone", with_token(hub, "carol", repo_id), str(tmp_path / "b"), ok=False)
    assert "not found" in said.lower()
    git("clone", with_token(hub, "alice", repo_id), str(tmp_path / "c"))
    missing = git("clone", with_token(hub, "alice", "alice/nowhere"), str(tmp_path / "d"), ok=False)
    assert "not found" in missing.lower()
    wrong = f"{hub.url.replace('://', '://alice:hf_wrong@')}/{repo_id}"
    assert "Authentication failed" in git("clone", wrong, str(tmp_path / "e"), ok=False)


def test_a_push_is_refused_in_words_and_changes_nothing(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    api = hub.api()
    repo_id = api.create_repo(unique).repo_id
    work = tmp_path / "work"
    git("clone", with_token(hub, "alice", repo_id), str(work))
    (work / "x").write_text("x")
    git("add", "x", cwd=work)
    git("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-m", "x", cwd=work)
    said = git("push", cwd=work, ok=False)
    assert "does not take pushes by git yet" in said
    assert api.list_repo_files(repo_id) == [".gitattributes"]
