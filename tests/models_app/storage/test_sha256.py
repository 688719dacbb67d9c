from __future__ import annotations

import hashlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_app.storage import sha256
from models_app.storage.sha256 import STATE_BYTES, RunningSha256


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_put_down_and_taken_up_anywhere_it_is_the_same(pieces: list[bytes]) -> None:
    digest = RunningSha256()
    for number, piece in enumerate(pieces):
        digest.update(memoryview(piece) if number % 2 else piece)
        digest = RunningSha256(digest.state)
    whole = b"".join(pieces)
    assert digest.hexdigest() == hashlib.sha256(whole).hexdigest()
    assert digest.length == len(whole)
    # Looking at it changes nothing.
    digest.update(b"more")
    assert digest.hexdigest() == hashlib.sha256(whole + b"more").hexdigest()


def test_it_counts_beyond_what_four_bytes_hold() -> None:
    digest, piece = RunningSha256(), bytes(64 * 1024**2)
    for _ in range(9):
        digest.update(piece)
    assert digest.length == 9 * 64 * 1024**2
    known = hashlib.sha256()
    for _ in range(9):
        known.update(piece)
    assert digest.hexdigest() == known.hexdigest()


def test_a_state_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="5 bytes are no state"):
        RunningSha256(b"short")
    assert len(RunningSha256().state) == STATE_BYTES


def test_where_the_library_is_missing_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rehashes", None)
    assert not sha256.available()
    with pytest.raises(ImportError):
        RunningSha256()
    monkeypatch.undo()
    assert sha256.available()
