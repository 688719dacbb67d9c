from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from models_app.storage.githttp import BadPackRequest, Unzipped
from models_app.storage.gitpush import (
    MAX_UPDATES,
    PushReport,
    PushRequest,
    RefUpdate,
    advertise_push,
    read_request,
    report,
)
from models_app.storage.gitstore import GitStore

OLD, NEW, ZERO = "1" * 40, "2" * 40, "0" * 40


def packet(text: str) -> bytes:
    data = text.encode()
    return b"%04x%s" % (len(data) + 4, data)


def test_updates_capabilities_and_what_follows_are_told_apart() -> None:
    body = io.BytesIO(
        packet(f"shallow {OLD}\n")
        + packet(f"{OLD} {NEW} refs/heads/é\0 report-status atomic agent=git/2.39\n")
        + packet(f"{NEW} {ZERO} refs/heads/old\n")
        + b"0000PACK"
    )
    request = read_request(body)
    assert request.updates == [
        RefUpdate("refs/heads/é", OLD, NEW),
        RefUpdate("refs/heads/old", NEW, None),
    ]
    assert {"report-status", "atomic"} <= request.capabilities
    assert request.brings_pack
    assert body.read() == b"PACK"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"00",
        b"zzzz",
        b"0003",
        b"0004",
        packet("nonsense") + b"0000",
        packet(f"{OLD} {NEW} ") + b"0000",
        packet(f"{OLD} {NEW} refs/heads/x"),
        b"%04x" % (85 + 4) + f"{OLD} {NEW} ".encode() + b"\xff\xfe\xfd" + b"0000",
        packet(f"{OLD} {NEW} refs/heads/x") * (MAX_UPDATES + 1) + b"0000",
        packet(f"shallow {OLD}") * (2 * MAX_UPDATES + 1) + b"0000",
    ],
)
def test_what_is_no_push_is_refused(body: bytes) -> None:
    with pytest.raises(BadPackRequest):
        read_request(io.BytesIO(body))


def test_a_report_takes_the_form_that_was_asked_for() -> None:
    updates = [RefUpdate("refs/heads/a", OLD, NEW), RefUpdate("refs/heads/b", OLD, NEW)]
    outcome = PushReport({"refs/heads/b": "two\nlines"}, ["words" * 20_000])
    plain = report(PushRequest(updates, frozenset({"report-status"})), outcome)
    assert plain == (
        packet("unpack ok\n") + packet("ok refs/heads/a\n") + packet("ng refs/heads/b two lines\n") + b"0000"
    )
    banded = report(PushRequest(updates, frozenset({"report-status", "side-band-64k"})), outcome)
    texts, status = b"", b""
    position = 0
    while length := int(banded[position : position + 4], 16):
        assert length <= 65520
        content = banded[position + 4 : position + length]
        if content[0] == 2:
            texts += content[1:]
        else:
            status += content[1:]
        position += length
    assert (status, texts) == (plain, b"words" * 20_000 + b"\n")
    assert report(PushRequest(updates, frozenset()), outcome) == b""


def test_an_empty_repository_is_advertised_by_its_capabilities(tmp_path: Path) -> None:
    store = GitStore(tmp_path / "x.git")
    store.init()
    assert f"{ZERO} capabilities^{{}}\0report-status".encode() in advertise_push(store)


def test_a_compressed_body_is_read_in_bounded_pieces() -> None:
    data = b"abc" * 1_000_000
    body = Unzipped(io.BytesIO(gzip.compress(data)))
    pieces = []
    while piece := body.read(65536):
        assert len(piece) <= 65536
        pieces.append(piece)
    assert b"".join(pieces) == data
    cut = Unzipped(io.BytesIO(gzip.compress(data)[:-20]))
    with pytest.raises(BadPackRequest):
        list(iter(lambda: cut.read(65536), b""))
    with pytest.raises(BadPackRequest):
        Unzipped(io.BytesIO(b"no gzip at all, really")).read(10)
