"""The wire of buckets in its fine print: pages, bodies that make no sense, the feed and its bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts.actor import Actor
from accounts.models import User
from accounts.tokens import mint_token
from models_app.actions.bucket_files import EMPTY_XET_HASH, PutFile, RemoveFile, change_files
from models_app.actions.buckets import create_bucket
from models_app.api import bucket_feed, sse
from models_app.models import Bucket, BucketFile

URL = "/api/buckets/alice/stuff"
# Closing a stream by hand ends its request, and on PostgreSQL a connection with somebody's transaction open.
own_transactions = pytest.mark.django_db(transaction=True)
PATHS = ["a", "a.txt", "a/1", "a/2/x", "a/2/y", "b/c/d", "b/é", "c", "Z"]


@pytest.fixture
def bucket(alice: User) -> Bucket:
    made = create_bucket(Actor(alice), namespace=None, name="stuff")
    put(alice, made, *PATHS)
    made.refresh_from_db()
    return made


@pytest.fixture
def auth(alice: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {mint_token(alice, name='t', role='write')[1]}"}


def put(user: User, bucket: Bucket, *paths: str) -> None:
    change_files(Actor(user), bucket=bucket, operations=[PutFile(path, EMPTY_XET_HASH) for path in paths])


def walk(url: str) -> list[str]:
    """All paths of a listing, page by page."""
    found: list[str] = []
    while url:
        answer = Client().get(url)
        assert answer.status_code == 200
        found += [entry["path"] for entry in answer.json()]
        link = answer.headers.get("Link", "")
        url = link.partition("<http://testserver")[2].partition(">")[0]
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_show_everything_once_and_in_order(bucket: Bucket, limit: int) -> None:
    assert walk(f"{URL}/tree?recursive=true&limit={limit}") == sorted(PATHS)
    assert walk(f"{URL}/tree?limit={limit}") == sorted(PATHS)
    assert walk(f"{URL}/tree?recursive=false&limit={limit}") == ["Z", "a", "a.txt", "a", "b", "c"]
    assert walk(f"{URL}/tree/a%2F?recursive=False&limit={limit}") == ["a/1", "a/2"]
    assert walk(f"{URL}/tree/b?recursive=True&limit={limit}") == ["b/c/d", "b/é"]


def test_a_folder_of_many_files_is_one_entry(alice: User, bucket: Bucket, monkeypatch: Any) -> None:
    monkeypatch.setattr("models_app.buckets._BATCH", 3)
    put(alice, bucket, *(f"many/{number:03}" for number in range(20)), "n")
    assert walk(f"{URL}/tree?recursive=false&limit=2")[-3:] == ["c", "many", "n"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-1"])
def test_senseless_limits_are_400(bucket: Bucket, query: str) -> None:
    assert Client().get(f"{URL}/tree?{query}").status_code == 400


def test_nothing_is_found_behind_a_nul(bucket: Bucket) -> None:
    assert Client().get(f"{URL}/tree/a%00").json() == []
    assert Client().get(f"{URL}/tree?cursor=%00").json() == []
    assert Client().get("/buckets/alice/stuff/resolve/a%00").status_code == 404


def post(client: Client, what: str, auth: dict[str, str], body: Any) -> HttpResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(f"{URL}/{what}", data, content_type="application/json", headers=auth)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        {"type": "addFile"},
        {"path": "a"},
        {"type": "moveFile", "path": "a"},
        {"type": "addFile", "path": 7},
        {"type": "addFile", "path": "a", "xetHash": "0" * 65},
        {"type": "addFile", "path": "a", "xetHash": EMPTY_XET_HASH, "mtime": "today"},
        {"type": "addFile", "path": "a", "xetHash": EMPTY_XET_HASH, "mtime": -1},
        {"type": "addFile", "path": "a", "xetHash": EMPTY_XET_HASH, "mtime": 1e300},
        {"type": "copyFile", "path": "a", "xetHash": EMPTY_XET_HASH},
        {"type": "deleteFile", "path": "\ud800"},
        b'{"type": "deleteFile", "path": "a"}\n' * 1001,
    ],
)
def test_senseless_batches_are_400_and_change_nothing(
    bucket: Bucket, auth: dict[str, str], body: Any
) -> None:
    answer = post(Client(), "batch", auth, body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert BucketFile.objects.count() == len(PATHS)


def test_a_batch_says_what_was_done(bucket: Bucket, auth: dict[str, str]) -> None:
    good = {"type": "addFile", "path": "new", "xetHash": EMPTY_XET_HASH.upper(), "mtime": 1_700_000_000_123}
    bad = {"type": "addFile", "path": "no", "xetHash": "1" * 64}
    answer = post(Client(), "batch", auth, b"\n".join(json.dumps(one).encode() for one in (good, bad)))
    assert answer.status_code == 200
    told = answer.json()
    assert (told["success"], told["processed"], told["succeeded"]) == (False, 2, 1)
    assert [one["path"] for one in told["failed"]] == ["no"]
    (entry,) = post(Client(), "paths-info", auth, {"paths": ["new"]}).json()
    assert entry["mtime"] == "2023-11-14T22:13:20.123Z"
    answer = post(Client(), "batch", auth, bad)
    assert (answer.status_code, len(answer.json()["failed"])) == (422, 1)


@pytest.mark.parametrize("paths", [None, "a", [1], ["a"] * 1001, {"a": 1}])
def test_senseless_paths_are_400(bucket: Bucket, auth: dict[str, str], paths: Any) -> None:
    assert post(Client(), "paths-info", auth, {"paths": paths}).status_code == 400


@pytest.mark.parametrize(
    "body", [{"visibility": "secret"}, {"private": "yes"}, {"region": "eu"}, {"resourceGroupId": "1"}, b"[]"]
)
def test_senseless_buckets_are_400(alice: User, auth: dict[str, str], body: Any) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Client().post("/api/buckets/me/new", data, content_type="application/json", headers=auth)
    assert answer.status_code == 400
    assert not Bucket.objects.exists()


def test_me_is_nobody_without_a_token(bucket: Bucket, auth: dict[str, str]) -> None:
    for call in (Client().get, Client().post):
        assert call("/api/buckets/me/stuff").status_code == 401
    assert Client().get("/api/buckets/me").status_code == 401
    assert Client().get("/api/buckets/me/stuff", headers=auth).json()["id"] == "alice/stuff"
    answer = Client().get("/api/buckets/nobody", headers=auth)
    assert (answer.status_code, answer["X-Error-Code"]) == (404, "RepoNotFound")
    assert Client().get(f"{URL}/commits/main").status_code == 404


# --- the feed


def events(url: str, auth: dict[str, str] | None = None) -> list[tuple[str, dict[str, Any]]]:
    answer = Client().get(url, headers=auth or {})
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode()
    answer.close()
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "STREAM_SECONDS", 0.0)


@own_transactions
@pytest.mark.usefixtures("_short")
def test_a_feed_replays_what_was_missed_and_says_where_it_is(alice: User, bucket: Bucket) -> None:
    (ready, gone) = events(f"{URL}/events")
    assert (ready[0], gone[0]) == ("ready", "reconnect")
    put(alice, bucket, "new")
    change_files(Actor(alice), bucket=bucket, operations=[RemoveFile("a"), PutFile("new", EMPTY_XET_HASH)])
    first, second, ready, _ = events(f"{URL}/events?cursor={ready[1]['cursor']}")
    assert [change["op"] for change in first[1]["changes"]] == ["add"]
    assert [(one["op"], one["path"]) for one in second[1]["changes"]] == [("delete", "a"), ("update", "new")]
    assert second[1]["changes"][1]["uploadedAt"].endswith("Z")
    assert ready == ("ready", {"cursor": second[1]["cursor"]})
    since = Client().get(URL).json()["createdAt"]
    assert [name for name, _ in events(f"{URL}/events?since={since}")][-2:] == ["ready", "reconnect"]
    assert len(events(f"{URL}/events?since={since}")) == 5


@pytest.mark.usefixtures("_short")
def test_who_is_too_far_behind_lists_again(alice: User, bucket: Bucket, monkeypatch: Any) -> None:
    monkeypatch.setattr(bucket_feed, "MAX_REPLAYED", 1)
    put(alice, bucket, "new")
    assert [name for name, _ in events(f"{URL}/events?cursor=0")] == ["reset"]


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "cursor=-1",
        "since=yesterday",
        "since=2026-01-01T00:00:00",
        # no calendar has these in UTC
        "since=0001-01-01T00:00:00%2B14:00",
        "since=9999-12-31T23:59:59-14:00",
    ],
)
def test_senseless_places_in_a_feed_are_400(bucket: Bucket, query: str) -> None:
    assert Client().get(f"{URL}/events?{query}").status_code == 400


@own_transactions
@pytest.mark.usefixtures("_short")
def test_so_many_follow_and_no_more(bucket: Bucket) -> None:
    held = [sse.Slot() for _ in range(sse.MAX_STREAMS)]
    try:
        answer = Client().get(f"{URL}/events")
        assert (answer.status_code, answer["Retry-After"]) == (503, "20")
    finally:
        for slot in held:
            slot.release()
    for _ in range(sse.MAX_STREAMS + 1):
        unread = Client().get(f"{URL}/events")
        assert unread.status_code == 200
        unread.close()
    assert events(f"{URL}/events")


def test_a_follower_who_loses_the_right_hears_no_more(
    alice: User, bob: User, bucket: Bucket, monkeypatch: Any
) -> None:
    monkeypatch.setattr(sse, "POLL_SECONDS", 0.0)
    stream = bucket_feed._session(Actor(bob), bucket, None)
    assert b"event: ready" in next(stream)
    next(stream)  # the comment that opens the stream
    put(alice, bucket, "new")
    assert b'"path": "new"' in next(stream)
    Bucket.objects.update(private=True)
    put(alice, bucket, "secret")
    assert [b"reconnect" in event for event in stream] == [True]
