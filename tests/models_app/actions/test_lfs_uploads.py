from __future__ import annotations

import errno
import hashlib
import io
from typing import Any

import numpy as np
import pytest
from pytest_django import Settings

from accounts.actor import ANONYMOUS, Actor
from accounts.models import User
from models_app.access import LoginRequired
from models_app.actions import uploads
from models_app.actions.content import ContentMismatch
from models_app.actions.uploads import (
    BadObject,
    MissingObject,
    held_objects,
    store_lfs_object,
    verify_lfs_object,
)
from models_app.models import LargeFile, RepoFile, Xorb
from models_app.storage.lfs import Pointer
from models_app.storage.streams import BodyCutShort
from tests.models_app.actions.xet_world import content, make_repo, stored_files, temporary_files, upload

RNG = np.random.default_rng(31)
DATA = RNG.bytes(2_000_000) + b"text that repeats itself " * 40_000


def _pointer(data: bytes) -> Pointer:
    return Pointer(hashlib.sha256(data).hexdigest(), len(data))


def test_an_object_is_stored_under_its_name_and_read_back(alice: User) -> None:
    repo = make_repo(alice)
    assert store_lfs_object(Actor(alice), repo=repo, pointer=_pointer(DATA), body=io.BytesIO(DATA))
    file = LargeFile.objects.get(repo_files__repo=repo)
    assert content(file) == DATA
    assert sum(stored_files().values()) < len(DATA)
    assert temporary_files() == []
    verify_lfs_object(Actor(alice), repo=repo, pointer=_pointer(DATA))


def test_both_roads_lead_to_the_same_file_and_the_same_bytes(alice: User) -> None:
    by_xet = upload(alice, make_repo(alice, "xet"), DATA)
    before = stored_files()
    repo = make_repo(alice, "lfs")
    assert not store_lfs_object(Actor(alice), repo=repo, pointer=_pointer(DATA), body=io.BytesIO(DATA))
    assert RepoFile.objects.get(repo=repo).file == by_xet
    assert stored_files() == before


def test_a_large_object_fills_several_xorbs(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_CONTENT_BYTES", 500_000)
    store_lfs_object(
        Actor(alice), repo=make_repo(alice), pointer=_pointer(DATA), body=io.BytesIO(DATA + b"not read")
    )
    assert Xorb.objects.count() >= 4
    assert content(LargeFile.objects.get()) == DATA


def test_an_empty_object_is_an_object(alice: User) -> None:
    store_lfs_object(Actor(alice), repo=make_repo(alice), pointer=_pointer(b""), body=io.BytesIO())
    assert content(LargeFile.objects.get()) == b""
    assert stored_files() == {}


def _nothing_kept() -> bool:
    return not (LargeFile.objects.exists() or Xorb.objects.exists() or stored_files() or temporary_files())


def test_what_is_wrong_is_refused_and_nothing_is_kept(alice: User, settings: Settings) -> None:
    repo, actor = make_repo(alice), Actor(alice)
    with pytest.raises(ContentMismatch, match="have SHA-256"):
        store_lfs_object(actor, repo=repo, pointer=Pointer("0" * 64, len(DATA)), body=io.BytesIO(DATA))
    with pytest.raises(BodyCutShort):
        store_lfs_object(actor, repo=repo, pointer=_pointer(DATA), body=io.BytesIO(DATA[:-1]))
    with pytest.raises(BadObject, match="64 lower-case"):
        store_lfs_object(actor, repo=repo, pointer=Pointer("../../x", 3), body=io.BytesIO(b"abc"))
    with pytest.raises(BadObject, match="0 to"):
        store_lfs_object(actor, repo=repo, pointer=Pointer("0" * 64, -1), body=io.BytesIO())
    settings.HUB_MAX_FILE_BYTES = 10
    with pytest.raises(BadObject, match="0 to 10 bytes"):
        store_lfs_object(actor, repo=repo, pointer=_pointer(DATA), body=io.BytesIO(DATA))
    with pytest.raises(LoginRequired):
        store_lfs_object(ANONYMOUS, repo=repo, pointer=_pointer(b""), body=io.BytesIO())
    assert _nothing_kept()


def test_a_full_disk_leaves_nothing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("models_app.storage.xet.store.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        store_lfs_object(Actor(alice), repo=make_repo(alice), pointer=_pointer(DATA), body=io.BytesIO(DATA))
    assert _nothing_kept()


def test_what_another_repo_holds_does_not_show(alice: User, carol: User) -> None:
    upload(alice, make_repo(alice, private=True), DATA)
    theirs = make_repo(carol)
    assert held_objects(theirs, [_pointer(DATA)]) == set()
    with pytest.raises(MissingObject):
        verify_lfs_object(Actor(carol), repo=theirs, pointer=_pointer(DATA))


def test_an_object_of_another_size_is_another_object(alice: User) -> None:
    repo = make_repo(alice)
    upload(alice, repo, DATA)
    with pytest.raises(MissingObject):
        verify_lfs_object(Actor(alice), repo=repo, pointer=Pointer(_pointer(DATA).sha256, 5))
