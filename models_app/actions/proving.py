"""What a shard says about its files, found true before anything rests on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from models_app.actions.content import (
    ContentMismatch,
    NewFile,
    UnknownContent,
    check_sha256,
    find_chunks,
    locate,
    sha256_of,
    touch_xorbs,
)
from models_app.models import LargeFile, Xorb
from models_app.storage.sha256 import RunningSha256
from models_app.storage.xet.chain import Chain
from models_app.storage.xet.hashing import Node, file_hash, hash_from_text, hash_to_text, verification_hash
from models_app.storage.xet.shard import ShardError, ShardFile, ShardTerm
from models_app.storage.xet.xorb import unpack_table

# Files are proven in groups of about this many chunks, so that small files share their queries.
_GROUP_CHUNKS = 4096
_CACHED_TABLES = 64


def checked_files(files: Sequence[ShardFile], chain: Chain | None = None) -> list[NewFile]:
    """The files, everything their shard says about them found true; raises what `register_shard` raises.

    A missing SHA-256 is computed here. What `chain` has hashed of a file is not read again.
    """
    tables = _Tables(files)
    # Before the reading, which takes long: what is in use is not collected.
    touch_xorbs(tables.names)
    return [new for group in _groups(files) for new in _prove_all(group, tables, chain)]


class _Tables:
    """The chunk tables of the xorbs a shard names, read one at a time and a few of them kept."""

    def __init__(self, files: Sequence[ShardFile]) -> None:
        self.names = {hash_to_text(term.xorb) for file in files for term in file.terms}
        self._kept: dict[bytes, Sequence[Node]] = {}

    def chunks(self, term: ShardTerm) -> Sequence[Node]:
        """The chunks a term names, after its range, length and verification hash have been found true."""
        table = self.table(term.xorb)
        chunks = table[term.chunk_start : term.chunk_end]
        name = hash_to_text(term.xorb)
        if term.chunk_end > len(table):
            raise ShardError(f"A term ends at chunk {term.chunk_end} of xorb {name}, which has {len(table)}.")
        if sum(length for _, length in chunks) != term.length:
            raise ShardError(f"A term of xorb {name} announces {term.length} bytes; its chunks differ.")
        if verification_hash(raw for raw, _ in chunks) != term.verification:
            raise ShardError(f"The verification hash of a term of xorb {name} is wrong.")
        return chunks

    def table(self, xorb: bytes) -> Sequence[Node]:
        """All chunks of a xorb; UnknownContent when it is not stored here."""
        if xorb not in self._kept:
            name = hash_to_text(xorb)
            packed = Xorb.objects.filter(pk=name).values_list("chunk_table", flat=True).first()
            if not packed:  # never seen, collected, or no longer vouched for
                raise UnknownContent(f"Xorb {name} is not stored here; please upload its bytes again.")
            if len(self._kept) == _CACHED_TABLES:
                del self._kept[next(iter(self._kept))]
            self._kept[xorb] = unpack_table(packed)
        return self._kept[xorb]


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


def _prove_all(files: Sequence[ShardFile], tables: _Tables, chain: Chain | None) -> Iterator[NewFile]:
    yield from _prove_group([file for file in files if file.sha256], tables, chain)
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


def _prove_group(files: Sequence[ShardFile], tables: _Tables, chain: Chain | None) -> Iterator[NewFile]:
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
        check_sha256(terms, file.sha256, _begun(nodes[file.sha256], tables, chain))
        # A file cut otherwise than the stored one of the same content keeps the stored terms.
        yield NewFile(file.sha256, xet_hash, file.size, None if file.sha256 in known else terms)


def _begun(nodes: Sequence[Node], tables: _Tables, chain: Chain | None) -> RunningSha256 | None:
    """What has been hashed already, where the file begins with just these chunks."""
    count = at = 0
    for xorb in chain.xorbs if chain is not None else ():
        table = tables.table(hash_from_text(xorb)) if xorb in tables.names else []
        if not table or list(nodes[at : at + len(table)]) != list(table):
            break
        count, at = count + 1, at + len(table)
    return chain.digest(count) if chain is not None and count else None


def _nodes(file: ShardFile, tables: _Tables) -> list[Node]:
    nodes = [node for term in file.terms for node in tables.chunks(term)]
    if file_hash(nodes) != file.file_hash:
        raise ContentMismatch(f"The terms of file {hash_to_text(file.file_hash)} do not add up to its hash.")
    return nodes
