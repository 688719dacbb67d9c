"""Our filesystem transport under two readers and two writers: no message is lost, none is half-read."""

from __future__ import annotations

import threading
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection

from hub import broker
from training.brokers import transport_options


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    broker.install()
    return Connection("filesystem://", transport_options=transport_options("filesystem://", tmp_path))


def test_every_message_arrives_once(connection: Connection) -> None:
    each, read = 300, []
    writing = threading.Event()

    def write(name: str) -> None:
        with connection.clone().channel() as channel:
            for number in range(each):
                channel._put("train.cpu-basic", {"id": f"{name}-{number}"})

    def take() -> None:
        with connection.clone().channel() as channel:
            while True:
                ended = writing.is_set()
                try:
                    read.append(channel._get("train.cpu-basic")["id"])
                except Empty:
                    if ended:
                        return

    writers = [threading.Thread(target=write, args=(name,)) for name in ("one", "two")]
    readers = [threading.Thread(target=take) for _ in range(2)]
    for thread in [*readers, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    writing.set()
    for thread in readers:
        thread.join()
    assert sorted(read) == sorted(f"{name}-{number}" for name in ("one", "two") for number in range(each))


def test_a_message_cut_short_is_dropped(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "messages" / "1_x.hub.msg").write_text('{"id"')
    with connection.channel() as channel:
        with pytest.raises(Empty):
            channel._get("hub")
        channel._put("hub", {"id": 1})
        assert channel._get("hub") == {"id": 1}


def test_queues_do_not_mix(connection: Connection) -> None:
    with connection.channel() as channel:
        channel._put("train.gpu-small", {"id": 1})
        with pytest.raises(Empty):
            channel._get("train.cpu-basic")
        found: Any = channel._get("train.gpu-small")
    assert found == {"id": 1}
