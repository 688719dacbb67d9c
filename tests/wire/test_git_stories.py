"""Clone and fetch with the real git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.live import LiveHub
from tests.wire.gitworld import git, with_token

pytestmark = pytest.mark.wire


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


def test_a_pull_request_can_be_fetched(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    api = hub.api()
    repo_id = api.create_repo(unique).repo_id
    done = hub.api("carol").upload_file(
        path_or_fileobj=b"better", path_in_repo="a.txt", repo_id=repo_id, create_pr=True
    )
    work = tmp_path / "work"
    git("clone", f"{hub.url}/{repo_id}", str(work))
    git("fetch", "origin", "refs/pr/1:pr/1", cwd=work)
    assert git("rev-parse", "pr/1", cwd=work).strip() == done.oid
    assert git("show", "pr/1:a.txt", cwd=work) == "better"


def test_what_a_partial_clone_left_out_is_fetched_when_it_is_needed(
    hub: LiveHub, unique: str, tmp_path: Path
) -> None:
    api = hub.api()
    repo_id = api.create_repo(unique).repo_id
    for number in range(2):
        api.upload_file(path_or_fileobj=b"%d" % number, path_in_repo="a.txt", repo_id=repo_id)
    for version in ("0", "2"):
        work = tmp_path / version
        settings = ("-c", f"protocol.version={version}")
        git(*settings, "clone", "--filter=blob:none", "--no-checkout", f"{hub.url}/{repo_id}", str(work))
        assert git(*settings, "show", "HEAD~1:a.txt", cwd=work) == "0"
