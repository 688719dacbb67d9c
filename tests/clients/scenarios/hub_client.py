"""The Python client, in calls that its 0.x, 1.x and 2.x share."""

from __future__ import annotations

import os
import sys
import tempfile
import urllib.request
from pathlib import Path

import huggingface_hub
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    HfFileSystem,
    ModelCard,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.utils import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from rows import ENDPOINT, ME, OTHER, OTHER_TOKEN, TOKEN, new_id, noise, raises, row, run_rows

api = HfApi(endpoint=ENDPOINT, token=TOKEN)
other = HfApi(endpoint=ENDPOINT, token=OTHER_TOKEN)


def made(repo_type: str = "model", private: bool = False) -> str:
    repo_id = new_id()
    api.create_repo(repo_id, repo_type=repo_type, private=private)
    return repo_id


def downloaded(repo_id: str, path: str, **words: object) -> bytes:
    with tempfile.TemporaryDirectory() as cache:
        return Path(
            hf_hub_download(repo_id, path, cache_dir=cache, token=TOKEN, endpoint=ENDPOINT, **words)
        ).read_bytes()


@row("whoami")
def whoami() -> None:
    assert api.whoami()["name"] == ME


@row("create, look at and delete repos")
def repos() -> None:
    for repo_type in ("model", "dataset"):
        come_and_go(repo_type)


def come_and_go(repo_type: str) -> None:
    repo_id = made(repo_type)
    api.create_repo(repo_id, repo_type=repo_type, exist_ok=True)
    assert api.repo_info(repo_id, repo_type=repo_type).id == repo_id
    assert api.list_repo_files(repo_id, repo_type=repo_type) == [".gitattributes"]
    api.delete_repo(repo_id, repo_type=repo_type)
    raises(RepositoryNotFoundError, lambda: api.repo_info(repo_id, repo_type=repo_type))
    api.delete_repo(repo_id, repo_type=repo_type, missing_ok=True)


@row("upload and download a small file")
def small_file() -> None:
    repo_id = made()
    api.upload_file(path_or_fileobj=b'{"a": 1}', path_in_repo="sub/config ä.json", repo_id=repo_id)
    assert downloaded(repo_id, "sub/config ä.json") == b'{"a": 1}'


@row("upload and download a large file from bytes, a path and a file object")
def large_file() -> None:
    repo_id, content = made(), noise(3_000_000)
    api.upload_file(path_or_fileobj=content, path_in_repo="bytes.safetensors", repo_id=repo_id)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.bin"
        path.write_bytes(content[::-1])
        api.upload_file(path_or_fileobj=str(path), path_in_repo="path.bin", repo_id=repo_id)
        with path.open("rb") as file:
            api.upload_file(path_or_fileobj=file, path_in_repo="object.bin", repo_id=repo_id)
    assert downloaded(repo_id, "bytes.safetensors") == content
    assert downloaded(repo_id, "path.bin") == downloaded(repo_id, "object.bin") == content[::-1]


@row("upload a folder, take it home as a snapshot")
def folder() -> None:
    repo_id = made()
    with tempfile.TemporaryDirectory() as home:
        source, target = Path(home) / "a", Path(home) / "b"
        (source / "deep" / "er").mkdir(parents=True)
        (source / "README.md").write_text("---\nlicense: mit\n---\n# Hello\n")
        (source / "deep" / "er" / "model.safetensors").write_bytes(noise(1_500_000, 2))
        for number in range(40):
            (source / "deep" / f"{number}.txt").write_text(f"file {number}")
        api.upload_folder(folder_path=str(source), repo_id=repo_id)
        api.upload_folder(folder_path=str(source), repo_id=repo_id)
        snapshot_download(repo_id, local_dir=str(target), token=TOKEN, endpoint=ENDPOINT)
        files = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
        assert len(files) == 42
        assert all((source / name).read_bytes() == (target / name).read_bytes() for name in files)


