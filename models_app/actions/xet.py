"""The Xet road: xorbs first, then the shard that says which files they make up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.conf import settings

from accounts.actor import Actor
from models_app.access import LoginRequired
from models_app.actions.content import SMALL_BYTES, ContentGone, keep_files, keep_xorb
from models_app.actions.contributions import note_contribution
from models_app.actions.proving import checked_files
from models_app.files import xorb_store
from models_app.models import Bucket, Repo
from models_app.storage.sha256 import RunningSha256
from models_app.storage.streams import Body, read_pieces
from models_app.storage.xet.chain import Aside, Chain, Chains
from models_app.storage.xet.hashing import hash_from_text
from models_app.storage.xet.shard import MAX_SHARD_BYTES, ShardError, ShardFile, parse_shard
from models_app.storage.xet.xorb import MAX_BODY_BYTES, XorbError, XorbReader

# Every term is read back to prove the SHA-256, so a small shard must not order endless reading.
_CONTENT_FACTOR = 4


def expect_files(actor: Actor, repo: Repo, sizes: Sequence[int]) -> None:
    """Large files of these sizes, in bytes, are about to be sent. Of a single one the SHA-256 is made while
    it arrives; of several nobody knows which comes when."""
    if [size > SMALL_BYTES for size in sizes] == [True]:
        _chains().begin(_key(actor, repo))
    else:
        _chains().forget(_key(actor, repo))


def store_xorb(
    actor: Actor, *, hash_hex: str, body: Body, length: int, place: Repo | Bucket | None = None
) -> bool:
    """Take a xorb of `length` bytes from `body`; True when the hub did not know it. `place` is where the file
    is going that it is a part of.

    Raises XorbError unless every chunk and the Merkle root are right, BodyCutShort when bytes are missing.
    Nothing is kept then. A xorb alone gives nobody anything: only a shard ties it to a repo.
    """
    _need_user(actor)
    try:
        expected = hash_from_text(hash_hex)
    except ValueError as error:
        raise XorbError("The xorb's name must be 64 lower-case hex digits.") from error
    if length > MAX_BODY_BYTES:
        raise XorbError(f"A xorb has at most {MAX_BODY_BYTES} bytes; this one announces {length}.")
    store = xorb_store()
    with store.incoming() as incoming:
        with _chains().taking(_key(actor, place), hash_hex) as digest:
            with store.writer(incoming) as writer:
                reader = _fed(writer.take(body, length), digest)
            reader.finish(expected)
        return keep_xorb(incoming, hash_hex, reader.chunks)


def _fed(pieces: Iterable[memoryview], digest: RunningSha256 | None) -> XorbReader:
    if digest is None:
        reader = XorbReader()
        for piece in pieces:
            reader.feed(piece)
        return reader
    with Aside(digest) as aside:
        reader = XorbReader(aside.hear)
        for piece in pieces:
            reader.feed(piece)
            aside.step()
    return reader


def register_shard(actor: Actor, *, repo: Repo, body: Body, length: int) -> int:
    """Give `repo` the files a shard describes; returns how many the hub had not seen before.

    All or nothing. Raises ShardError for a malformed shard or a false hash, UnknownContent for a xorb the hub
    does not hold, ContentMismatch when a file's bytes are not those of its SHA-256. The verification hashes
    prove that the caller holds the chunks, whoever uploaded them.
    """
    _need_user(actor)
    files = _told_files(body, length, named=True)
    chains, key = _chains(), _key(actor, repo)
    count = _keep_proven(repo, files, chains.found(key))
    chains.forget(key)
    note_contribution(actor, repo, [file.sha256 for file in files])
    return count


def register_bucket_shard(actor: Actor, *, bucket: Bucket, body: Body, length: int) -> int:
    """Give `bucket` the files a shard describes: as `register_shard`, but clients leave the SHA-256 out."""
    _need_user(actor)
    return _keep_proven(bucket, _told_files(body, length, named=False))


def _keep_proven(place: Repo | Bucket, files: Sequence[ShardFile], chain: Chain | None = None) -> int:
    try:
        return keep_files(place, checked_files(files, chain))
    except ContentGone:
        # The collector has just taken a file nobody referred to: now it counts as one never seen.
        return keep_files(place, checked_files(files, chain))


def _told_files(body: Body, length: int, *, named: bool) -> list[ShardFile]:
    """What the shard says, bounded; its files may come without a SHA-256 where `named` is False."""
    if length > MAX_SHARD_BYTES:
        raise ShardError(f"A shard has at most {MAX_SHARD_BYTES} bytes; this one announces {length}.")
    told = parse_shard(b"".join(read_pieces(body, length)), named=named)
    # Told twice is told once; a file without a SHA-256 goes by its Xet hash.
    files = list({file.sha256 or file.file_hash: file for file in told}.values())
    _check_sizes(files)
    return files


def _need_user(actor: Actor) -> None:
    if actor.user is None:
        raise LoginRequired("Uploading needs a signed-in user.")


def _check_sizes(files: Sequence[ShardFile]) -> None:
    limit = settings.HUB_MAX_FILE_BYTES
    for file in files:
        if file.size > limit:
            raise ShardError(f"A file of {file.size} bytes is over this hub's limit of {limit}.")
    if sum(file.size for file in files) > _CONTENT_FACTOR * limit:
        raise ShardError(f"The shard describes over {_CONTENT_FACTOR * limit} bytes; commit it in parts.")


def _chains() -> Chains:
    return Chains(settings.HUB_TMP_DIR / "chains")


def _key(actor: Actor, place: Repo | Bucket | None) -> str:
    """One person's uploads to one place."""
    kind = type(place).__name__.lower()
    return f"{actor.user.pk if actor.user else 0}-{kind}-{place.pk if place else 0}"
