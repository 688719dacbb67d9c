"""The Xet road: xorbs first, then the shard that says which files they make up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.conf import settings

from accounts.actor import Actor
from models_app.access import LoginRequired
from models_app.actions.content import (
    ContentGone,
    ContentMismatch,
    NewFile,
    UnknownContent,
    check_sha256,
    find_chunks,
    keep_files,
    keep_xorb,
    locate,
    sha256_of,
    touch_xorbs,
)
from models_app.actions.contributions import note_contribution
from models_app.files import xorb_store
from models_app.models import Bucket, LargeFile, Repo, Xorb
from models_app.storage.streams import Body, read_pieces
from models_app.storage.xet.hashing import Node, file_hash, hash_from_text, hash_to_text, verification_hash
from models_app.storage.xet.shard import MAX_SHARD_BYTES, ShardError, ShardFile, ShardTerm, parse_shard
from models_app.storage.xet.xorb import MAX_BODY_BYTES, XorbError, XorbReader, unpack_table

# Files are proven in groups of about this many chunks, so that small files share their queries.
_GROUP_CHUNKS = 4096
_CACHED_TABLES = 64
# Every term is read back to prove the SHA-256, so a small shard must not order endless reading.
_CONTENT_FACTOR = 4


def store_xorb(actor: Actor, *, hash_hex: str, body: Body, length: int) -> bool:
    """Take a xorb of `length` bytes from `body`; True when the hub did not know it.

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
    reader = XorbReader()
    store = xorb_store()
    with store.incoming() as incoming:
        with store.writer(incoming) as writer:
            for piece in writer.take(body, length):
                reader.feed(piece)
        reader.finish(expected)
        return keep_xorb(incoming, hash_hex, reader.chunks)


def register_shard(actor: Actor, *, repo: Repo, body: Body, length: int) -> int:
    """Give `repo` the files a shard describes; returns how many the hub had not seen before.

    All or nothing. Raises ShardError for a malformed shard or a false hash, UnknownContent for a xorb the hub
    does not hold, ContentMismatch when a file's bytes are not those of its SHA-256. The verification hashes
    prove that the caller holds the chunks, whoever uploaded them.
    """
    _need_user(actor)
    files = _told_files(body, length, named=True)
    count = _keep_proven(repo, files)
    note_contribution(actor, repo, [file.sha256 for file in files])
    return count


def register_bucket_shard(actor: Actor, *, bucket: Bucket, body: Body, length: int) -> int:
    """Give `bucket` the files a shard describes: as `register_shard`, but clients leave the SHA-256 out."""
    _need_user(actor)
    return _keep_proven(bucket, _told_files(body, length, named=False))


def _keep_proven(place: Repo | Bucket, files: Sequence[ShardFile]) -> int:
    try:
        return keep_files(place, checked_files(files))
    except ContentGone:
        # The collector has just taken a file nobody referred to: now it counts as one never seen.
        return keep_files(place, checked_files(files))


def _told_files(body: Body, length: int, *, named: bool) -> list[ShardFile]:
    """What the shard says, bounded; its files may come without a SHA-256 where `named` is False."""
    if length > MAX_SHARD_BYTES:
        raise ShardError(f"A shard has at most {MAX_SHARD_BYTES} bytes; this one announces {length}.")
    told = parse_shard(b"".join(read_pieces(body, length)), named=named)
    # Told twice is told once; a file without a SHA-256 goes by its Xet hash.
    files = list({file.sha256 or file.file_hash: file for file in told}.values())
    _check_sizes(files)
    return files


def checked_files(files: Sequence[ShardFile]) -> list[NewFile]:
    """The files, everything their shard says about them found true; raises what `register_shard` raises.

    A missing SHA-256 is computed here.
    """
    tables = _Tables(files)
    # Before the reading, which takes long: what is in use is not collected.
    touch_xorbs(tables.names)
    return [new for group in _groups(files) for new in _prove_all(group, tables)]


