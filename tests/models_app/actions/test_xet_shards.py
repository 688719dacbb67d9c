from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.actor import ANONYMOUS, Actor
from accounts.models import User
from models_app.access import LoginRequired
from models_app.actions.content import ContentMismatch, UnknownContent
from models_app.actions.xet import register_shard, store_xorb
from models_app.files import open_large_file
from models_app.models import FileTerm, LargeFile, RepoFile, Xorb
from models_app.storage.errors import StorageError
from models_app.storage.xet.shard import ShardError
from tests.models_app.actions.xet_world import content, make_repo, send_shard, send_xorb, stored_files, upload
from tests.models_app.storage.xet_samples import (
    cut,
    make_shard,
    make_xorb,
    recorded_shard,
    recorded_xorbs,
    sample_files,
)

RNG = np.random.default_rng(22)
CHUNKS = [RNG.bytes(20_000) for _ in range(6)]
DATA = b"".join(CHUNKS)
SHA256 = hashlib.sha256(DATA).hexdigest()


def test_the_recorded_upload_of_the_real_client_gives_its_files_back(alice: User) -> None:
    repo = make_repo(alice)
    for name, body in recorded_xorbs().items():
        store_xorb(Actor(alice), hash_hex=name, body=io.BytesIO(body), length=len(body))
    assert send_shard(alice, repo, recorded_shard()) == len(sample_files())
    for data in sample_files().values():
        file = LargeFile.objects.get(sha256=hashlib.sha256(data).hexdigest())
        assert file.size == len(data)
        assert content(file) == data
        with open_large_file(file) as opened:
            opened.seek(-3, io.SEEK_END)
            assert opened.read() == data[-3:]
        assert RepoFile.objects.filter(repo=repo, file=file).exists()
    assert send_shard(alice, repo, recorded_shard()) == 0


def test_a_second_repo_gets_the_file_without_a_byte_more(alice: User, bob: User) -> None:
    first = upload(alice, make_repo(alice), DATA)
    before = stored_files()
    second = upload(bob, make_repo(bob), DATA)
    assert first == second
    assert stored_files() == before
    assert RepoFile.objects.filter(file=first).count() == 2


def test_children_that_change_only_a_head_cost_only_the_head(alice: User) -> None:
    rng = np.random.default_rng(23)
    trunk, head = rng.bytes(9_800_000), rng.bytes(40_000)
    base = upload(alice, make_repo(alice, "base"), head + trunk)
    base_bytes = sum(stored_files().values())
    for number in range(10):
        data = rng.bytes(40_000 + number) + trunk
        assert content(upload(alice, make_repo(alice, f"child-{number}"), data)) == data
    # A child costs its head and the one chunk in which head and trunk meet, never a second copy of the trunk.
    assert sum(stored_files().values()) <= base_bytes + 10 * (40_010 + 2 * 131_072)
    assert FileTerm.objects.filter(file=base).count() == 1
    assert FileTerm.objects.count() <= 1 + 10 * 3


def test_neighbouring_chunks_share_a_term_and_places_are_exact(alice: User) -> None:
    send_xorb(alice, CHUNKS[:3])
    name, _ = send_xorb(alice, CHUNKS)
    repo = make_repo(alice)
    send_shard(alice, repo, make_shard(CHUNKS, name, SHA256))
    file = LargeFile.objects.get()
    terms = list(
        file.terms.values_list("chunk_start", "chunk_end", "byte_start", "byte_end", "file_offset", "length")
    )
    assert terms == [(0, 3, 0, 60_024, 0, 60_000), (0, 3, 0, 60_024, 60_000, 60_000)]
    assert content(file) == DATA


LIES = {
    "verification": (ShardError, "verification hash"),
    "file": (ContentMismatch, "do not add up"),
    "length": (ShardError, "its chunks differ"),
    "sha256": (ContentMismatch, "not .* as announced"),
    "stop": (ShardError, "which has 6"),
    "xorb": (UnknownContent, "not stored here"),
}


