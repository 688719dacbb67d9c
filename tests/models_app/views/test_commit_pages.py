"""The page of one commit: what it says, what it changed, who may see that."""

from __future__ import annotations

from django.test import Client

from accounts.models import User
from models_app.actions.commits import commit
from models_app.models import Repo
from models_app.storage.operations import AddFile, DeleteFile
from tests.models_app.people import session
from tests.models_app.views.conftest import Pages

BACKEND = "accounts.backends.AccountBackend"


def change(pages: Pages) -> str:
    """A commit of alice's with a new file and an old one gone."""
    operations = [AddFile("notes.txt", b"one <b>\n"), DeleteFile("README.md")]
    words = {"summary": "Take & <b>give</b>", "description": "For a *reason*."}
    return commit(session(pages.alice), repo=pages.base, branch="main", operations=operations, **words).oid


def test_a_commit_shows_what_it_changed(client: Client, pages: Pages) -> None:
    oid = change(pages)
    text = client.get(f"/alice/base/commit/{oid}").text
    assert "Take &amp; &lt;b&gt;give&lt;/b&gt;" in text
    assert "For a *reason*." in text
    assert "+one &lt;b&gt;" in text
    assert "README.md" in text
    assert f'href="/alice/base/tree/{oid}"' in text
    assert f'href="/alice/base/commit/{oid}"' in client.get("/alice/base/commits/main").text
    assert client.get(f"/ALICE/base/commit/{oid[:10]}").status_code == 200


def test_the_first_commit_has_nothing_before_it(client: Client, pages: Pages) -> None:
    change(pages)
    oid = ""
    text = client.get("/alice/base/commit/main").text
    while "The commit before" in text:
        oid = text.partition('">The commit before')[0].rpartition("/commit/")[2]
        text = client.get(f"/alice/base/commit/{oid}").text
    assert len(oid) == 40
    assert "This is the first commit" in text


def test_what_is_no_commit_has_no_page(client: Client, pages: Pages) -> None:
    for rest in ("nope", "0" * 40, "main/README.md", "x" * 300):
        assert client.get(f"/alice/base/commit/{rest}").status_code == 404
    assert client.get("/alice/nothing/commit/main").status_code == 404


def test_who_may_not_see_the_files_sees_no_changes(client: Client, pages: Pages, carol: User) -> None:
    oid = change(pages)
    Repo.objects.filter(pk=pages.base.pk).update(gated="manual")
    client.force_login(carol, backend=BACKEND)
    text = client.get(f"/alice/base/commit/{oid}").text
    assert "This repo is gated" in text
    assert "+one" not in text
    Repo.objects.filter(pk=pages.base.pk).update(private=True)
    assert client.get(f"/alice/base/commit/{oid}").status_code == 404
