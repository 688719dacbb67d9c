from __future__ import annotations

import io
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models_app.storage import gitprocess
from models_app.storage import quarantine as module
from models_app.storage.errors import BadRefName, StaleParent
from models_app.storage.gitcommit import Author, write_commit
from models_app.storage.gitpush import RefUpdate
from models_app.storage.gitstore import GitStore
from models_app.storage.operations import AddFile
from models_app.storage.quarantine import BadPack, move_refs, quarantine

AUTHOR = Author("x", "x@example.org", datetime(2026, 1, 1, tzinfo=UTC))


def made(path: Path, text: bytes) -> tuple[GitStore, str]:
    store = GitStore(path)
    store.init()
    added = [AddFile("a.txt", text)]
    return store, write_commit(
        store, branch="main", operations=added, parent=None, author=AUTHOR, message="x"
    )


def pack_of(store: GitStore, tip: str) -> bytes:
    command = ["git", f"--git-dir={store.path}", "pack-objects", "--revs", "--stdout", "--quiet"]
    return subprocess.run(command, input=tip.encode(), capture_output=True, check=True).stdout


def test_objects_are_seen_inside_first_and_by_all_after_they_moved(tmp_path: Path) -> None:
    real, old = made(tmp_path / "real.git", b"old")
    other, tip = made(tmp_path / "other.git", b"new")
    reader = GitStore(real.path)
    assert reader.resolve("main") == old
    with quarantine(real, tmp_path / "tmp") as held:
        held.take_pack(io.BytesIO(pack_of(other, tip)), 10**6)
        assert held.store.commit(tip).oid == tip
        assert held.store.commit(old).oid == old
        assert len(list(held.new_objects([tip], [old]))) == 3
        with pytest.raises(KeyError):
            reader.commit(tip)
        held.migrate()
    assert reader.commit(tip).oid == tip
    assert list((tmp_path / "tmp").iterdir()) == []


def test_packs_are_refused_with_a_reason_and_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, _ = made(tmp_path / "real.git", b"old")
    other, tip = made(tmp_path / "other.git", b"new")
    pack = pack_of(other, tip)
    cases = [
        (b"JUNK" + pack[4:], "no pack"),
        (pack[:-5], "EOF"),
        (pack[:40] + b"\xff" + pack[41:], "inflate"),
    ]
    cases.append((pack[:8] + b"\xff\xff\xff\xff" + pack[12:], "4294967295 objects"))
    for data, reason in cases:
        with quarantine(real, tmp_path / "tmp") as held, pytest.raises(BadPack, match=reason) as caught:
            held.take_pack(io.BytesIO(data), 10**6)
        assert str(tmp_path) not in caught.value.message
    with quarantine(real, tmp_path / "tmp") as held:
        with pytest.raises(BadPack, match="several parts"):
            held.take_pack(io.BytesIO(pack), 20)
        with pytest.raises(BadPack, match="missing"):
            list(held.new_objects(["1" * 40], []))
    monkeypatch.setattr(module, "_SECONDS", 0)
    with quarantine(real, tmp_path / "tmp") as held, pytest.raises(BadPack, match="within 0 seconds"):
        held.take_pack(io.BytesIO(pack), 10**6)


def test_references_move_all_or_none(tmp_path: Path) -> None:
    store, tip = made(tmp_path / "real.git", b"old")
    new = write_commit(
        store, branch="next", operations=[AddFile("b", b"b")], parent=None, author=AUTHOR, message="y"
    )
    with pytest.raises(StaleParent):
        move_refs(store, [RefUpdate("refs/heads/a", None, tip), RefUpdate("refs/heads/main", new, new)])
    with pytest.raises(StaleParent):
        move_refs(store, [RefUpdate("refs/heads/a", None, tip), RefUpdate("refs/heads/main", None, new)])
    with pytest.raises(BadRefName) as caught:
        move_refs(store, [RefUpdate("refs/heads/a", None, tip), RefUpdate("refs/heads/main/b", None, tip)])
    assert str(tmp_path) not in caught.value.message
    assert [ref.name for ref in store.refs()[0]] == ["main", "next"]
    move_refs(
        store,
        [
            RefUpdate("refs/heads/main", tip, new),
            RefUpdate("refs/heads/next", new, None),
            RefUpdate("refs/tags/v1", None, tip),
        ],
    )
    branches, tags = GitStore(store.path).refs()
    assert [(ref.name, ref.oid) for ref in [*branches, *tags]] == [("main", new), ("v1", tip)]


def test_a_process_is_ended_when_its_time_is_up_or_nobody_listens() -> None:
    began = time.monotonic()
    endless = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    with gitprocess.running(endless, seconds=0.5, stdout=subprocess.PIPE) as process:
        assert process.wait(30) < 0
    with gitprocess.running(endless, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
    assert process.returncode is not None
    assert time.monotonic() - began < 30