@pytest.mark.parametrize("lie", LIES)
def test_every_false_word_in_a_shard_is_refused_and_nothing_is_registered(alice: User, lie: str) -> None:
    name, _ = send_xorb(alice, CHUNKS)
    words: dict[str, object] = {
        "verification": {"verification": bytes(32)},
        "file": {"file": b"\1" * 32},
        "length": {"length": len(DATA) - 1},
        "sha256": {},
        "stop": {"stop": 7},
        "xorb": {},
    }[lie]
    xorb = "0" * 64 if lie == "xorb" else name
    sha256 = "0" * 64 if lie == "sha256" else SHA256
    kind, sentence = LIES[lie]
    with pytest.raises(kind, match=sentence) as caught:
        send_shard(alice, make_repo(alice), make_shard(CHUNKS, xorb, sha256, **words))  # type: ignore[arg-type]
    assert isinstance(caught.value, StorageError)
    assert not LargeFile.objects.exists()
    assert not RepoFile.objects.exists()


def test_a_known_file_cannot_be_claimed_without_its_chunk_hashes(alice: User, carol: User) -> None:
    """Knowing a file's SHA-256, its Xet hash and its xorb's name is not having it."""
    file = upload(alice, make_repo(alice, private=True), DATA)
    name = Xorb.objects.get().hash
    theirs = make_repo(carol)
    guess = make_shard(cut(b"guess" * 5000), name, SHA256, stop=6, length=len(DATA))
    with pytest.raises(StorageError):
        send_shard(carol, theirs, guess)
    with pytest.raises(ShardError, match="no proof"):
        send_shard(carol, theirs, make_shard(CHUNKS, name, SHA256, flags=1 << 30))
    assert not RepoFile.objects.filter(repo=theirs).exists()
    assert RepoFile.objects.filter(file=file).count() == 1


def test_the_same_content_cut_otherwise_is_the_same_file(alice: User) -> None:
    upload(alice, make_repo(alice), DATA)
    other_cut = [DATA[:50_000], DATA[50_000:]]
    name, _ = send_xorb(alice, other_cut)
    repo = make_repo(alice, "other")
    assert send_shard(alice, repo, make_shard(other_cut, name, SHA256)) == 0
    assert RepoFile.objects.get(repo=repo).file == LargeFile.objects.get()


def test_limits_of_size_are_kept(alice: User, settings: Settings) -> None:
    name, _ = send_xorb(alice, CHUNKS)
    settings.HUB_MAX_FILE_BYTES = len(DATA) - 1
    with pytest.raises(ShardError, match="over this hub's limit"):
        send_shard(alice, make_repo(alice), make_shard(CHUNKS, name, SHA256))
    with pytest.raises(ShardError, match="A shard has at most"):
        register_shard(Actor(alice), repo=make_repo(alice, "b"), body=io.BytesIO(), length=64 * 1024**2 + 1)


def test_nobody_registers_without_a_name(alice: User) -> None:
    with pytest.raises(LoginRequired):
        register_shard(ANONYMOUS, repo=make_repo(alice), body=io.BytesIO(), length=0)


def test_many_small_files_share_their_queries(
    alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    files = [RNG.bytes(2000) for _ in range(300)]
    name, _ = send_xorb(alice, files)
    parts = [
        make_shard([data], name, hashlib.sha256(data).hexdigest(), start=at) for at, data in enumerate(files)
    ]
    shard = parts[0][:48] + b"".join(part[48 : 48 + 4 * 48] for part in parts) + parts[0][-96:]
    repo = make_repo(alice)
    with django_assert_max_num_queries(25):
        assert send_shard(alice, repo, shard) == 300
    assert RepoFile.objects.filter(repo=repo).count() == 300
    some = LargeFile.objects.get(sha256=hashlib.sha256(files[123]).hexdigest())
    assert content(some) == files[123]


def test_a_shard_that_fails_at_its_last_file_registers_none(alice: User) -> None:
    name, _ = send_xorb(alice, CHUNKS)
    good, bad = (
        make_shard(CHUNKS[:1], name, hashlib.sha256(CHUNKS[0]).hexdigest()),
        make_shard(CHUNKS[1:2], name, "1" * 64, start=1),
    )
    both = good[: 48 * 5] + bad[48:]
    with pytest.raises(ContentMismatch):
        send_shard(alice, make_repo(alice), both)
    assert not LargeFile.objects.exists()
    assert make_xorb(CHUNKS)[0] in stored_files()
