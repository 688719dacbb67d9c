"""The collector's rules one by one; random histories of them are in tests/property/test_garbage.py."""

from __future__ import annotations

import hashlib
import json
import os
import time
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from models_app import tasks
from models_app.actions import branches
from models_app.actions.bucket_files import PutFile, change_files
from models_app.actions.buckets import create_bucket
from models_app.actions.commits import commit
from models_app.actions.content import UnknownContent
from models_app.actions.garbage import Report, collect_garbage
from models_app.actions.history import squash_history
from models_app.actions.refusals import InvalidInput
from models_app.actions.tidying import tidy_repo
from models_app.actions.uploads import held_objects, renew_objects
from models_app.actions.xet import register_bucket_shard
from models_app.files import git_store
from models_app.models import BucketUpload, Chunk, Event, LargeFile, Repo, RepoFile, Xorb
from models_app.storage.errors import RevisionNotFound
from models_app.storage.lfs import Pointer
from models_app.storage.operations import AddPointer, DeleteFile
from tests.models_app.actions.xet_world import content, send_shard, send_xorb, stored_files, upload
from tests.models_app.people import repo_of, session
from tests.models_app.storage.xet_samples import make_shard

RNG = np.random.default_rng(71)
CHUNKS = [RNG.bytes(20_000) for _ in range(6)]
GRACE = timedelta(days=30)


def collect(days: float = 0, **words: bool) -> Report:
    """A run so many days from now."""
    return collect_garbage(grace=GRACE, now=timezone.now() + timedelta(days=days), **words)


def add(user: User, repo: Repo, file: LargeFile, path: str = "w.bin") -> str:
    """Commit it; the oid."""
    operation = AddPointer(path, file.sha256, file.size)
    return commit(session(user), repo=repo, branch="main", operations=[operation], summary="add").oid


def test_history_and_every_kind_of_reference_keep_a_file(alice: User) -> None:
    repo = repo_of(alice)
    file = upload(alice, repo, b"".join(CHUNKS))
    oid = add(alice, repo, file)
    commit(session(alice), repo=repo, branch="main", operations=[DeleteFile("w.bin")], summary="del")
    assert collect(400).permissions_marked == 0
    store = git_store(repo)
    for name in ("refs/tags/v1", "refs/pr/1", "refs/convert/parquet"):
        store.repository.references.create(name, oid)
        squash_history(session(alice), repo=repo, ref="main", message="one")
        collect(400)
        collect(800)
        assert content(LargeFile.objects.get()) == b"".join(CHUNKS)
        store.repository.references.delete(name)


def test_what_history_lost_stays_for_the_grace_and_a_branch_brings_it_back(alice: User) -> None:
    repo = repo_of(alice)
    file = upload(alice, repo, b"".join(CHUNKS))
    oid = add(alice, repo, file)
    commit(session(alice), repo=repo, branch="main", operations=[DeleteFile("w.bin")], summary="del")
    squash_history(session(alice), repo=repo, ref="main", message="one")
    assert collect(60).permissions_marked == 1
    assert collect(89).permissions_dropped == 0
    branches.create_branch(session(alice), repo=repo, branch="back", starting_point=oid)
    assert collect(91).permissions_reached_again == 1
    branches.delete_branch(session(alice), repo=repo, branch="back")
    assert collect(92).permissions_dropped == 0
    report = collect(123)
    assert (report.permissions_dropped, report.large_files_dropped) == (1, 1)
    assert stored_files() == {}
    with pytest.raises(RevisionNotFound):
        branches.create_branch(session(alice), repo=repo, branch="late", starting_point=oid)
    with pytest.raises(RevisionNotFound):
        branches.create_tag(session(alice), repo=repo, tag="late", revision=oid)


def test_tidying_leaves_history_that_was_taken_away_lately(alice: User) -> None:
    repo = repo_of(alice)
    oid = add(alice, repo, upload(alice, repo, b"".join(CHUNKS)))
    squash_history(session(alice), repo=repo, ref="main", message="one")
    for path in git_store(repo).path.rglob("*"):
        os.utime(path, (time.time() - 300 * 86_400,) * 2)
    assert tidy_repo(repo)
    branches.create_branch(session(alice), repo=repo, branch="back", starting_point=oid)
    branches.delete_branch(session(alice), repo=repo, branch="back")
    Event.objects.update(at=timezone.now() - timedelta(days=31))
    for path in git_store(repo).path.rglob("*"):
        os.utime(path, (time.time() - 300 * 86_400,) * 2)
    assert tidy_repo(repo)
    with pytest.raises(RevisionNotFound):
        git_store(repo).resolve(oid)


def test_an_upload_without_a_commit_has_the_grace_and_sending_it_again_renews_it(alice: User) -> None:
    repo = repo_of(alice)
    data = b"".join(CHUNKS)
    upload(alice, repo, data)
    RepoFile.objects.update(first_seen_at=timezone.now() - timedelta(days=100))
    collect()
    upload(alice, repo, data)
    assert collect(29).permissions_dropped == 0
    assert collect(31).permissions_dropped == 1