@row("one commit that adds, copies and deletes")
def commit() -> None:
    repo_id = made()
    api.upload_file(path_or_fileobj=noise(200_000), path_in_repo="a.bin", repo_id=repo_id)
    api.upload_file(path_or_fileobj=b"old", path_in_repo="old/one.txt", repo_id=repo_id)
    operations = [
        CommitOperationAdd("new.txt", b"new"),
        CommitOperationCopy("a.bin", "b.bin"),
        CommitOperationDelete("old/"),
    ]
    done = api.create_commit(repo_id, operations=operations, commit_message="three things")
    assert set(api.list_repo_files(repo_id)) == {".gitattributes", "a.bin", "b.bin", "new.txt"}
    assert api.list_repo_commits(repo_id)[0].commit_id == done.oid
    assert downloaded(repo_id, "b.bin") == noise(200_000)
    raises(
        HfHubHTTPError,
        lambda: api.create_commit(
            repo_id,
            operations=[CommitOperationAdd("x", b"x")],
            commit_message="late",
            parent_commit=api.list_repo_commits(repo_id)[-1].commit_id,
        ),
    )


@row("revisions: branches, tags, commits")
def revisions() -> None:
    repo_id = made()
    api.create_branch(repo_id, branch="feat/x")
    api.upload_file(path_or_fileobj=b"there", path_in_repo="b.txt", repo_id=repo_id, revision="feat/x")
    api.create_tag(repo_id, tag="v1", revision="feat/x", tag_message="first")
    assert (
        downloaded(repo_id, "b.txt", revision="v1")
        == downloaded(repo_id, "b.txt", revision="feat/x")
        == b"there"
    )
    refs = api.list_repo_refs(repo_id)
    assert {branch.name for branch in refs.branches} == {"main", "feat/x"}
    assert [tag.name for tag in refs.tags] == ["v1"]
    api.delete_tag(repo_id, tag="v1")
    api.delete_branch(repo_id, branch="feat/x")
    raises(RevisionNotFoundError, lambda: api.repo_info(repo_id, revision="feat/x"))


@row("errors have their own exceptions")
def errors() -> None:
    repo_id = made()
    with tempfile.TemporaryDirectory() as cache:
        words = {"cache_dir": cache, "token": TOKEN, "endpoint": ENDPOINT}
        raises(EntryNotFoundError, lambda: hf_hub_download(repo_id, "none.txt", **words))
        raises(RevisionNotFoundError, lambda: hf_hub_download(repo_id, "x", revision="none", **words))
        raises(RepositoryNotFoundError, lambda: hf_hub_download(new_id(), "x", **words))
        raises(
            RepositoryNotFoundError,
            lambda: hf_hub_download(made(private=True), "x", **{**words, "token": OTHER_TOKEN}),
        )
    assert api.file_exists(repo_id, ".gitattributes")
    assert not api.file_exists(repo_id, "none.txt")


@row("lists with search, author and filter")
def lists() -> None:
    repo_id = made()
    card = "---\nlicense: mit\npipeline_tag: image-classification\ntags: [rare-tag-77]\n---\n# x\n"
    api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=repo_id)
    found = list(api.list_models(author=ME, filter="rare-tag-77", limit=3, full=True))
    assert repo_id in {model.id for model in found}
    assert repo_id in {model.id for model in api.list_models(search=repo_id.split("/")[1])}
    assert api.model_info(repo_id).pipeline_tag == "image-classification"


@row("model cards: load, validate, push")
def cards() -> None:
    repo_id = made()
    card = ModelCard("---\nlicense: mit\nlanguage: en\n---\n# Hello\n")
    if int(huggingface_hub.__version__.split(".")[0]) >= 2:
        card.push_to_hub(repo_id, token=TOKEN)
    else:
        # Before 2.0 the card's own push asks the public hub whether it is valid, whatever HF_ENDPOINT says.
        api.upload_file(path_or_fileobj=str(card).encode(), path_in_repo="README.md", repo_id=repo_id)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["HF_HUB_CACHE"] = cache
        assert ModelCard.load(repo_id, token=TOKEN).data.license == "mit"
    # The client's own words for a 400 of validate-yaml.
    raises(
        ValueError,
        lambda: api.upload_file(
            path_or_fileobj=b"---\nlicense: [\n---\n", path_in_repo="README.md", repo_id=repo_id
        ),
    )


