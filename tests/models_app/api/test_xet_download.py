"""Reconstructions and their links in the fine print: who gets them, for which bytes, and what a lost xorb
does."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.http import FileResponse, HttpResponse
from django.test import Client
from pytest_django import Settings

from accounts.actor import ANONYMOUS, Actor
from accounts.models import User
from accounts.tokens import revoke_token
from models_app.actions.commits import commit
from models_app.api import recent
from models_app.api.xet import mint_ticket
from models_app.files import git_store, xorb_store
from models_app.models import FileTerm, LargeFile, Repo, RepoFile
from models_app.storage.operations import AddPointer
from models_app.storage.xet.hashing import chunk_hash, hash_to_text
from models_app.storage.xet.xorb import HEADER_BYTES, decode_chunk, parse_header
from tests.models_app.actions.xet_world import upload
from tests.models_app.people import by_token, repo_of, session
from tests.models_app.storage.xet_samples import cut

RNG = np.random.default_rng(31)
TRUNK = RNG.bytes(700_000)
DATA = TRUNK + np.sort(RNG.normal(size=100_000)).astype("<f4").tobytes()
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def _own_store(settings: Settings, tmp_path: Path) -> None:
    settings.HUB_XORBS_DIR = tmp_path / "xorbs"
    settings.HUB_TMP_DIR = tmp_path / "tmp"


@pytest.fixture
def repo(alice: User) -> Repo:
    made = repo_of(alice, private=True)
    upload(alice, made, DATA)
    pointer = AddPointer("model.safetensors", SHA256, len(DATA))
    commit(by_token(alice), repo=made, branch="main", operations=[pointer], summary="Weights")
    return made


@pytest.fixture
def file(repo: Repo) -> LargeFile:
    return LargeFile.objects.get(sha256=SHA256)


def cas(path: str) -> str:
    return f"/cas/g{xorb_store().generation()}/{path}"


def ask(client: Client, actor: Actor, repo: Repo, path: str, **headers: str) -> Any:
    ticket = mint_ticket(actor, repo, "read")
    return client.get(cas(path), headers={"Authorization": f"Bearer {ticket}", **headers})


def body(response: HttpResponse) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def fetch(client: Client, url: str, first: int, last: int) -> Any:
    path = url.removeprefix("http://testserver")
    return client.get(path, headers={"Range": f"bytes={first}-{last}"})


def contents(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        header = parse_header(data[at : at + HEADER_BYTES])
        end = at + HEADER_BYTES + header.stored
        found.append(bytes(decode_chunk(header, data[at + HEADER_BYTES : end])))
        at = end
    return found


def follow(client: Client, told: dict[str, Any]) -> bytes:
    """As a client of version 1 does it."""
    chunks = {}
    for container, fetches in told["fetch_info"].items():
        for one in fetches:
            response = fetch(client, one["url"], one["url_range"]["start"], one["url_range"]["end"])
            assert response.status_code == 206
            for at, data in enumerate(contents(body(response))):
                chunks[container, one["range"]["start"] + at] = data
    laid = b""
    for term in told["terms"]:
        part = b"".join(
            chunks[term["hash"], at] for at in range(term["range"]["start"], term["range"]["end"])
        )
        assert len(part) == term["unpacked_length"]
        laid += part
    return laid[told["offset_into_first_range"] :]


def test_a_reader_puts_the_file_together(client: Client, alice: User, repo: Repo, file: LargeFile) -> None:
    response = ask(client, by_token(alice), repo, f"v1/reconstructions/{file.xet_hash}")
    assert response.status_code == 200
    assert follow(client, response.json()) == DATA


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=300000-300009", 300_000, 300_010), ("bytes=-7", -7, None),
     ("bytes=650000-", 650_000, None), ("bytes=5-18446744073709551614", 5, None)],
)  # fmt: skip
def test_ranges(
    client: Client, alice: User, repo: Repo, file: LargeFile, asked: str, start: int, stop: int | None
) -> None:
    response = ask(client, by_token(alice), repo, f"v1/reconstructions/{file.xet_hash}", Range=asked)
    wanted = DATA[start:stop]
    assert follow(client, response.json())[: len(wanted)] == wanted
    told = sum(term["unpacked_length"] for term in response.json()["terms"])
    assert told < len(wanted) + 2 * 131_072


def test_the_second_version_says_the_same(client: Client, alice: User, repo: Repo, file: LargeFile) -> None:
    first, second = (
        ask(client, by_token(alice), repo, f"v{number}/reconstructions/{file.xet_hash}").json()
        for number in (1, 2)
    )
    assert first["terms"] == second["terms"]
    for container, fetches in first["fetch_info"].items():
        ranges = [(one["range"], one["url_range"]) for one in fetches]
        told = [(run["chunks"], run["bytes"]) for one in second["xorbs"][container] for run in one["ranges"]]
        assert ranges == told


def test_past_the_end_is_416_and_nonsense_too(
    client: Client, alice: User, repo: Repo, file: LargeFile
) -> None:
    for asked in (
        f"bytes={len(DATA)}-",
        f"bytes={len(DATA)}-{len(DATA) + 5}",
        "bytes=9-3",
        "bytes=-0",
        "lines=1-2",
    ):
        response = ask(client, by_token(alice), repo, f"v1/reconstructions/{file.xet_hash}", Range=asked)
        assert response.status_code == 416
    response = ask(
        client, by_token(alice), repo, f"v1/reconstructions/{file.xet_hash}", Range=f"bytes={len(DATA)}-"
    )
    assert response["Content-Range"] == f"bytes */{len(DATA)}"


def test_a_hash_alone_gives_nothing(
    client: Client, alice: User, carol: User, repo: Repo, file: LargeFile
) -> None:
    hers = repo_of(carol, "hers")
    path = f"v1/reconstructions/{file.xet_hash}"
    assert ask(client, by_token(carol), hers, path).status_code == 404
    assert ask(client, by_token(carol), repo, path).status_code == 401
    assert ask(client, by_token(carol), hers, "v1/reconstructions/" + "0" * 64).status_code == 404
    assert ask(client, by_token(carol), hers, "v1/reconstructions/nonsense").status_code == 400
    assert client.get(cas(path)).status_code == 401
    RepoFile.objects.filter(repo=repo).delete()
    assert ask(client, by_token(alice), repo, path).status_code == 404


def test_a_public_file_needs_no_account(client: Client, repo: Repo, file: LargeFile) -> None:
    Repo.objects.filter(pk=repo.pk).update(private=False)
    response = ask(client, ANONYMOUS, repo, f"v1/reconstructions/{file.xet_hash}")
    assert follow(client, response.json()) == DATA


def _link(client: Client, actor: Actor, repo: Repo, file: LargeFile) -> tuple[str, int, int]:
    told = ask(client, actor, repo, f"v1/reconstructions/{file.xet_hash}").json()
    ((one, *_),) = told["fetch_info"].values()
    return one["url"], one["url_range"]["start"], one["url_range"]["end"]


def test_a_link_opens_its_own_bytes_only(client: Client, alice: User, repo: Repo, file: LargeFile) -> None:
    hidden = upload(alice, repo_of(alice, "other", private=True), TRUNK + RNG.bytes(300_000))
    other = FileTerm.objects.filter(file=hidden).exclude(
        xorb__in=FileTerm.objects.filter(file=file).values("xorb")
    )
    url, first, last = _link(client, by_token(alice), repo, file)
    assert fetch(client, url, first, last)["Content-Range"].startswith(f"bytes {first}-{last}/")
    assert len(body(fetch(client, url, first + 10, first + 19))) == 10
    assert fetch(client, url.replace("/xorbs/", "/xorbs/0"), first, last).status_code == 403
    name = other.values_list("xorb", flat=True)[0]
    swapped = f"{url.split('/xorbs/')[0]}/xorbs/{name}?{url.split('?')[1]}"
    assert fetch(client, swapped, first, last).status_code == 403
    path = url.removeprefix("http://testserver")
    assert (
        client.get(path, headers={"Range": f"bytes={first}-{first + 1},{first + 5}-{first + 6}"}).status_code
        == 416
    )


def test_bytes_are_the_same_by_either_road(
    client: Client, alice: User, repo: Repo, file: LargeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the page cache for the first who asks in an hour, from a file the kernel may send afterwards."""
    monkeypatch.setattr(recent, "LARGE_BYTES", 1)
    monkeypatch.setattr(recent, "_reads", recent.Recent())
    url, first, last = _link(client, by_token(alice), repo, file)
    answers = [fetch(client, url, first, last) for _ in range(2)]
    assert [isinstance(answer, FileResponse) for answer in answers] == [False, True]
    first_headers, second_headers = (
        {name: value for name, value in answer.items() if name != "X-Request-Id"} for answer in answers
    )
    assert first_headers == second_headers
    contents = [body(answer) for answer in answers]
    assert len(contents[0]) == last - first + 1
    assert contents[0] == contents[1]