def test_who_is_told_that_an_object_is_here_has_the_grace_to_commit_it(alice: User) -> None:
    repo = repo_of(alice)
    file = upload(alice, repo, b"".join(CHUNKS))
    long_ago = timezone.now() - timedelta(days=100)
    RepoFile.objects.update(first_seen_at=long_ago, unreached_since=long_ago)
    renew_objects(repo, held_objects(repo, [Pointer(file.sha256, file.size)]))
    assert collect().permissions_dropped == 0
    assert collect(31).permissions_dropped == 1


def test_leave_to_place_an_upload_ends_and_its_place_keeps_the_content(alice: User) -> None:
    bucket = create_bucket(session(alice), namespace=None, name="files")
    name, _ = send_xorb(alice, CHUNKS)
    shard = make_shard(CHUNKS, name, "0" * 64, flags=1 << 31)
    register_bucket_shard(session(alice), bucket=bucket, body=BytesIO(shard), length=len(shard))
    put = PutFile("w.bin", BucketUpload.objects.get().xet_hash)
    change_files(session(alice), bucket=bucket, operations=[put])
    assert collect(29).bucket_permissions_dropped == 0
    report = collect(31)
    assert (report.bucket_permissions_dropped, report.large_files_dropped) == (1, 0)
    assert content(LargeFile.objects.get()) == b"".join(CHUNKS)
    assert change_files(session(alice), bucket=bucket, operations=[PutFile("copy", put.xet_hash)]) == []


def test_a_repo_that_cannot_be_read_keeps_everything(alice: User) -> None:
    repo = repo_of(alice)
    add(alice, repo, upload(alice, repo, b"".join(CHUNKS)))
    repo_of(alice, "readable")
    oid = git_store(repo).resolve("main")
    (git_store(repo).path / "objects" / oid[:2] / oid[2:]).unlink()
    for days in (0, 100, 200):
        report = collect(days)
        assert report.unreadable_repos == ["model alice/net"]
    assert RepoFile.objects.count() == LargeFile.objects.count() == 1
    assert content(LargeFile.objects.get()) == b"".join(CHUNKS)


def test_a_xorb_goes_only_when_clients_have_forgotten_it(alice: User) -> None:
    repo = repo_of(alice)
    name, _ = send_xorb(alice, CHUNKS)
    assert collect(29).xorbs_idle == 0
    shard = make_shard(CHUNKS, name, hashlib.sha256(b"".join(CHUNKS)).hexdigest())
    report = collect(31)
    assert (report.xorbs_removed, report.stored_bytes_freed) == (1, 6 * 20_008)
    assert stored_files() == {}
    with pytest.raises(UnknownContent):
        send_shard(alice, repo, shard)
    assert send_xorb(alice, CHUNKS)[1]
    assert send_shard(alice, repo, shard) == 1


def test_chunks_that_a_young_xorb_promises_stay_with_the_old_one_that_stores_them(alice: User) -> None:
    old, _ = send_xorb(alice, CHUNKS[:3])
    Xorb.objects.update(last_used_at=timezone.now() - timedelta(days=40))
    young, _ = send_xorb(alice, CHUNKS)
    # As if only the young one had been named since: its client may still build on all six chunks.
    Xorb.objects.filter(pk=old).update(last_used_at=timezone.now() - timedelta(days=40))
    report = collect()
    assert (report.xorbs_kept_for_clients, report.xorbs_removed) == (1, 0)
    data = b"".join(CHUNKS)
    repo = repo_of(alice)
    send_shard(alice, repo, make_shard(CHUNKS, young, hashlib.sha256(data).hexdigest()))
    assert content(LargeFile.objects.get()) == data


def test_what_is_left_of_a_xorb_serves_its_file_and_the_rest_can_be_sent_again(alice: User) -> None:
    """Half of its chunks go; the others stay, since a file is made of them."""
    repo = repo_of(alice)
    send_xorb(alice, CHUNKS[:3])
    whole, _ = send_xorb(alice, CHUNKS)
    tail = b"".join(CHUNKS[3:])
    send_shard(alice, repo, make_shard(CHUNKS[3:], whole, hashlib.sha256(tail).hexdigest(), start=3))
    add(alice, repo, LargeFile.objects.get())
    report = collect(40)
    assert report.xorbs_removed == 2
    assert Chunk.objects.count() == 3
    assert content(LargeFile.objects.get()) == tail
    data = b"".join(CHUNKS)
    shard = make_shard(CHUNKS, whole, hashlib.sha256(data).hexdigest())
    with pytest.raises(UnknownContent):
        send_shard(alice, repo, shard)
    assert send_xorb(alice, CHUNKS) == (whole, True)
    assert send_shard(alice, repo, shard) == 1
    assert content(LargeFile.objects.get(size=len(data))) == data
    assert sum(stored_files().values()) == 6 * 20_008


