"""Push with the real git: branches, tags, pull requests, and what is refused in words."""

from __future__ import annotations

import hashlib
import re
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub.errors import RevisionNotFoundError

from models_app.storage.gittidy import tidy
from tests.live import LiveHub
from tests.wire.gitworld import clone, commit, git, with_token

pytestmark = pytest.mark.wire
CARD = "---\nlicense: mit\ntags: [pushed]\npipeline_tag: text-classification\n---\n# Pushed\n"


@pytest.fixture
def work(hub: LiveHub, repo_id: str, tmp_path: Path) -> Path:
    """A working copy of alice's."""
    return clone(hub, "alice", repo_id, tmp_path / "work")


def test_a_push_and_a_commit_by_the_client_see_each_other_at_once(
    hub: LiveHub, repo_id: str, work: Path
) -> None:
    api = hub.api()
    oid = commit(work, "Say what it is", README_md=CARD, dir__a_txt="one")
    assert "main -> main" in git("push", cwd=work)
    info = api.model_info(repo_id)
    assert (info.sha, info.pipeline_tag) == (oid, "text-classification")
    assert "pushed" in (info.tags or [])
    assert [found.id for found in api.list_models(filter="pushed", author="alice", search=repo_id[6:])] == [
        repo_id
    ]
    assert [one.title for one in api.list_repo_commits(repo_id)][:1] == ["Say what it is"]
    done = api.upload_file(
        path_or_fileobj=b"two", path_in_repo="dir/a.txt", repo_id=repo_id, parent_commit=oid
    )
    git("pull", cwd=work)
    assert (work / "dir/a.txt").read_bytes() == b"two"
    assert git("rev-parse", "HEAD", cwd=work).strip() == done.oid
    commit(work, "Again", dir__a_txt="three")
    git("push", cwd=work)
    assert Path(api.hf_hub_download(repo_id, "dir/a.txt", force_download=True)).read_bytes() == b"three"


def test_branches_and_tags_come_move_and_go(hub: LiveHub, repo_id: str, work: Path) -> None:
    api = hub.api()
    git("checkout", "-b", "feat/x", cwd=work)
    first = commit(work, "x", x_txt="1")
    git("tag", "light", cwd=work)
    git("tag", "-a", "heavy", "-m", "a tag with words", cwd=work)
    git("push", "origin", "feat/x", "light", "heavy", cwd=work)
    refs = api.list_repo_refs(repo_id)
    assert {ref.name: ref.target_commit for ref in refs.branches}["feat/x"] == first
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"light": first, "heavy": first}
    git("commit", "--amend", "-m", "y", cwd=work)
    assert "non-fast-forward" in git("push", "origin", "feat/x", cwd=work, ok=False)
    git("push", "--force", "origin", "feat/x", cwd=work)
    second = git("rev-parse", "HEAD", cwd=work).strip()
    assert api.model_info(repo_id, revision="feat/x").sha == second
    git("push", "origin", ":feat/x", ":heavy", ":light", cwd=work)
    refs = api.list_repo_refs(repo_id)
    assert ([ref.name for ref in refs.branches], refs.tags) == (["main"], [])


def test_a_branch_at_a_known_commit_needs_no_objects(hub: LiveHub, repo_id: str, work: Path) -> None:
    git("push", "origin", "HEAD:refs/heads/copy", cwd=work)
    api = hub.api()
    assert api.model_info(repo_id, revision="copy").sha == api.model_info(repo_id).sha


@pytest.mark.parametrize("prefix", ["datasets", "spaces"])
def test_other_kinds_of_repo_take_pushes_too(hub: LiveHub, unique: str, tmp_path: Path, prefix: str) -> None:
    kind = prefix.removesuffix("s")
    more = {"space_sdk": "static"} if kind == "space" else {}
    hub.api().create_repo(f"alice/{unique}", repo_type=kind, **more)
    work = clone(hub, "alice", f"{prefix}/alice/{unique}.git", tmp_path / "work")
    oid = commit(work, "data", data__train_csv="a,b\n1,2\n")
    git("push", cwd=work)
    assert hub.api().repo_info(f"alice/{unique}", repo_type=kind).sha == oid


