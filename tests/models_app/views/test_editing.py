"""Files written, edited, moved and deleted on pages; stale forms, forms sent twice, and hostile ones."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.test import Client

from accounts.models import User
from models_app.actions.branches import create_branch, create_tag
from models_app.actions.commits import commit
from models_app.files import git_store, read_file
from models_app.models import Discussion, Repo
from models_app.storage.operations import AddFile, DeleteFile
from tests.models_app.people import session
from tests.models_app.views.conftest import Pages

BACKEND = "accounts.backends.AccountBackend"
FILE = "src/deep/net.py"
SCRIPTED = "---\nlicense: mit\n---\n# Hi <script>alert(1)</script>"


def head(pages: Pages, branch: str = "main") -> str:
    return git_store(pages.base).resolve(branch)


def content(pages: Pages, path: str, revision: str = "main") -> str:
    return read_file(pages.base, head(pages, revision), path, 10**7).decode()


def count(pages: Pages) -> int:
    return git_store(pages.base).count_commits(head(pages))


def add(pages: Pages, path: str, data: bytes) -> None:
    row = Repo.objects.get(pk=pages.base.pk)
    commit(
        session(pages.alice), repo=row, branch="main", operations=[AddFile(path, data)], summary="Other work"
    )


def sent(pages: Pages, **fields: str) -> dict[str, str]:
    return {"base": head(pages), "path": FILE, "text": "x = 1\r\n", "how": "commit", "do": "save"} | fields


def test_an_edit_is_a_commit(as_alice: Client, pages: Pages) -> None:
    form = as_alice.get(f"/alice/base/edit/main/{FILE}")
    assert "import torch" in form.text
    before = count(pages)
    answer = as_alice.post(
        f"/alice/base/edit/main/{FILE}", sent(pages, summary="Shorter", description="Since.")
    )
    assert answer.status_code == 302
    assert answer["Location"] == f"/alice/base/blob/main/{FILE}"
    assert content(pages, FILE) == "x = 1\n"
    assert count(pages) == before + 1
    newest = git_store(pages.base).commit(head(pages))
    assert (newest.title, newest.message, newest.author) == ("Shorter", "Since.", "alice")


def test_a_form_sent_twice_is_one_commit(as_alice: Client, pages: Pages) -> None:
    fields = sent(pages)
    before = count(pages)
    for _ in range(2):
        assert as_alice.post(f"/alice/base/edit/main/{FILE}", fields).status_code == 302
    assert count(pages) == before + 1


def test_line_ends_and_the_last_one_stay_as_they_were(as_alice: Client, pages: Pages) -> None:
    add(pages, "dos.txt", b"a\r\nb\r\n")
    add(pages, "open.txt", b"a\nb")
    as_alice.post("/alice/base/edit/main/dos.txt", sent(pages, path="dos.txt", text="a\r\nc"))
    as_alice.post("/alice/base/edit/main/open.txt", sent(pages, path="open.txt", text="a\r\nc"))
    assert content(pages, "dos.txt") == "a\r\nc\r\n"
    assert content(pages, "open.txt") == "a\nc"


def test_what_others_committed_elsewhere_is_kept(as_alice: Client, pages: Pages) -> None:
    fields = sent(pages)
    add(pages, "other.txt", b"theirs\n")
    assert as_alice.post(f"/alice/base/edit/main/{FILE}", fields).status_code == 302
    assert content(pages, "other.txt") == "theirs\n"
    assert content(pages, FILE) == "x = 1\n"


def test_a_stale_form_shows_both_texts_and_then_overwrites(as_alice: Client, pages: Pages) -> None:
    fields = sent(pages, text="mine = 1\n")
    add(pages, FILE, b"theirs = 2\n")
    answer = as_alice.post(f"/alice/base/edit/main/{FILE}", fields)
    assert answer.status_code == 409
    assert "Somebody changed this file while you were editing it." in answer.text
    assert "mine = 1" in answer.text
    assert "<mark>theirs</mark> = " in answer.text
    assert content(pages, FILE) == "theirs = 2\n"
    assert f'value="{head(pages)}"' in answer.text
    again = sent(pages, text="mine = 1\n", overwrite="1")
    assert as_alice.post(f"/alice/base/edit/main/{FILE}", again).status_code == 302
    assert content(pages, FILE) == "mine = 1\n"


def test_an_edit_of_what_is_gone_loses_nothing(as_alice: Client, pages: Pages) -> None:
    fields = sent(pages, text="mine = 1\n")
    row = Repo.objects.get(pk=pages.base.pk)
    commit(session(pages.alice), repo=row, branch="main", operations=[DeleteFile(FILE)], summary="Away")
    answer = as_alice.post(f"/alice/base/edit/main/{FILE}", fields)
    assert answer.status_code == 409
    assert "Somebody deleted this file" in answer.text
    assert "mine = 1" in answer.text
    again = sent(pages, text="mine = 1\n", overwrite="1")
    assert as_alice.post(f"/alice/base/edit/main/{FILE}", again).status_code == 302
    assert content(pages, FILE) == "mine = 1\n"


def test_a_new_file_and_one_of_that_name_already(as_alice: Client, pages: Pages) -> None:
    assert 'value="src/"' in as_alice.get("/alice/base/new/main/src").text
    fields = sent(pages, path="src/a b#?%.txt", text="hello")
    answer = as_alice.post("/alice/base/new/main/src", fields)
    assert answer.status_code == 302
    assert answer["Location"] == "/alice/base/blob/main/" + quote("src/a b#?%.txt")
    assert content(pages, "src/a b#?%.txt") == "hello\n"
    taken = as_alice.post("/alice/base/new/main", sent(pages, path="config.json", text="mine"))
    assert taken.status_code == 422
    assert "There is already something at this path." in taken.text
    assert "mine" in taken.text


def test_a_reader_opens_one_pull_request(client: Client, pages: Pages, carol: User) -> None:
    client.force_login(carol, backend=BACKEND)
    form = client.get(f"/alice/base/edit/main/{FILE}").text
    assert "Open a pull request" in form
    assert "Commit to main" not in form
    assert client.post(f"/alice/base/edit/main/{FILE}", sent(pages)).status_code == 422  # how=commit
    fields = sent(pages, how="request", summary="Please")
    for _ in range(2):
        answer = client.post(f"/alice/base/edit/main/{FILE}", fields)
        assert answer["Location"] == "/alice/base/discussions/1"
    assert Discussion.objects.get().title == "Please"
    assert content(pages, FILE) != "x = 1\n"
    assert content(pages, FILE, "refs/pr/1") == "x = 1\n"
    more = sent(pages, text="x = 2\n") | {"base": head(pages, "refs/pr/1")}
    assert client.post(f"/alice/base/edit/refs%2Fpr%2F1/{FILE}", more).status_code == 302
    assert content(pages, FILE, "refs/pr/1") == "x = 2\n"
    assert Discussion.objects.count() == 1


def test_the_metadata_of_a_card_is_checked(as_alice: Client, pages: Pages) -> None:
    text = "---\nlicense: [no\n---\n# My words\n"
    answer = as_alice.post("/alice/base/edit/main/README.md", sent(pages, path="README.md", text=text))
    assert answer.status_code == 422
    assert "# My words" in answer.text
    assert 'role="alert"' in answer.text
    text = "---\ndatasets: {a: 1}\n---\n"
    answer = as_alice.post("/alice/base/edit/main/README.md", sent(pages, path="README.md", text=text))
    assert answer.status_code == 422
    assert "datasets" in answer.text.partition('role="alert"')[2]


def test_a_preview_is_safe_and_commits_nothing(as_alice: Client, pages: Pages) -> None:
    before = count(pages)
    fields = sent(
        pages, path="README.md", text="---\nlicense: mit\n---\n# Hi <script>alert(1)</script>", do="preview"
    )
    part = as_alice.post("/alice/base/edit/main/README.md", fields, headers={"HX-Request": "true"}).text
    assert "<h1" in part
    assert "<script" not in part
    assert "license" not in part
    whole = as_alice.post("/alice/base/edit/main/README.md", fields)
    assert whole.status_code == 200
    assert "<html" in whole.text
    assert "Hi" in whole.text
    assert count(pages) == before


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"path": "../../etc/passwd"}, "A path is names with"),
        ({"path": "a//b"}, "A path is names with"),
        ({"path": ".git/config"}, "A path is names with"),
        ({"path": "a/../b"}, "A path is names with"),
        ({"path": "x" * 300}, "A path is names with"),
        ({"path": "a\0b"}, "Null characters are not allowed"),
        ({"path": ""}, "This field is required"),
        ({"path": "src"}, "There is already something at this path."),
        ({"path": "config.json/inner.py"}, "A folder and a file cannot have the same path."),
        ({"text": "a\0b"}, "Null characters are not allowed"),
        ({"text": "x" * (1024**2 + 1)}, "more than 1 MB"),
        ({"summary": "x" * 300}, "at most 200"),
        ({"how": "sideways"}, "not one of the available choices"),
        ({"text": "import torch\n\n\nnet = None\n"}, "Nothing was changed."),
    ],
)
def test_what_cannot_be_is_said_and_what_was_typed_stays(
    as_alice: Client, pages: Pages, fields: dict[str, str], words: str
) -> None:
    before = count(pages)
    answer = as_alice.post(f"/alice/base/edit/main/{FILE}", sent(pages, description="my reasons", **fields))
    assert answer.status_code == 422
    assert words in answer.text
    assert "my reasons" in answer.text
    assert count(pages) == before


@pytest.mark.parametrize("base", ["", "nonsense", "0" * 40, "main", "\0" * 40])
def test_a_form_with_a_strange_base_is_no_fault(as_alice: Client, pages: Pages, base: str) -> None:
    answer = as_alice.post(f"/alice/base/edit/main/{FILE}", sent(pages, base=base))
    assert answer.status_code == (422 if "\0" in base else 302)


@pytest.mark.parametrize("word", ["edit", "rename", "delete", "new", "upload"])
def test_who_may_not_change_is_told(client: Client, pages: Pages, carol: User, word: str) -> None:
    path = f"/alice/base/{word}/main" + ("" if word in ("new", "upload") else f"/{FILE}")
    assert client.get(path)["Location"].startswith("/login?next=")
    client.force_login(carol, backend=BACKEND)
    assert client.get(path).status_code == 200
    Repo.objects.filter(pk=pages.base.pk).update(gated="manual")
    assert client.get(path).status_code == 403
    Repo.objects.filter(pk=pages.base.pk).update(private=True)
    assert client.get(path).status_code == 404


def test_only_branches_can_be_changed(as_alice: Client, pages: Pages) -> None:
    create_tag(session(pages.alice), repo=pages.base, tag="v1", revision="main", message="")
    for revision in ("v1", head(pages), "nope"):
        assert as_alice.get(f"/alice/base/edit/{revision}/{FILE}").status_code == 404
    create_branch(session(pages.alice), repo=pages.base, branch="feat/x", starting_point="main")
    assert as_alice.get(f"/alice/base/edit/feat/x/{FILE}").status_code == 200
    assert as_alice.get("/alice/base/edit/main/src").status_code == 404
    assert as_alice.get("/alice/base/edit/main/nope.txt").status_code == 404
    assert as_alice.get("/alice/base/new/main/config.json").status_code == 404


def test_what_is_no_text_is_not_edited(as_alice: Client, pages: Pages) -> None:
    add(pages, "latin.txt", b"caf\xe9")
    add(pages, "nul.txt", b"a\0b")
    for name in ("latin.txt", "nul.txt"):
        answer = as_alice.get(f"/alice/base/edit/main/{name}", follow=True)
        assert "no UTF-8 text" in answer.text


def test_a_file_moves_and_goes(as_alice: Client, pages: Pages) -> None:
    assert as_alice.get(f"/alice/base/rename/main/{FILE}").status_code == 200
    same = as_alice.post(f"/alice/base/rename/main/{FILE}", sent(pages))
    assert "This is where it lies now." in same.text
    taken = as_alice.post(f"/alice/base/rename/main/{FILE}", sent(pages, path="config.json"))
    assert taken.status_code == 422
    answer = as_alice.post(f"/alice/base/rename/main/{FILE}", sent(pages, path="net.py"))
    assert answer["Location"] == "/alice/base/blob/main/net.py"
    assert content(pages, "net.py").startswith("import torch")
    assert git_store(pages.base).entry(head(pages), FILE) is None
    assert "net.py" in as_alice.get("/alice/base/delete/main/net.py").text
    assert as_alice.post("/alice/base/delete/main/net.py", sent(pages))["Location"] == "/alice/base/tree/main"
    assert git_store(pages.base).entry(head(pages), "net.py") is None


def test_a_folder_goes_with_its_files(as_alice: Client, pages: Pages) -> None:
    add(pages, FILE, b"again\n")
    assert "1 file goes" in as_alice.get("/alice/base/delete/main/src").text
    assert as_alice.post("/alice/base/delete/main/src", sent(pages)).status_code == 302
    assert git_store(pages.base).entry(head(pages), "src") is None


def test_a_deletion_of_what_changed_meanwhile_asks_again(as_alice: Client, pages: Pages) -> None:
    fields = sent(pages)
    add(pages, FILE, b"new words\n")
    answer = as_alice.post(f"/alice/base/delete/main/{FILE}", fields)
    assert answer.status_code == 422
    assert "Somebody changed it since" in answer.text
    assert content(pages, FILE) == "new words\n"
    assert as_alice.post(f"/alice/base/delete/main/{FILE}", sent(pages)).status_code == 302


def test_recipes_and_tutorials_are_edited_too(as_alice: Client, pages: Pages) -> None:
    from tests.models_app.views.conftest import publish

    publish(pages.alice, "how", {"notes.txt": b"1\n"}, repo_type="tutorial")
    assert as_alice.get("/tutorials/alice/how/edit/main/notes.txt").status_code == 200