def test_a_row_whose_table_lost_chunks_is_withdrawn_not_removed_while_it_stores_others(alice: User) -> None:
    repo = repo_of(alice)
    first, _ = send_xorb(alice, CHUNKS[:2])
    second, _ = send_xorb(alice, CHUNKS[2:4])
    # A store of an earlier version: the second's own table names a chunk that the first one stores.
    table = bytes(Xorb.objects.get(pk=first).chunk_table) + bytes(Xorb.objects.get(pk=second).chunk_table)
    Xorb.objects.filter(pk=second).update(chunk_table=table)
    tail = b"".join(CHUNKS[2:4])
    send_shard(alice, repo, make_shard(CHUNKS[2:4], second, hashlib.sha256(tail).hexdigest(), start=2))
    add(alice, repo, LargeFile.objects.get())
    report = collect(40)
    assert (report.xorbs_removed, report.xorbs_withdrawn) == (1, 1)
    assert content(LargeFile.objects.get()) == tail
    with pytest.raises(UnknownContent):
        send_shard(alice, repo, make_shard(CHUNKS[2:4], second, hashlib.sha256(tail).hexdigest(), start=2))
    send_xorb(alice, CHUNKS[2:4])
    assert content(LargeFile.objects.get()) == tail


def test_too_short_a_grace_must_be_forced(alice: User) -> None:
    with pytest.raises(InvalidInput, match="under 22 days"):
        collect_garbage(grace=timedelta(days=21))
    send_xorb(alice, CHUNKS)
    assert collect_garbage(grace=timedelta(0), force=True).xorbs_removed == 1


def test_orphans_go_after_a_day(alice: User) -> None:
    name, _ = send_xorb(alice, CHUNKS)
    Xorb.objects.all().delete()
    assert collect().orphan_files_removed == 0
    assert collect(1.1).orphan_files_removed == 1
    assert name not in stored_files()


def test_a_file_whose_name_an_upload_has_taken_meanwhile_is_not_an_orphan(alice: User) -> None:
    from models_app.actions.garbage_xorbs import remove_unnamed

    name, _ = send_xorb(alice, CHUNKS)
    assert remove_unnamed(name) == 0
    assert name in stored_files()


def test_what_killed_processes_left_goes(alice: User) -> None:
    repo, gone = repo_of(alice), repo_of(alice, "gone")
    path = git_store(gone).path
    Repo.objects.filter(pk=gone.pk).delete()
    temporary = Path(settings.HUB_TMP_DIR)
    temporary.mkdir(parents=True, exist_ok=True)
    (temporary / "xorb-old").write_bytes(b"x")
    os.utime(temporary / "xorb-old", (time.time() - 4 * 86_400,) * 2)
    (temporary / "xorb-new").write_bytes(b"x")
    report = collect()
    assert (report.git_directories_removed, report.temporary_files_removed) == (0, 1)
    assert path.exists()
    assert collect(2).git_directories_removed == 1
    assert not path.exists()
    assert git_store(repo).path.exists()
    assert (temporary / "xorb-new").exists()


def test_the_command_reports_in_words_and_as_json(alice: User, tmp_path: Path, settings: object) -> None:
    settings.HUB_DATA_DIR = tmp_path  # type: ignore[attr-defined]
    send_xorb(alice, CHUNKS)
    out = StringIO()
    call_command("collect_garbage", "--dry-run", stdout=out)
    assert "would remove" in out.getvalue()
    assert not (tmp_path / "garbage.json").exists()
    out = StringIO()
    call_command("collect_garbage", "--grace-days", "0", "--force", "--json", stdout=out)
    assert json.loads(out.getvalue())["xorbs_removed"] == 1
    assert json.loads((tmp_path / "garbage.json").read_text())["grace_days"] == 0
    with pytest.raises(CommandError, match="under 22 days"):
        call_command("collect_garbage", "--grace-days", "1")


def test_the_worker_begins_one_collection_a_day(
    tmp_path: Path, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HUB_DATA_DIR = tmp_path  # type: ignore[attr-defined]
    begun: list[list[str]] = []

    class Running:
        def __init__(self, command: list[str], **_: object) -> None:
            begun.append(command)

        def poll(self) -> int | None:
            return None if len(begun) == 1 else 0

    monkeypatch.setattr(tasks.subprocess, "Popen", Running)
    monkeypatch.setattr(tasks, "_collections", [])
    assert tasks.start_collection()
    assert not tasks.start_collection()
    assert begun[0][2:] == ["collect_garbage", "--verbosity", "0"]
    begun.append([])
    assert tasks.start_collection()
    (tmp_path / "garbage.json").write_text("{}")
    assert not tasks.start_collection()
    os.utime(tmp_path / "garbage.json", (time.time() - 21 * 3600,) * 2)
    assert tasks.start_collection()