def test_a_large_push_arrives_in_chunks(hub: LiveHub, repo_id: str, work: Path) -> None:
    text = "\n".join(map(str, np.random.default_rng(5).integers(0, 2**62, 200_000).tolist()))
    oid = commit(work, "large", numbers_txt=text)
    said = git("push", cwd=work, GIT_TRACE_CURL="1", GIT_TRACE_CURL_NO_DATA="1")
    assert "transfer-encoding: chunked" in said.lower()
    assert hub.api().model_info(repo_id).sha == oid
    path = hub.api().hf_hub_download(repo_id, "numbers.txt")
    assert Path(path).read_text() == text


def test_git_asks_for_a_token_and_says_why_one_is_not_enough(
    hub: LiveHub, repo_id: str, work: Path, tmp_path: Path
) -> None:
    commit(work, "x", x_txt="1")
    said = git("push", f"{hub.url}/{repo_id}", "main", cwd=work, ok=False)
    assert "could not read Username" in said
    said = git("push", with_token(hub, "carol", repo_id), "main", cwd=work, ok=False)
    assert "You don't have write access" in said
    hub.api().update_repo_settings(repo_id, private=True)
    said = git("push", with_token(hub, "carol", repo_id), "main", cwd=work, ok=False)
    assert "not found" in said
    git("push", cwd=work)


# --- refusals


def refused(work: Path, *words: str) -> str:
    """What git says of a push that must not succeed, and which must move nothing."""
    before = git("ls-remote", "origin", cwd=work)
    said = git("push", *(words or ("origin", "main")), cwd=work, ok=False)
    assert git("ls-remote", "origin", cwd=work) == before
    return said


def test_a_large_file_outside_lfs_is_refused_by_name(work: Path) -> None:
    commit(work, "big", weights_bin=np.random.default_rng(6).bytes(10 * 1024**2 + 1))
    commit(work, "gone again, but still in the history", weights_bin="small")
    said = refused(work)
    assert "remote: Your push was rejected because it contains files larger than 10 MiB." in said
    assert "remote:   - weights.bin" in said
    assert "main -> main (pre-receive hook declined)" in said


def test_a_pointer_to_what_was_never_uploaded_is_refused(
    hub: LiveHub, repo_id: str, unique: str, work: Path
) -> None:
    api, data = hub.api(), np.random.default_rng(7).bytes(1000)
    api.create_repo(f"alice/{unique}-other")
    api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=f"alice/{unique}-other")
    oid = hashlib.sha256(data).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {{}}\n"
    commit(work, "somebody else's", w_bin=pointer.format(1000))
    said = refused(work)
    assert "never uploaded to this repo" in said
    assert f"w.bin ({oid}, 1000 bytes)" in said
    api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=repo_id, revision="main")
    git("fetch", "origin", cwd=work)
    git("reset", "--hard", "origin/main", cwd=work)
    commit(work, "the wrong size", v_bin=pointer.format(999))
    assert "v.bin" in refused(work)
    git("reset", "--hard", "origin/main", cwd=work)
    commit(work, "the right size", v_bin=pointer.format(1000))
    git("push", cwd=work)
    assert Path(api.hf_hub_download(repo_id, "v.bin")).read_bytes() == data


def test_what_the_hub_would_not_commit_cannot_be_pushed(work: Path) -> None:
    (work / "link").symlink_to("/etc/passwd")
    commit(work, "link")
    assert "link: it is a symbolic link" in refused(work)
    git("reset", "--hard", "origin/main", cwd=work)
    head = git("rev-parse", "HEAD", cwd=work).strip()
    git("update-index", "--add", "--cacheinfo", f"160000,{head},module", cwd=work)
    git("commit", "-m", "module", cwd=work)
    assert "module: it is a submodule" in refused(work)
    git("reset", "--hard", "origin/main", cwd=work)
    commit(work, "deep", **{"__".join(["d"] * 200) + "__x": "x"})
    assert "more than 128" in refused(work)


