"""The page of a bucket."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.actor import Actor
from accounts.models import User
from models_app.actions.bucket_files import EMPTY_XET_HASH, PutFile, change_files
from models_app.actions.buckets import change_bucket, create_bucket
from models_app.models import Bucket

PATHS = ["a.txt", "dir/b.txt", "dir/deep/odd name #1.txt", "<b>.txt"]


@pytest.fixture
def bucket(alice: User) -> Bucket:
    made = create_bucket(Actor(alice), namespace=None, name="stuff")
    change_files(Actor(alice), bucket=made, operations=[PutFile(path, EMPTY_XET_HASH) for path in PATHS])
    return made


def test_a_folder_at_a_time(client: Client, bucket: Bucket) -> None:
    text = client.get("/buckets/alice/stuff").text
    assert 'href="/buckets/alice/stuff/resolve/a.txt"' in text
    assert 'href="/buckets/alice/stuff/tree/dir"' in text
    assert "<b>.txt" not in text
    assert "4 files" in text
    text = client.get("/buckets/Alice/STUFF/tree/dir/deep").text
    assert "/resolve/dir/deep/odd%20name%20%231.txt" in text
    assert 'href="/buckets/alice/stuff/tree/dir"' in text
    assert client.get("/buckets/alice/stuff/tree/nothing").status_code == 404
    assert client.get("/buckets/alice/stuff/tree/a.txt").status_code == 404
    assert client.get("/buckets/alice/stuff/tree/a%00").status_code == 404


def test_an_empty_bucket_says_so(client: Client, alice: User) -> None:
    create_bucket(Actor(alice), namespace=None, name="new")
    assert "No files yet" in client.get("/buckets/alice/new").text


def test_a_private_bucket_looks_missing(
    client: Client, as_alice: Client, carol: User, bucket: Bucket, alice: User
) -> None:
    change_bucket(Actor(alice), bucket=bucket, private=True)
    assert as_alice.get("/buckets/alice/stuff").status_code == 200
    stranger = Client()
    assert stranger.get("/buckets/alice/stuff").status_code == 404
    stranger.force_login(carol, backend="accounts.backends.AccountBackend")
    assert stranger.get("/buckets/alice/stuff").status_code == 404


def test_a_profile_leads_to_the_buckets_one_may_see(as_alice: Client, alice: User, bucket: Bucket) -> None:
    assert 'href="/buckets/alice/stuff"' in Client().get("/alice").text
    change_bucket(Actor(alice), bucket=bucket, private=True)
    assert 'href="/buckets/alice/stuff"' in as_alice.get("/alice").text
    assert "/buckets/" not in Client().get("/alice").text
