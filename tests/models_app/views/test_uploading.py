"""The plain form that uploads files, and the parts that a browser sends large ones in."""

from __future__ import annotations

import hashlib
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from models_app.actions.commits import commit
from models_app.api.page_uploads import PART_BYTES
from models_app.files import git_store, large_file_of, read_file, stream_large_file
from models_app.models import Discussion, Repo
from models_app.storage.operations import AddFile
from tests.models_app.people import session
from tests.models_app.views.conftest import Pages

BACKEND = "accounts.backends.AccountBackend"
BYTES = "application/octet-stream"
PAGE = "/alice/base/upload/main/data"
PARTS = "/api/models/alice/base/upload-parts/main"


def head(pages: Pages) -> str:
    return git_store(pages.base).resolve("main")


def send(client: Client, pages: Pages, *files: tuple[str, bytes], **fields: str) -> object:
    uploads = [SimpleUploadedFile(name, data) for name, data in files]
    return client.post(PAGE, {"base": head(pages), "how": "commit", "files": uploads} | fields)


def test_a_plain_form_commits_small_files(as_alice: Client, pages: Pages) -> None:
    page = as_alice.get(PAGE).text
    assert 'enctype="multipart/form-data"' in page
    answer = send(as_alice, pages, ("a.txt", b"text\n"), ("w.safetensors", b"\0" * 99), ("ö #1.txt", b"x"))
    assert answer.status_code == 302
    assert answer["Location"] == "/alice/base/tree/main/data"
    store = git_store(pages.base)
    assert read_file(pages.base, head(pages), "data/a.txt", 99) == b"text\n"
    assert read_file(pages.base, head(pages), "data/ö #1.txt", 99) == b"x"
    entry = store.entry(head(pages), "data/w.safetensors")
    assert entry is not None
    assert entry.pointer is not None  # the repo's rules make it a large file
    assert read_file(pages.base, head(pages), "data/w.safetensors", 99) == b"\0" * 99
    assert store.commit(head(pages)).title == "Upload a.txt, w.safetensors, ö #1.txt"


def test_the_same_form_twice_is_one_commit(as_alice: Client, pages: Pages) -> None:
    base = head(pages)
    before = git_store(pages.base).count_commits(base)
    for _ in range(2):
        assert send(as_alice, pages, ("a.txt", b"text\n"), base=base).status_code == 302
    assert git_store(pages.base).count_commits(head(pages)) == before + 1


def test_a_file_changed_meanwhile_is_told_of_before_it_is_overwritten(as_alice: Client, pages: Pages) -> None:
    base = head(pages)
    row = Repo.objects.get(pk=pages.base.pk)
    added = [AddFile("data/a.txt", b"theirs")]
    commit(session(pages.alice), repo=row, branch="main", operations=added, summary="First")
    answer = send(as_alice, pages, ("a.txt", b"mine"), base=base)
    assert answer.status_code == 422
    assert "Somebody changed data/a.txt" in answer.text
    assert send(as_alice, pages, ("a.txt", b"mine")).status_code == 302


def test_a_reader_offers_files(client: Client, pages: Pages, carol: User) -> None:
    client.force_login(carol, backend=BACKEND)
    assert send(client, pages, ("a.txt", b"x")).status_code == 422
    for _ in range(2):
        answer = send(client, pages, ("w.bin", b"\0\1"), how="request", summary="Weights")
        assert answer["Location"] == "/alice/base/discussions/1"
    assert Discussion.objects.count() == 1
    assert git_store(pages.base).entry(head(pages), "data/w.bin") is None


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ((), "Choose at least one file."),
        ((("a.txt", b"1"), ("a.txt", b"2")), "Two of the files are called"),
        (((".git", b"1"),), "A path is names with"),
        ((("large.txt", b"x" * 2048),), "is larger than"),
    ],
)
def test_what_cannot_be_sent_is_said(
    as_alice: Client,
    pages: Pages,
    settings: Settings,
    files: tuple[tuple[str, bytes], ...],
    words: str,
) -> None:
    settings.HUB_REGULAR_FILE_BYTES = 1024
    answer = send(as_alice, pages, *files, description="my reasons")
    assert answer.status_code == 422
    assert words in answer.text
    assert "my reasons" in answer.text


def test_an_empty_file_is_a_file(as_alice: Client, pages: Pages) -> None:
    assert send(as_alice, pages, ("empty.txt", b"")).status_code in (302, 422)


def begin(client: Client, data: bytes, **more: object) -> dict[str, object]:
    body = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)} | more
    answer = client.post(PARTS, json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_parts_that_came_are_known_again(as_alice: Client, pages: Pages, bob: User) -> None:
    data = b"a" * PART_BYTES + b"b" * PART_BYTES + b"c" * 1000
    plan = begin(as_alice, data)
    assert [part["number"] for part in plan["parts"]] == [1, 2, 3]
    assert [part["etags"] for part in plan["parts"]] == [[], [], []]
    pieces = [data[:PART_BYTES], data[PART_BYTES : 2 * PART_BYTES], data[2 * PART_BYTES :]]
    told = [hashlib.sha256(piece).hexdigest() for piece in pieces]
    for place in (1, 2):
        answer = as_alice.put(plan["parts"][place]["href"], pieces[place], content_type=BYTES)
        assert answer.headers["ETag"] == f'"{told[place]}"'
    again = begin(as_alice, data)
    assert [part["etags"] for part in again["parts"]] == [[], [told[1]], [told[2]]]
    as_alice.put(again["parts"][0]["href"], pieces[0], content_type=BYTES)
    parts = [{"partNumber": number + 1, "etag": etag} for number, etag in enumerate(told)]
    body = json.dumps({"oid": hashlib.sha256(data).hexdigest(), "parts": parts})
    assert as_alice.post(again["complete"], body, content_type="application/json").status_code == 200
    assert begin(as_alice, data) == {"held": True}
    from models_app.storage.lfs import Pointer

    large = large_file_of(pages.base, Pointer(hashlib.sha256(data).hexdigest(), len(data)))
    assert large is not None
    assert b"".join(stream_large_file(large, 0, large.size)) == data


def test_parts_of_one_person_are_nobody_elses(client: Client, pages: Pages, carol: User) -> None:
    data = b"x" * 1000
    client.force_login(pages.alice, backend=BACKEND)
    plan = begin(client, data)
    client.put(plan["parts"][0]["href"], data, content_type=BYTES)
    client.force_login(carol, backend=BACKEND)
    body = json.dumps({"oid": hashlib.sha256(data).hexdigest(), "size": len(data)})
    assert client.post(PARTS, body, content_type="application/json").status_code == 403
    offered = client.post(f"{PARTS}?create_pr=1", body, content_type="application/json")
    assert offered.json()["parts"][0]["etags"] == []
    client.logout()
    assert client.post(PARTS, body, content_type="application/json").status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"oid": 1, "size": 1}, 400),
        ({"oid": "a" * 64}, 400),
        ({"oid": "a" * 64, "size": True}, 400),
        ({"oid": "../" * 20, "size": 5}, 422),
        ({"oid": "a" * 64, "size": -1}, 422),
        ({"oid": "a" * 64, "size": 10**15}, 422),
        ([], 400),
    ],
)
def test_a_senseless_question_is_refused(as_alice: Client, pages: Pages, body: object, status: int) -> None:
    answer = as_alice.post(PARTS, json.dumps(body), content_type="application/json")
    assert answer.status_code == status