def test_a_part_of_a_file_is_linked_without_the_rest_of_the_container(
    client: Client, alice: User, carol: User, repo: Repo, file: LargeFile
) -> None:
    # Carol holds the trunk only; what alice's container holds after it must stay shut to her.
    hers = repo_of(carol, "hers")
    trunk = upload(carol, hers, b"".join(cut(TRUNK)[:-1]))
    url, first, last = _link(client, by_token(carol), hers, trunk)
    term = FileTerm.objects.get(file=trunk)
    assert (first, last + 1) == (term.byte_start, term.byte_end)
    size = xorb_store().path(term.xorb_id).stat().st_size
    assert last + 1 < size
    assert fetch(client, url, first, size - 1).status_code == 416


def test_links_and_tickets_die_with_the_right_to_read(
    client: Client, alice: User, repo: Repo, file: LargeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = by_token(alice)
    url, first, last = _link(client, actor, repo, file)
    assert fetch(client, url, first, last).status_code == 206
    assert fetch(client, url[:-3] + "abc", first, last).status_code == 403
    assert fetch(client, url.split("?")[0], first, last).status_code == 403
    with monkeypatch.context() as later:
        later.setattr("models_app.api.xet_links.LINK_SECONDS", -1)
        assert fetch(client, url, first, last).status_code == 403
    assert actor.token is not None
    revoke_token(actor.token)
    assert fetch(client, url, first, last).status_code == 401
    assert ask(client, actor, repo, f"v1/reconstructions/{file.xet_hash}").status_code == 401


def test_a_repo_made_private_shuts_the_links_of_strangers(
    client: Client, carol: User, repo: Repo, file: LargeFile
) -> None:
    Repo.objects.filter(pk=repo.pk).update(private=False)
    url, first, last = _link(client, by_token(carol), repo, file)
    Repo.objects.filter(pk=repo.pk).update(private=True)
    assert fetch(client, url, first, last).status_code == 401


def test_a_lost_xorb_is_told_of_in_words(client: Client, alice: User, repo: Repo, file: LargeFile) -> None:
    actor = by_token(alice)
    url, first, last = _link(client, actor, repo, file)
    xorb_store().delete(FileTerm.objects.filter(file=file).values_list("xorb", flat=True)[0])
    answers = [
        ask(client, actor, repo, f"v1/reconstructions/{file.xet_hash}"),
        ask(client, actor, repo, f"v2/reconstructions/{file.xet_hash}"),
        fetch(client, url, first, last),
        _resolve(client, alice),
    ]
    for answer in answers:
        assert answer.status_code == 410
        assert "missing from the hub's storage" in answer.json()["error"]


def _resolve(client: Client, alice: User, method: str = "get") -> Any:
    client.force_login(alice)
    return getattr(client, method)("/alice/net/resolve/main/model.safetensors")


def test_resolve_shows_the_way_to_xet(
    client: Client, alice: User, repo: Repo, file: LargeFile, settings: Settings
) -> None:
    oid = git_store(repo).resolve("main")
    for method in ("head", "get"):
        response = _resolve(client, alice, method)
        assert response["X-Xet-Hash"] == file.xet_hash
        assert (
            response["Link"]
            == f'<http://testserver/api/models/alice/net/xet-read-token/{oid}>; rel="xet-auth"'
        )
    settings.HUB_XET_DOWNLOAD = False
    response = _resolve(client, alice, "head")
    assert (response.status_code, "X-Xet-Hash" in response, "Link" in response) == (200, False, False)


def test_lists_of_files_tell_the_xet_hash(
    client: Client, alice: User, repo: Repo, file: LargeFile, settings: Settings
) -> None:
    client.force_login(alice)

    def entries() -> list[dict[str, Any]]:
        tree = client.get("/api/models/alice/net/tree/main").json()
        listed = client.get("/api/models/alice/net/paths-info/main")
        assert listed.status_code == 405
        return [entry for entry in tree if entry["path"] == "model.safetensors"]

    assert entries()[0]["xetHash"] == file.xet_hash
    settings.HUB_XET_DOWNLOAD = False
    assert "xetHash" not in entries()[0]


def test_the_xet_name_is_that_of_the_content_however_it_came(
    alice: User, repo: Repo, file: LargeFile
) -> None:
    from io import BytesIO

    from models_app.actions.uploads import store_lfs_object
    from models_app.storage.lfs import Pointer

    before = {path.name for path in xorb_store().root.glob("??/??/*")}
    again = repo_of(alice, "again")
    store_lfs_object(session(alice), repo=again, pointer=Pointer(SHA256, len(DATA)), body=BytesIO(DATA))
    assert LargeFile.objects.get(repo_files__repo=again) == file
    assert {path.name for path in xorb_store().root.glob("??/??/*")} == before


def test_a_chunk_is_known_to_those_who_may_read_a_file_with_it(
    client: Client, alice: User, carol: User, repo: Repo, file: LargeFile
) -> None:
    name = hash_to_text(chunk_hash(cut(DATA)[2]))
    hers = repo_of(carol, "hers")
    path = f"v1/chunks/default-merkledb/{name}"
    assert ask(client, by_token(alice), repo, path).status_code == 200
    assert ask(client, by_token(carol), hers, path).status_code == 404
    Repo.objects.filter(pk=repo.pk).update(private=False)
    shown = ask(client, by_token(carol), hers, path)
    assert (shown.status_code, shown["Content-Type"]) == (200, "application/octet-stream")
    Repo.objects.filter(pk=repo.pk).update(gated="manual")
    assert ask(client, by_token(carol), hers, path).status_code == 404
    assert ask(client, by_token(alice), repo, "v1/chunks/default/nonsense").status_code == 400


def test_a_ticket_gets_one_hint(
    client: Client, alice: User, carol: User, repo: Repo, file: LargeFile
) -> None:
    unknown = cas("v1/chunks/default/" + "1" * 64)
    for actor, place, statuses in (
        (by_token(alice), repo, [200, 404]),
        (by_token(alice), repo_of(alice, "new"), [200, 404]),
        (by_token(carol), repo_of(carol, "hers"), [404, 404]),
    ):
        headers = {"Authorization": f"Bearer {mint_ticket(actor, place, 'write')}"}
        assert [client.get(unknown, headers=headers).status_code for _ in range(2)] == statuses
