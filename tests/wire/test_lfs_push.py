"""Real files by the real git-lfs: up, down, stored once with Xet's, and locked."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from tests.live import LiveHub
from tests.wire.gitworld import clone, commit, git, use_lfs, with_token

pytestmark = pytest.mark.wire


@pytest.fixture
def work(hub: LiveHub, repo_id: str, tmp_path: Path) -> Path:
    """A working copy of alice's, where git-lfs is at home."""
    made = clone(hub, "alice", repo_id, tmp_path / "work")
    use_lfs(made, "*.bin")
    return made


def test_a_file_goes_up_by_git_lfs_and_comes_down_every_way(
    hub: LiveHub, repo_id: str, work: Path, tmp_path: Path, client_home: Path
) -> None:
    data = np.random.default_rng(11).bytes(3_000_000)
    oid = commit(work, "weights", model_bin=data, README_md="# Weights\n")
    git("push", cwd=work)
    api = hub.api()
    (entry,) = api.get_paths_info(repo_id, "model.bin")
    assert (entry.size, entry.lfs.size) == (3_000_000, 3_000_000)
    assert api.model_info(repo_id).sha == oid
    assert Path(api.hf_hub_download(repo_id, "model.bin")).read_bytes() == data
    git("clone", f"{hub.url}/{repo_id}", str(tmp_path / "bare"))
    assert (tmp_path / "bare" / "model.bin").read_bytes().startswith(b"version https://git-lfs")
    again = tmp_path / "again"
    git("clone", with_token(hub, "alice", repo_id), str(again))
    use_lfs(again)
    git("lfs", "pull", cwd=again, GIT_LFS_SKIP_SMUDGE="0")
    assert (again / "model.bin").read_bytes() == data


def test_git_lfs_and_xet_store_the_same_bytes_once(
    hub: LiveHub, repo_id: str, work: Path, tmp_path: Path, client_home: Path
) -> None:
    data = np.random.default_rng(12).bytes(4_000_000)
    before = hub.stored_bytes()
    commit(work, "weights", model_bin=data)
    git("push", cwd=work)
    after_git = hub.stored_bytes()
    assert after_git - before > 3_500_000
    other = hub.api().create_repo(f"{repo_id}-xet").repo_id
    (tmp_path / "model.bin").write_bytes(data)
    hub.api().upload_file(path_or_fileobj=tmp_path / "model.bin", path_in_repo="m.bin", repo_id=other)
    changed = data[:2_000_000] + b"changed" + data[2_000_000:]
    commit(work, "changed a little", model_bin=changed)
    git("push", cwd=work)
    assert hub.stored_bytes() - after_git < 600_000
    path = hub.api().hf_hub_download(repo_id, "model.bin")
    assert Path(path).read_bytes() == changed


@pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")
def test_a_file_object_of_the_client_goes_by_lfs(hub: LiveHub, repo_id: str, client_home: Path) -> None:
    data = np.random.default_rng(13).bytes(300_000)
    api = hub.api()
    api.upload_file(path_or_fileobj=io.BytesIO(data), path_in_repo="object.bin", repo_id=repo_id)
    assert Path(api.hf_hub_download(repo_id, "object.bin")).read_bytes() == data
    carol = hub.api("carol")
    more = np.random.default_rng(14).bytes(300_000)
    done = carol.upload_file(
        path_or_fileobj=io.BytesIO(more), path_in_repo="hers.bin", repo_id=repo_id, create_pr=True
    )
    path = carol.hf_hub_download(repo_id, "hers.bin", revision=done.oid)
    assert Path(path).read_bytes() == more


def test_many_files_in_one_push(hub: LiveHub, repo_id: str, work: Path, client_home: Path) -> None:
    files = {f"part{number}_bin": b"%d" % number * 100 for number in range(300)}
    commit(work, "many", **files)
    git("push", cwd=work)
    path = hub.api().hf_hub_download(repo_id, "part299.bin")
    assert Path(path).read_bytes() == files["part299_bin"]


def test_a_push_whose_objects_were_kept_back_is_refused(work: Path) -> None:
    commit(work, "weights", model_bin=np.random.default_rng(15).bytes(1000))
    said = git("push", "--no-verify", cwd=work, ok=False)  # without the hook nothing is uploaded
    assert "never uploaded to this repo" in said
    git("push", cwd=work)


def test_a_locked_file_is_its_owners(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    repo_id = hub.api().create_repo(f"team/{unique}").repo_id
    hers, his = clone(hub, "alice", repo_id, tmp_path / "a"), clone(hub, "bob", repo_id, tmp_path / "b")
    use_lfs(hers, "*.bin")
    commit(hers, "weights", model_bin=b"1" * 1000)
    git("push", cwd=hers)
    git("pull", cwd=his)
    use_lfs(his)
    assert "Locked model.bin" in git("lfs", "lock", "model.bin", cwd=hers)
    said = git("lfs", "lock", "model.bin", cwd=his, ok=False)
    assert "already created lock" in said
    assert "model.bin" in git("lfs", "locks", cwd=his)
    assert "alice" in git("lfs", "locks", cwd=his)
    git("config", "lfs.locksverify", "true", cwd=his)
    commit(his, "mine now", model_bin=b"2" * 1000)
    said = git("push", cwd=his, ok=False)
    assert "Unable to push locked files" in said
    git("lfs", "unlock", "model.bin", cwd=his, ok=False)
    git("lfs", "unlock", "--force", "model.bin", cwd=his)
    git("push", cwd=his)
    assert "model.bin" not in git("lfs", "locks", cwd=his)


def test_a_contributor_pushes_large_files_to_their_pull_request(
    hub: LiveHub, repo_id: str, tmp_path: Path, client_home: Path
) -> None:
    carol, data = hub.api("carol"), np.random.default_rng(16).bytes(50_000)
    num = carol.create_pull_request(repo_id, title="Better weights").num
    work = clone(hub, "carol", repo_id, tmp_path / "carol")
    git("fetch", "origin", f"refs/pr/{num}:mine", cwd=work)
    git("checkout", "mine", cwd=work)
    use_lfs(work)
    oid = commit(work, "Better", model_bin=data)
    said = git("push", "origin", "mine:main", cwd=work, ok=False)
    assert "write access" in said
    git("push", "origin", f"mine:refs/pr/{num}", cwd=work)
    path = hub.api().hf_hub_download(repo_id, "model.bin", revision=f"refs/pr/{num}")
    assert Path(path).read_bytes() == data
    assert hub.api().list_repo_commits(repo_id, revision=f"refs/pr/{num}")[0].commit_id == oid
