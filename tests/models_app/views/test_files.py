"""Folders, files and history."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.actor import Actor
from accounts.models import User
from models_app.actions.branches import create_branch, create_tag
from models_app.actions.commits import commit
from models_app.actions.repos import create_repo
from models_app.models import Repo
from models_app.storage.operations import AddFile
from models_app.views.looks import MAX_TEXT_BYTES
from tests.models_app.views.conftest import Pages, publish


def add(pages: Pages, path: str, content: bytes, branch: str = "main", summary: str = "Add a file") -> None:
    """One more commit on the base model."""
    repo = Repo.objects.get(pk=pages.base.pk)
    commit(Actor(pages.alice), repo=repo, branch=branch, operations=[AddFile(path, content)], summary=summary)


def test_a_folder_lists_entries_with_their_last_commit(client: Client, pages: Pages) -> None:
    add(pages, "extra.txt", b"x", summary="Only for this")
    text = client.get("/alice/base/tree/main").text
    assert 'href="/alice/base/blob/main/extra.txt"' in text
    assert 'href="/alice/base/tree/main/src"' in text
    assert "Only for this" in text
    assert "Publish it" in text


def test_folders_nest(client: Client, pages: Pages) -> None:
    response = client.get("/alice/base/tree/main/src/deep")
    assert 'href="/alice/base/blob/main/src/deep/net.py"' in response.text
    assert 'href="/alice/base/tree/main/src"' in response.text


def test_text_is_highlighted_and_escaped(client: Client, pages: Pages) -> None:
    add(pages, "page.html", b"<script>alert(1)</script>")
    assert '<span class="kn">import</span>' in client.get("/alice/base/blob/main/src/deep/net.py").text
    text = client.get("/alice/base/blob/main/page.html").text
    assert "<script>alert" not in text
    assert "alert" in text


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("a.png", b"\x89PNG", "/alice/base/resolve/main/a.png"),
        ("a.bin", b"a\0b", "Not a text file"),
        ("long.txt", b"x" * (MAX_TEXT_BYTES + 1), "Too large to show here"),
        ("odd name #1?.txt", b"fine", "/resolve/main/odd%20name%20%231%3F.txt"),
        ("latin.txt", b"caf\xe9", "caf"),
        ("empty.py", b"", "0 B"),
    ],
)
def test_every_kind_of_file_has_its_view(
    client: Client, pages: Pages, path: str, content: bytes, words: str
) -> None:
    add(pages, path, content)
    quoted = path.replace(" ", "%20").replace("#", "%23").replace("?", "%3F")
    response = client.get(f"/alice/base/blob/main/{quoted}")
    assert response.status_code == 200
    assert words in response.text


def test_a_branch_with_a_slash_is_found(client: Client, pages: Pages) -> None:
    create_branch(Actor(pages.alice), repo=pages.base, branch="feat/x", starting_point="main")
    add(pages, "only-here.txt", b"1", branch="feat/x")
    assert "only-here.txt" in client.get("/alice/base/tree/feat/x").text
    assert "only-here.txt" in client.get("/alice/base/tree/feat%2Fx").text
    assert client.get("/alice/base/blob/feat/x/only-here.txt").status_code == 200
    assert client.get("/alice/base/blob/main/only-here.txt").status_code == 404


def test_a_tag_and_a_commit_are_revisions_too(client: Client, pages: Pages) -> None:
    create_tag(Actor(pages.alice), repo=pages.base, tag="v1", revision="main", message="")
    assert client.get("/alice/base/tree/v1").status_code == 200
    assert client.get(f"/alice/base/tree/{pages.base.head_oid}").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "tree/nope",
        "tree/main/nope",
        "tree/main/config.json",
        "blob/main/src",
        "blob/main",
        "blob/main/../../etc/passwd",
        "tree/main/..",
        "commits/nope",
        "commits/main/nope",
        "blob/main/a%00b",
    ],
)
def test_what_is_not_there_is_missing(client: Client, pages: Pages, path: str) -> None:
    assert client.get(f"/alice/base/{path}").status_code == 404


def test_a_new_repo_says_that_it_is_empty_or_shows_what_git_has(client: Client, alice: User) -> None:
    create_repo(Actor(alice), repo_type="model", namespace=None, name="fresh", private=False)
    for path in ("/alice/fresh", "/alice/fresh/tree/main", "/alice/fresh/commits/main", "/alice/fresh/tree"):
        assert client.get(path).status_code == 200


def test_history_comes_in_pages(client: Client, alice: User, pages: Pages) -> None:
    for number in range(55):
        add(pages, "n.txt", str(number).encode(), summary=f"Step {number:02}")
    first, second = client.get("/alice/base/commits/main"), client.get("/alice/base/commits/main?page=2")
    assert "Step 54" in first.text
    assert "Publish it" not in first.text
    assert "Publish it" in second.text
    assert client.get("/alice/base/commits/main?page=abc").status_code == 200
    assert client.get("/alice/base/commits/main?page=999999").status_code == 200


def test_datasets_have_the_same_pages(client: Client, pages: Pages) -> None:
    publish(pages.alice, "more", {"a/b.csv": b"x,y\n1,2\n"}, repo_type="dataset")
    assert 'href="/datasets/alice/more/tree/main/a"' in client.get("/datasets/alice/more/tree/main").text
    assert "x,y" in client.get("/datasets/alice/more/blob/main/a/b.csv?view=source").text
