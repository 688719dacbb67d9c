"""Files into buckets: content by shards without a SHA-256, batches judged operation by operation."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest

from accounts.actor import Actor
from accounts.models import User
from accounts.tokens import revoke_token
from models_app.access import Forbidden, RepoNotFound
from models_app.actions.bucket_files import EMPTY_XET_HASH, Operation, PutFile, RemoveFile, change_files
from models_app.actions.buckets import create_bucket, delete_bucket, move_bucket
from models_app.actions.refusals import CredentialEnded, InvalidInput, RepoExists
from models_app.actions.xet import register_bucket_shard
from models_app.models import Bucket, BucketFile, BucketUpload, Event, EventTag, LargeFile
from models_app.storage.errors import StorageError
from models_app.storage.xet.hashing import chunk_hash, file_hash, hash_from_text, hash_to_text
from models_app.storage.xet.shard import ShardError
from tests.models_app.actions.xet_world import content, make_repo, send_shard, send_xorb, upload
from tests.models_app.people import by_token, organization
from tests.models_app.storage.xet_samples import cut, make_shard

NAMELESS = 1 << 31
DATA = np.random.default_rng(31).bytes(200_000)


@pytest.fixture
def bucket(alice: User) -> Bucket:
    return create_bucket(Actor(alice), namespace=None, name="stuff")


def xet_hash(chunks: list[bytes]) -> str:
    return hash_to_text(file_hash([(chunk_hash(chunk), len(chunk)) for chunk in chunks]))


def send(user: User, bucket: Bucket, data: bytes, chunks: list[bytes] | None = None) -> str:
    """Upload as the client does for buckets; the Xet hash it would name."""
    chunks = chunks or cut(data)
    name, _ = send_xorb(user, chunks)
    shard = make_shard(chunks, name, "0" * 64, flags=NAMELESS)
    register_bucket_shard(Actor(user), bucket=bucket, body=io.BytesIO(shard), length=len(shard))
    return xet_hash(chunks)


def change(user: User, bucket: Bucket, *operations: Operation) -> list[str]:
    return [failure.error for failure in change_files(Actor(user), bucket=bucket, operations=operations)]


def listing(bucket: Bucket) -> dict[str, int]:
    return dict(BucketFile.objects.filter(bucket=bucket).values_list("path", "file__size"))


def test_the_hub_finds_the_sha256_that_the_client_left_out(alice: User, bucket: Bucket) -> None:
    name = send(alice, bucket, DATA)
    assert change(alice, bucket, PutFile("a/w.bin", name)) == []
    file = BucketFile.objects.get().file
    assert (file.sha256, file.size) == (hashlib.sha256(DATA).hexdigest(), len(DATA))
    assert content(file) == DATA


def test_repos_still_need_it(alice: User) -> None:
    chunks = cut(DATA)
    name, _ = send_xorb(alice, chunks)
    with pytest.raises(ShardError, match="without its SHA-256"):
        send_shard(alice, make_repo(alice), make_shard(chunks, name, "0" * 64, flags=NAMELESS))


def test_content_that_a_repo_brought_is_stored_once(alice: User, bucket: Bucket) -> None:
    file = upload(alice, make_repo(alice), DATA)
    assert send(alice, bucket, DATA) == file.xet_hash
    assert LargeFile.objects.count() == 1
    assert BucketUpload.objects.get().file == file


def test_content_cut_otherwise_goes_by_the_name_its_sender_uses(alice: User, bucket: Bucket) -> None:
    """Or somebody who has registered it in odd chunks could keep everybody else from uploading it."""
    stored = upload(alice, make_repo(alice), DATA)
    name = send(alice, bucket, DATA, [DATA[:50_000], DATA[50_000:150_000], DATA[150_000:]])
    assert name != stored.xet_hash
    assert change(alice, bucket, PutFile("w.bin", name)) == []
    assert BucketFile.objects.get().file == stored


def test_false_proofs_are_refused(alice: User, carol: User, bucket: Bucket) -> None:
    file = upload(alice, make_repo(alice, private=True), DATA)
    theirs = create_bucket(Actor(carol), namespace=None, name="theirs")
    name, _ = send_xorb(carol, [b"guess" * 4000])
    guess = make_shard([b"guess" * 4000], name, "0" * 64, flags=NAMELESS, file=hash_from_text(file.xet_hash))
    with pytest.raises(StorageError):
        register_bucket_shard(Actor(carol), bucket=theirs, body=io.BytesIO(guess), length=len(guess))
    (error,) = change(carol, theirs, PutFile("w.bin", file.xet_hash))
    assert "never uploaded to this bucket" in error
    assert not BucketFile.objects.exists()


def test_the_empty_file_needs_no_upload(alice: User, bucket: Bucket) -> None:
    assert change(alice, bucket, PutFile("empty", EMPTY_XET_HASH)) == []
    assert listing(bucket) == {"empty": 0}
    assert content(BucketFile.objects.get().file) == b""


def test_what_fails_does_not_hold_up_the_rest(alice: User, bucket: Bucket) -> None:
    name = send(alice, bucket, DATA)
    bad = ["../up", "/abs", "a//b", "", "a\0b", "x" * 1025, ".", "a/../b"]
    failed = change(alice, bucket, *(PutFile(path, name) for path in bad), PutFile("good", name))
    assert len(failed) == len(bad)
    assert listing(bucket) == {"good": len(DATA)}
    assert change(alice, bucket, PutFile(".git/config", name)) == []


def test_the_last_word_on_a_path_counts(alice: User, bucket: Bucket) -> None:
    name = send(alice, bucket, DATA)
    put, empty = PutFile("a", name), PutFile("a", EMPTY_XET_HASH)
    change(alice, bucket, put, RemoveFile("a"))
    assert listing(bucket) == {}
    change(alice, bucket, RemoveFile("a"), put, empty)
    assert listing(bucket) == {"a": 0}
    before = bucket.updated_at
    assert change(alice, bucket, RemoveFile("nothing")) == []
    assert Event.objects.filter(tag=EventTag.BUCKET_CHANGE).count() == 1
    bucket.refresh_from_db()
    event = Event.objects.get(tag=EventTag.BUCKET_CHANGE)
    assert (bucket.updated_at, bucket.last_event) == (event.at, event.pk)
    assert bucket.updated_at > before


def test_copies_need_leave_to_read_the_source(alice: User, carol: User, bucket: Bucket) -> None:
    file = upload(alice, make_repo(alice, private=True), DATA)
    source = ("model", "alice/weights")
    theirs = create_bucket(Actor(carol), namespace=None, name="theirs")
    (error,) = change(carol, theirs, PutFile("w", file.xet_hash, source=source))
    assert error == "The source model alice/weights cannot be read: Repository not found"
    assert change(alice, bucket, PutFile("w", file.xet_hash, source=source)) == []
    (error,) = change(carol, theirs, PutFile("w", file.xet_hash, source=("paper", "a/b")))
    assert "no repo type 'paper'" in error
    assert change(carol, theirs, PutFile("w", file.xet_hash, source=("bucket", "alice/stuff"))) == []
    change(alice, bucket, RemoveFile("w"))
    (error,) = change(carol, theirs, PutFile("v", file.xet_hash, source=("bucket", "alice/stuff")))
    assert "holds no content" in error


def test_a_dead_token_or_a_lost_right_changes_nothing(alice: User, carol: User, bucket: Bucket) -> None:
    actor = by_token(alice)
    revoke_token(actor.token)
    with pytest.raises(CredentialEnded):
        change_files(actor, bucket=bucket, operations=[PutFile("a", EMPTY_XET_HASH)])
    with pytest.raises(Forbidden):
        change(carol, bucket, PutFile("a", EMPTY_XET_HASH))
    delete_bucket(Actor(alice), bucket=bucket)
    with pytest.raises(RepoNotFound):
        change(alice, bucket, PutFile("a", EMPTY_XET_HASH))
    assert not BucketFile.objects.exists()


def test_moving_needs_both_ends_and_a_free_name(alice: User, bob: User, carol: User, bucket: Bucket) -> None:
    organization("team", admin=alice, write=bob)
    for namespace in ("carol", "nobody"):
        with pytest.raises(Forbidden):
            move_bucket(Actor(alice), bucket=bucket, namespace=namespace, name="stuff")
    create_bucket(Actor(alice), namespace=None, name="Taken")
    with pytest.raises(RepoExists):
        move_bucket(Actor(alice), bucket=bucket, namespace="alice", name="taken")
    with pytest.raises(InvalidInput):
        move_bucket(Actor(alice), bucket=bucket, namespace="alice", name="a b")
    token = by_token(alice, "fineGrained", repos={"bucket:alice/stuff": "write"}).token
    assert move_bucket(Actor(alice), bucket=bucket, namespace="team", name="stuff").bucket_id == "team/stuff"
    token.refresh_from_db()
    assert token.scopes["repos"] == {"bucket:team/stuff": "write"}


def test_an_organization_says_how_its_buckets_start(alice: User) -> None:
    organization("lab", private_by_default=True, admin=alice)
    assert create_bucket(Actor(alice), namespace="lab", name="a").private
    assert not create_bucket(Actor(alice), namespace="lab", name="b", private=False).private
