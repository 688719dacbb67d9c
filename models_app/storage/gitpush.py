"""What a push says on the wire and what it is told (git's pack-protocol, `Reference Update Request` and on).

The hub speaks this half itself, so that it decides on every reference before git moves it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from models_app.storage.githttp import BadPackRequest
from models_app.storage.gitstore import GitStore
from models_app.storage.streams import Body

ZERO = "0" * 40
MAX_UPDATES = 2000
_MAX_LINES = 2 * MAX_UPDATES
_FLUSH = b"0000"
_CAPABILITIES = (
    b"report-status delete-refs side-band-64k quiet atomic ofs-delta object-format=sha1 agent=tuneyard"
)
_UPDATE = re.compile(rb"([0-9a-f]{40}) ([0-9a-f]{40}) ([^\0\n]{1,1000})")
_SHALLOW = re.compile(rb"shallow [0-9a-f]{40}")
# 65520 bytes is the longest packet: four are its length, one names the band.
_BAND_BYTES = 65515
_TEXT, _DATA = 2, 1


@dataclass(frozen=True)
class RefUpdate:
    """One reference to move from `old` to `new`, unpeeled oids; None where there is none."""

    ref: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class PushRequest:
    """The head of a push; the pack follows in the same body unless every update is a deletion."""

    updates: list[RefUpdate]
    capabilities: frozenset[str]

    @property
    def brings_pack(self) -> bool:
        return any(update.new is not None for update in self.updates)


@dataclass(frozen=True)
class PushReport:
    """How a push went: the pack's fate (`ok` or a reason), refusals by reference, and words to show."""

    refusals: Mapping[str, str]
    words: Sequence[str] = ()
    unpack: str = "ok"


def advertise_push(store: GitStore) -> bytes:
    """The answer to `info/refs?service=git-receive-pack`."""
    refs = raw_refs(store) or {"capabilities^{}": ZERO}
    lines = [f"{oid} {name}".encode() for name, oid in refs.items()]
    lines[0] += b"\0" + _CAPABILITIES
    packets = b"".join(_packet(line + b"\n") for line in lines)
    return _packet(b"# service=git-receive-pack\n") + _FLUSH + packets + _FLUSH


def raw_refs(store: GitStore) -> dict[str, str]:
    """Every reference below `refs/` and the oid it holds itself (of an annotated tag: the tag object's)."""
    repository = store.repository
    found = {}
    for name in sorted(repository.listall_references()):
        target = repository.lookup_reference(name).target
        if not isinstance(target, str):  # a name: somebody's symbolic reference, which no push may touch
            found[name] = str(target)
    return found


# --- reading


def read_request(body: Body) -> PushRequest:
    """The updates asked for, up to the flush before the pack; BadPackRequest when it is no push of git's.

    A client whose push is large asks with a lone flush first whether it is let in: no updates.
    """
    updates: list[RefUpdate] = []
    capabilities: frozenset[str] = frozenset()
    for line in _lines(body):
        if _SHALLOW.fullmatch(line):
            continue  # whether all that is needed arrived is seen when the objects are counted
        text, _, after = line.partition(b"\0")
        if after and not updates:
            capabilities = frozenset(after.decode("ascii", "replace").split())
        updates.append(_update(text))
        if len(updates) > MAX_UPDATES:
            raise BadPackRequest(f"One push may move at most {MAX_UPDATES} references.")
    return PushRequest(updates, capabilities)


def _update(text: bytes) -> RefUpdate:
    found = _UPDATE.fullmatch(text)
    if found is None:
        raise BadPackRequest("The request body is no push that this hub understands.")
    try:
        name = found[3].decode()
    except UnicodeDecodeError as error:
        raise BadPackRequest("Names of references must be UTF-8.") from error
    old, new = found[1].decode(), found[2].decode()
    return RefUpdate(name, None if old == ZERO else old, None if new == ZERO else new)


def _lines(body: Body) -> Iterator[bytes]:
    for _ in range(_MAX_LINES):
        head = read_exactly(body, 4)
        if head == _FLUSH:
            return
        try:
            length = int(head, 16)
        except ValueError as error:
            raise BadPackRequest("The request body is not in git's packet format.") from error
        if length < 5:
            raise BadPackRequest("The request body is not in git's packet format.")
        yield read_exactly(body, length - 4).removesuffix(b"\n")
    raise BadPackRequest(f"One push may move at most {MAX_UPDATES} references.")


def read_exactly(body: Body, size: int) -> bytes:
    """`size` bytes, or BadPackRequest when the body ends before."""
    data = b""
    while len(data) < size:
        piece = body.read(size - len(data))
        if not piece:
            raise BadPackRequest("The request body ends early.")
        data += piece
    return data


# --- answering


def report(request: PushRequest, outcome: PushReport) -> bytes:
    """The answer to a push in the form its client asked for: status lines, and words shown as `remote:`."""
    status = b"".join(_packet(line) for line in _status_lines(request, outcome)) + _FLUSH
    if "report-status" not in request.capabilities:
        status = b""
    if "side-band-64k" not in request.capabilities:
        return status
    words = "".join(f"{line}\n" for line in outcome.words).encode("utf-8", "replace")
    return b"".join(_on_band(_TEXT, words)) + b"".join(_on_band(_DATA, status)) + _FLUSH


def _status_lines(request: PushRequest, outcome: PushReport) -> Iterator[bytes]:
    yield f"unpack {_one_line(outcome.unpack)}\n".encode()
    for update in request.updates:
        reason = outcome.refusals.get(update.ref)
        told = f"ok {update.ref}\n" if reason is None else f"ng {update.ref} {_one_line(reason)}\n"
        yield told.encode("utf-8", "replace")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]


def _packet(data: bytes) -> bytes:
    return b"%04x%s" % (len(data) + 4, data)


def _on_band(band: int, data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _BAND_BYTES):
        yield _packet(bytes([band]) + data[start : start + _BAND_BYTES])
