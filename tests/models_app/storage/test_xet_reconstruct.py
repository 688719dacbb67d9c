"""A client that follows a plan, and the plan against the content for random files, stores and ranges."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from models_app.storage.xet.reconstruct import PlacedTerm, Reconstruction, reconstruct
from models_app.storage.xet.store import XorbStore
from models_app.storage.xet.xorb import HEADER_BYTES, XorbError, XorbReader, decode_chunk, parse_header
from tests.models_app.storage.xet_samples import make_xorb

_NUMBER = itertools.count()


def _content(number: int, length: int) -> bytes:
    """A chunk nobody else has: random or, for every third, such that it is stored compressed."""
    return (
        bytes([number]) * length
        if number % 3 == 0
        else bytes((number * 31 + at * 7) % 251 for at in range(length))
    )


def _keep(store: XorbStore, chunks: Sequence[bytes]) -> tuple[str, list[tuple[int, int]]]:
    """A container's name, and for each chunk its byte range in it."""
    name, body = make_xorb(list(chunks))
    with store.incoming() as incoming:
        incoming.write(body)
        store.sync(incoming)
        store.keep(incoming, name)
    reader = XorbReader()
    reader.feed(body)
    return name, [(chunk.offset, chunk.offset + chunk.stored) for chunk in reader.chunks]


def _placed(
    store: XorbStore, containers: Sequence[Sequence[bytes]], runs: Sequence[tuple[int, int, int]]
) -> tuple[list[PlacedTerm], bytes]:
    """Terms and content of the file that is these runs (container, first chunk, last chunk), one after
    another."""
    kept = [_keep(store, chunks) for chunks in containers]
    terms, content = [], b""
    for which, first, stop in runs:
        name, places = kept[which]
        data = b"".join(containers[which][first:stop])
        terms.append(
            PlacedTerm(name, first, stop, places[first][0], places[stop - 1][1], len(content), len(data))
        )
        content += data
    return terms, content


def _follow(store: XorbStore, plan: Reconstruction, wanted: int) -> bytes:
    """What a client makes of a plan: fetch the ranges, cut them into chunks, lay the terms end to end."""
    chunks: dict[tuple[str, int], bytes] = {}
    for container, fetches in plan.fetches.items():
        body = store.path(container).read_bytes()
        for fetch in fetches:
            reader = XorbReader()
            reader.feed(body[fetch.byte_start : fetch.byte_stop])
            assert len(reader.chunks) == fetch.chunk_end - fetch.chunk_start
            contents = _decoded(body[fetch.byte_start : fetch.byte_stop])
            chunks.update({(container, fetch.chunk_start + at): data for at, data in enumerate(contents)})
    laid = b"".join(
        chunks[term.container, index]
        for term in plan.terms
        for index in range(term.chunk_start, term.chunk_end)
    )
    assert len(laid) == sum(term.length for term in plan.terms)
    return laid[plan.skip : plan.skip + wanted]


def _decoded(body: bytes) -> list[bytes]:
    contents, at = [], 0
    while at < len(body):
        header = parse_header(body[at : at + HEADER_BYTES])
        end = at + HEADER_BYTES + header.stored
        contents.append(bytes(decode_chunk(header, body[at + HEADER_BYTES : end])))
        at = end
    return contents


@st.composite
def _files(draw: st.DrawFn) -> tuple[list[list[bytes]], list[tuple[int, int, int]], int, int]:
    number = itertools.count(1)
    lengths = st.lists(st.integers(1, 300), min_size=1, max_size=8)
    containers = [
        [_content(next(number) % 256, n) for n in draw(lengths)] for _ in range(draw(st.integers(1, 3)))
    ]
    runs = []
    for _ in range(draw(st.integers(1, 6))):
        which = draw(st.integers(0, len(containers) - 1))
        first = draw(st.integers(0, len(containers[which]) - 1))
        runs.append((which, first, draw(st.integers(first + 1, len(containers[which])))))
    size = sum(len(chunk) for which, first, stop in runs for chunk in containers[which][first:stop])
    start = draw(st.integers(0, size - 1))
    return containers, runs, start, draw(st.integers(start + 1, size))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_files())