def test_a_tree_that_would_overwrite_git_itself_is_refused(work: Path) -> None:
    blob = git("hash-object", "-w", ".gitattributes", cwd=work).strip()
    inner = _mktree(work, f"100644 blob {blob}\tconfig\n")
    for name in (".git", ".GIT", ".."):
        tree = _literal_tree(work, name, inner)
        oid = git("commit-tree", "-p", "HEAD", "-m", "evil", tree, cwd=work).strip()
        said = refused(work, "origin", f"{oid}:refs/heads/evil")
        assert re.search(r"hasDot|reserved for git|'\.\.' segments", said), said


def _mktree(work: Path, text: str) -> str:
    done = subprocess.run(["git", "mktree"], cwd=work, input=text, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _literal_tree(work: Path, name: str, oid: str) -> str:
    data = b"40000 " + name.encode() + b"\0" + bytes.fromhex(oid)
    command = ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"]
    done = subprocess.run(command, cwd=work, input=data, capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_references_that_are_not_for_pushing(work: Path) -> None:
    assert "the default branch cannot be deleted" in refused(work, "origin", ":main")
    for name in (
        "refs/odd/x",
        "refs/heads/HEAD",
        "refs/heads/refs/heads/x",
        "refs/pr/7",
        "refs/notes/commits",
    ):
        said = refused(work, "origin", f"HEAD:{name}")
        assert "remote rejected" in said
    git("push", "origin", "HEAD:refs/heads/a", cwd=work)
    assert "refs/heads/a" in refused(work, "origin", "HEAD:refs/heads/a/b")
    tree = git("rev-parse", "HEAD^{tree}", cwd=work).strip()
    git("update-ref", "refs/tags/tree", tree, cwd=work)
    assert "a tag leads to a commit" in refused(work, "origin", "refs/tags/tree")


def test_one_bad_reference_leaves_the_others_unless_the_push_is_atomic(
    hub: LiveHub, repo_id: str, work: Path
) -> None:
    said = git("push", "--atomic", "origin", "HEAD:refs/heads/good", "HEAD:refs/odd/x", cwd=work, ok=False)
    assert "atomic push failed" in said
    assert [ref.name for ref in hub.api().list_repo_refs(repo_id).branches] == ["main"]
    git("push", "origin", "HEAD:refs/heads/good", "HEAD:refs/odd/x", cwd=work, ok=False)
    assert [ref.name for ref in hub.api().list_repo_refs(repo_id).branches] == ["good", "main"]


def test_a_shallow_clone_pushes_what_is_complete_here(hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    api = hub.api()
    for number in range(3):
        api.upload_file(path_or_fileobj=b"%d" % number, path_in_repo="a.txt", repo_id=repo_id)
    work = tmp_path / "shallow"
    git("clone", "--depth", "1", with_token(hub, "alice", repo_id), str(work))
    oid = commit(work, "on top", b_txt="b")
    git("push", cwd=work)
    assert api.model_info(repo_id).sha == oid
    other = api.create_repo(f"{repo_id}-other").repo_id
    said = git("push", with_token(hub, "alice", other), "HEAD:refs/heads/x", cwd=work, ok=False)
    assert "remote rejected" in said or "unpack" in said
    assert [ref.name for ref in api.list_repo_refs(other).branches] == ["main"]


# --- pull requests


def test_an_author_pushes_to_their_pull_request_and_nowhere_else(
    hub: LiveHub, repo_id: str, tmp_path: Path
) -> None:
    carol = hub.api("carol")
    num = carol.create_pull_request(repo_id, title="Make it better").num
    work = clone(hub, "carol", repo_id, tmp_path / "carol")
    git("fetch", "origin", f"refs/pr/{num}:mine", cwd=work)
    git("checkout", "mine", cwd=work)
    oid = commit(work, "Better", a_txt="better")
    git("push", "origin", f"mine:refs/pr/{num}", cwd=work)
    details = carol.get_discussion_details(repo_id, num)
    assert [event.oid for event in details.events if event.type == "commit"][-1:] == [oid]
    assert "your own pull requests only" in refused(work, "origin", "mine:main")
    assert "closed, not deleted" in refused(work, "origin", f":refs/pr/{num}")
    theirs = hub.api().create_pull_request(repo_id, title="Another one").num
    assert "Only its author" in refused(work, "origin", f"mine:refs/pr/{theirs}")
    assert "refs/pr/99" in refused(work, "origin", "mine:refs/pr/99")
    said = git("push", with_token(hub, "bob", repo_id), f"mine:refs/pr/{num}", cwd=work, ok=False)
    assert "You don't have write access" in said
    carol.change_discussion_status(repo_id, num, "open")
    hub.api().merge_pull_request(repo_id, num)
    assert hub.api().file_exists(repo_id, "a.txt")
    commit(work, "Too late", a_txt="late")
    assert "merged" in refused(work, "origin", f"mine:refs/pr/{theirs}", f"mine:refs/pr/{num}")


# --- races


def test_pushes_commits_and_repacking_at_once_lose_nothing(
    hub: LiveHub, repo_id: str, unique: str, tmp_path: Path
) -> None:
    rounds, faults = 6, []
    first = hub.api().upload_file(path_or_fileobj=unique.encode(), path_in_repo="first.txt", repo_id=repo_id)
    (head,) = [
        one for one in hub.data_dir.glob("git/??/*.git/refs/heads/main") if first.oid in one.read_text()
    ]

    def repacks(number: int) -> None:
        for _ in range(2 * rounds):
            tidy(head.parents[2])
            time.sleep(0.5)

    def commits(number: int) -> None:
        api = hub.api()
        for turn in range(rounds):
            api.upload_file(path_or_fileobj=b"x", path_in_repo=f"api{number}-{turn}.txt", repo_id=repo_id)

    def pushes(number: int) -> None:
        work = clone(hub, "alice", repo_id, tmp_path / f"work{number}")
        for turn in range(rounds):
            (work / f"git{number}-{turn}.txt").write_text("x")
            commit(work, f"git {number} {turn}")
            while not _pushed(work):
                git("pull", "--rebase", "--quiet", cwd=work)

    def guarded(job: object, number: int) -> None:
        try:
            job(number)  # type: ignore[operator]
        except BaseException as error:
            faults.append(error)

    work_for = [(job, number) for job in (commits, pushes) for number in range(2)] + [(repacks, 0)]
    jobs = [threading.Thread(target=guarded, args=one) for one in work_for]
    for thread in jobs:
        thread.start()
    for thread in jobs:
        thread.join()
    assert faults == []
    wanted = {f"{kind}{n}-{turn}.txt" for kind in ("api", "git") for n in range(2) for turn in range(rounds)}
    assert set(hub.api().list_repo_files(repo_id)) - {".gitattributes", "first.txt"} == wanted
    work = clone(hub, "alice", repo_id, tmp_path / "after")
    assert "error" not in git("fsck", "--strict", cwd=work)


def _pushed(work: Path) -> bool:
    done = subprocess.run(["git", "push", "--quiet"], cwd=work, capture_output=True, text=True, timeout=120)
    rejected = re.search(r"rejected|fetch first|it is not where", done.stderr)
    assert done.returncode == 0 or rejected, done.stderr
    return done.returncode == 0


def test_a_deleted_branch_is_gone_for_the_client(hub: LiveHub, repo_id: str, work: Path) -> None:
    git("push", "origin", "HEAD:refs/heads/old", cwd=work)
    git("push", "origin", ":old", cwd=work)
    with pytest.raises(RevisionNotFoundError):
        hub.api().model_info(repo_id, revision="old")