class _Tables:
    """The chunk tables of the xorbs a shard names, read one at a time and a few of them kept."""

    def __init__(self, files: Sequence[ShardFile]) -> None:
        self.names = {hash_to_text(term.xorb) for file in files for term in file.terms}
        self._kept: dict[bytes, Sequence[Node]] = {}

    def chunks(self, term: ShardTerm) -> Sequence[Node]:
        """The chunks a term names, after its range, length and verification hash have been found true."""
        table = self._table(term.xorb)
        chunks = table[term.chunk_start : term.chunk_end]
        name = hash_to_text(term.xorb)
        if term.chunk_end > len(table):
            raise ShardError(f"A term ends at chunk {term.chunk_end} of xorb {name}, which has {len(table)}.")
        if sum(length for _, length in chunks) != term.length:
            raise ShardError(f"A term of xorb {name} announces {term.length} bytes; its chunks differ.")
        if verification_hash(raw for raw, _ in chunks) != term.verification:
            raise ShardError(f"The verification hash of a term of xorb {name} is wrong.")
        return chunks

    def _table(self, xorb: bytes) -> Sequence[Node]:
        if xorb not in self._kept:
            name = hash_to_text(xorb)
            packed = Xorb.objects.filter(pk=name).values_list("chunk_table", flat=True).first()
            if not packed:  # never seen, collected, or no longer vouched for
                raise UnknownContent(f"Xorb {name} is not stored here; please upload its bytes again.")
            if len(self._kept) == _CACHED_TABLES:
                del self._kept[next(iter(self._kept))]
            self._kept[xorb] = unpack_table(packed)
        return self._kept[xorb]


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


def _groups(files: Sequence[ShardFile]) -> Iterator[list[ShardFile]]:
    group: list[ShardFile] = []
    chunks = 0
    for file in files:
        group.append(file)
        chunks += 1 + sum(term.chunk_end - term.chunk_start for term in file.terms)
        if chunks >= _GROUP_CHUNKS:
            yield group
            group, chunks = [], 0
    if group:
        yield group


def _prove_all(files: Sequence[ShardFile], tables: _Tables) -> Iterator[NewFile]:
    yield from _prove_group([file for file in files if file.sha256], tables)
    yield from _name_group([file for file in files if not file.sha256], tables)


def _name_group(files: Sequence[ShardFile], tables: _Tables) -> Iterator[NewFile]:
    """As `_prove_group`, for files whose SHA-256 nobody told: it is read off the stored chunks."""
    nodes = {file.file_hash: _nodes(file, tables) for file in files}
    names = {hash_to_text(raw): raw for raw in nodes}
    known = dict(LargeFile.objects.filter(xet_hash__in=list(names)).values_list("xet_hash", "sha256"))
    places = find_chunks(raw for name in names if name not in known for raw, _ in nodes[names[name]])
    for file in files:
        xet_hash = hash_to_text(file.file_hash)
        if xet_hash in known:
            yield NewFile(known[xet_hash], xet_hash, file.size, None)
            continue
        terms = locate(nodes[file.file_hash], places)
        sha256 = sha256_of(terms)
        # A file cut otherwise than the stored one of the same content keeps the stored terms.
        stored = LargeFile.objects.filter(sha256=sha256).exists()
        yield NewFile(sha256, xet_hash, file.size, None if stored else terms)


def _prove_group(files: Sequence[ShardFile], tables: _Tables) -> Iterator[NewFile]:
    """Each file with its terms as stored, after everything its shard says about it was found true."""
    nodes = {file.sha256: _nodes(file, tables) for file in files}
    known = dict(LargeFile.objects.filter(sha256__in=list(nodes)).values_list("sha256", "xet_hash"))
    unknown = [file for file in files if known.get(file.sha256) != hash_to_text(file.file_hash)]
    places = find_chunks(raw for file in unknown for raw, _ in nodes[file.sha256])
    for file in files:
        xet_hash = hash_to_text(file.file_hash)
        if known.get(file.sha256) == xet_hash:
            # The same chunks were proven to have this SHA-256 when they were first registered.
            yield NewFile(file.sha256, xet_hash, file.size, None)
            continue
        terms = locate(nodes[file.sha256], places)
        check_sha256(terms, file.sha256)
        # A file cut otherwise than the stored one of the same content keeps the stored terms.
        yield NewFile(file.sha256, xet_hash, file.size, None if file.sha256 in known else terms)


def _nodes(file: ShardFile, tables: _Tables) -> list[Node]:
    nodes = [node for term in file.terms for node in tables.chunks(term)]
    if file_hash(nodes) != file.file_hash:
        raise ContentMismatch(f"The terms of file {hash_to_text(file.file_hash)} do not add up to its hash.")
    return nodes