@row("pull requests by a stranger, discussed and merged")
def pull_requests() -> None:
    repo_id = made()
    operations = [
        CommitOperationAdd("gift.txt", b"a gift"),
        CommitOperationAdd("gift.bin", noise(500_000, 5)),
    ]
    done = other.create_commit(repo_id, operations=operations, commit_message="A gift", create_pr=True)
    number = done.pr_num
    assert downloaded(repo_id, "gift.bin", revision=f"refs/pr/{number}") == noise(500_000, 5)
    assert not api.file_exists(repo_id, "gift.txt")
    api.comment_discussion(repo_id, number, comment="thanks")
    api.merge_pull_request(repo_id, number)
    assert downloaded(repo_id, "gift.txt") == b"a gift"
    assert api.get_discussion_details(repo_id, number).status == "merged"


@row("discussions")
def discussions() -> None:
    repo_id = made()
    thread = other.create_discussion(repo_id, title="A question", description="why?")
    comment = api.comment_discussion(repo_id, thread.num, comment="becuase")
    api.edit_discussion_comment(repo_id, thread.num, comment.id, new_content="because")
    api.rename_discussion(repo_id, thread.num, new_title="The question")
    api.change_discussion_status(repo_id, thread.num, new_status="closed")
    found = api.get_discussion_details(repo_id, thread.num)
    assert (found.title, found.status) == ("The question", "closed")
    assert [one.num for one in api.get_repo_discussions(repo_id)] == [thread.num]


@row("gated repos: ask, let in, download")
def gated() -> None:
    repo_id = made()
    api.upload_file(path_or_fileobj=b"behind", path_in_repo="x.txt", repo_id=repo_id)
    api.update_repo_settings(repo_id, gated="manual")
    with tempfile.TemporaryDirectory() as cache:
        words = {"cache_dir": cache, "token": OTHER_TOKEN, "endpoint": ENDPOINT}
        raises(GatedRepoError, lambda: hf_hub_download(repo_id, "x.txt", **words))
        api.grant_access(repo_id, OTHER)
        assert Path(hf_hub_download(repo_id, "x.txt", **words)).read_bytes() == b"behind"


@row("move a repo; the old id goes on working")
def moved() -> None:
    repo_id, target = made(), new_id()
    api.upload_file(path_or_fileobj=b"moved", path_in_repo="x.txt", repo_id=repo_id)
    api.move_repo(from_id=repo_id, to_id=target)
    assert api.repo_info(repo_id).id == target
    assert downloaded(repo_id, "x.txt") == b"moved"


@row("squash the history")
def squash() -> None:
    repo_id = made()
    for number in range(3):
        api.upload_file(path_or_fileobj=bytes([65 + number]), path_in_repo="x.txt", repo_id=repo_id)
    api.super_squash_history(repo_id)
    assert len(api.list_repo_commits(repo_id)) == 1
    assert downloaded(repo_id, "x.txt") == b"C"


def like(repo_id: str) -> None:
    """No client can: it only takes likes back. This is what the page's button sends."""
    url = f"{ENDPOINT}/api/models/{repo_id}/like"
    request = urllib.request.Request(url, method="POST", headers={"Authorization": f"Bearer {TOKEN}"})
    urllib.request.urlopen(request, timeout=30).close()


@row("likes and collections")
def social() -> None:
    repo_id = made()
    like(repo_id)
    assert api.model_info(repo_id).likes == 1
    assert [one.username for one in api.list_repo_likers(repo_id)] == [ME]
    assert repo_id in api.list_liked_repos(ME).models
    api.unlike(repo_id)
    assert api.model_info(repo_id).likes == 0
    collection = api.create_collection(title="Mine", namespace=ME)
    collection = api.add_collection_item(collection.slug, item_id=repo_id, item_type="model")
    assert [item.item_id for item in api.get_collection(collection.slug).items] == [repo_id]
    api.delete_collection(collection.slug)


@row("HfFileSystem: write, list, read a part")
def filesystem() -> None:
    repo_id = made("dataset")
    files = HfFileSystem(endpoint=ENDPOINT, token=TOKEN)
    with files.open(f"datasets/{repo_id}/data/x.bin", "wb") as file:
        file.write(noise(300_000, 9))
    assert files.ls(f"datasets/{repo_id}/data", detail=False) == [f"datasets/{repo_id}/data/x.bin"]
    with files.open(f"datasets/{repo_id}/data/x.bin", "rb") as file:
        file.seek(100_000)
        assert file.read(50) == noise(300_000, 9)[100_000:100_050]


if __name__ == "__main__":
    sys.exit(run_rows())