@example(([[b"a" * 10, b"b" * 10]], [(0, 0, 2), (0, 0, 2)], 0, 40))
@example(([[b"a" * 10, b"b" * 10, b"c" * 10]], [(0, 0, 1), (0, 2, 3)], 5, 15))
def test_what_a_client_puts_together_is_the_range(
    tmp_path: Path, file: tuple[list[list[bytes]], list[tuple[int, int, int]], int, int]
) -> None:
    containers, runs, start, stop = file
    folder = tmp_path / str(next(_NUMBER))
    store = XorbStore(folder / "xorbs", folder / "tmp")
    terms, content = _placed(store, containers, runs)
    overlapping = [
        term for term in terms if term.file_offset < stop and term.file_offset + term.length > start
    ]
    plan = reconstruct(store, overlapping, start, stop)
    assert _follow(store, plan, stop - start) == content[start:stop]
    _check_frugal(plan, containers, start, stop)


def _check_frugal(plan: Reconstruction, containers: Sequence[Sequence[bytes]], start: int, stop: int) -> None:
    """No byte is fetched that no term needs, and at most a chunk at either end that the range does not."""
    longest = max(len(chunk) for chunks in containers for chunk in chunks)
    assert sum(term.length for term in plan.terms) < stop - start + 2 * longest
    for container, fetches in plan.fetches.items():
        needed = {
            index
            for term in plan.terms
            if term.container == container
            for index in range(term.chunk_start, term.chunk_end)
        }
        fetched = [index for fetch in fetches for index in range(fetch.chunk_start, fetch.chunk_end)]
        assert sorted(fetched) == sorted(needed)


@pytest.fixture
def store(tmp_path: Path) -> XorbStore:
    return XorbStore(tmp_path / "xorbs", tmp_path / "tmp")


CHUNKS = [bytes([65 + at]) * 1000 for at in range(6)]


def test_a_range_inside_one_chunk_fetches_one_chunk(store: XorbStore) -> None:
    (term,), _ = _placed(store, [CHUNKS], [(0, 0, 6)])
    plan = reconstruct(store, [term], 2500, 2600)
    assert (plan.skip, plan.terms[0].chunk_start, plan.terms[0].chunk_end) == (500, 2, 3)
    assert plan.terms[0].length == 1000


def test_the_whole_file_needs_no_look_into_containers(store: XorbStore) -> None:
    (term,), content = _placed(store, [CHUNKS], [(0, 0, 6)])
    store.delete(term.container)
    assert reconstruct(store, [term], 0, len(content)).terms == [term]
    with pytest.raises(FileNotFoundError):
        reconstruct(store, [term], 1, len(content))


def test_nothing_is_planned_for_an_empty_range(store: XorbStore) -> None:
    plan = reconstruct(store, [], 0, 0)
    assert (plan.skip, plan.terms, plan.fetches) == (0, [], {})


def test_terms_that_do_not_reach_are_noticed(store: XorbStore) -> None:
    terms, content = _placed(store, [CHUNKS], [(0, 0, 2), (0, 4, 6)])
    for part, start in ((terms[:1], 0), (terms[1:], 0), ([], 0)):
        with pytest.raises(XorbError, match="does not hold"):
            reconstruct(store, part, start, len(content))


def test_a_container_that_says_otherwise_than_the_rows_is_noticed(store: XorbStore) -> None:
    (term,), content = _placed(store, [CHUNKS], [(0, 0, 6)])
    path = store.path(term.container)
    path.write_bytes(path.read_bytes()[: term.byte_stop // 2])
    with pytest.raises(XorbError, match="ends before"):
        reconstruct(store, [term], 0, len(content) - 1)
