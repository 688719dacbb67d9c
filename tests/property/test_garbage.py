"""Random histories of uploads, deletions, days and collections: what any reference leads to stays
byte-identical.

`TUNEYARD_EXAMPLES=2000 .venv/bin/pytest -s tests/property/test_garbage.py` is a long one; it prints counts.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.actor import Actor
from accounts.models import User
from models_app.actions import branches
from models_app.actions.bucket_files import PutFile, RemoveFile, change_files
from models_app.actions.buckets import create_bucket, delete_bucket
from models_app.actions.commits import commit
from models_app.actions.content import UnknownContent
from models_app.actions.garbage import Report, collect_garbage
from models_app.actions.history import squash_history
from models_app.actions.refusals import NotUploaded
from models_app.actions.repos import create_repo, delete_repo
from models_app.files import git_store, large_file_of, stream_large_file
from models_app.models import (
    Bucket,
    BucketFile,
    BucketUpload,
    Chunk,
    FileTerm,
    LargeFile,
    Repo,
    RepoFile,
    Xorb,
)
from models_app.storage.errors import EntryNotFound, RevisionNotFound
from models_app.storage.gitcommit import create_ref, delete_ref
from models_app.storage.lfs import parse_pointer
from models_app.storage.operations import AddPointer, DeleteFile
from tests.property.clients import PIECES, Client, content_of, upload_by_lfs
from tests.property.stores import (
    Killed,
    age,
    at_point,
    check_promises,
    dying_after,
    files,
    pointer_text,
    pointers,
    rows,
    wipe,
)

GRACE = timedelta(days=30)
EXAMPLES = int(os.environ.get("TUNEYARD_EXAMPLES", "25"))
RECIPES = st.lists(st.integers(0, len(PIECES) - 1), min_size=1, max_size=6)
PATHS = st.sampled_from(["a.bin", "b.bin", "c/d.bin"])
WHICH = st.integers(0, 5)
COUNTS: Counter[str] = Counter()


class Histories(RuleBasedStateMachine):
    """One hub of alice's through the months."""

    user: User
    root: Path
    number = 0

    def __init__(self) -> None:
        super().__init__()
        Histories.number += 1
        COUNTS["histories"] += 1
        wipe(self.root / str(Histories.number))
        self.actor = Actor(self.user)
        self.repos: list[Repo] = []
        self.buckets: list[Bucket] = []
        self.clients = [Client(), Client(), Client(forgets=10_000)]
        # What each repo was given, and how many days ago.
        self.given: dict[int, dict[str, float]] = {}
        self.contents: dict[str, bytes] = {}
        self.oids: dict[int, list[str]] = {}

    @initialize()
    def begin(self) -> None:
        self.make_repo()

    # --- uploads

    @precondition(lambda self: len(self.repos) < 3)
    @rule()
    def make_repo(self) -> None:
        COUNTS["repos"] += 1
        repo = create_repo(self.actor, repo_type="model", namespace=None, name=f"r{COUNTS['repos']}")
        self.repos.append(repo)
        self.given[repo.pk] = {}
        self.oids[repo.pk] = [repo.head_oid]

    def repo(self, which: int) -> Repo:
        return Repo.objects.get(pk=self.repos[which % len(self.repos)].pk)

    def xet(self, client: Client, place: Repo | Bucket, recipe: list[int]) -> tuple[str, str] | None:
        """Upload; only a client that remembers too long may be told to send its bytes again, and then
        does."""
        chunks = [PIECES[number] for number in recipe]
        try:
            sha256, xet_hash = client.upload(self.actor, place, chunks)
        except UnknownContent:
            assert client.forgets > 30, "a client was refused within its three weeks"
            COUNTS["refusals of stale memories"] += 1
            client.memory.clear()
            sha256, xet_hash = client.upload(self.actor, place, chunks)
        COUNTS["uploads by xet"] += 1
        self.contents[sha256] = content_of(recipe)
        if isinstance(place, Repo):
            self.given[place.pk][sha256] = 0
        return sha256, xet_hash

    @precondition(lambda self: self.repos)
    @rule(which=WHICH, recipe=RECIPES, client=st.integers(0, 2), forgetful=st.booleans())
    def upload_by_xet(self, which: int, recipe: list[int], client: int, forgetful: bool) -> None:
        if forgetful:
            self.clients[client].memory.clear()
        self.xet(self.clients[client], self.repo(which), recipe)

    @rule(recipe=RECIPES, client=st.integers(0, 2))
    def break_off_before_the_shard(self, recipe: list[int], client: int) -> None:
        self.clients[client].send_chunks(self.actor, [PIECES[number] for number in recipe])
        COUNTS["uploads broken off"] += 1

    @precondition(lambda self: self.repos)
    @rule(which=WHICH, recipe=RECIPES)
    def upload_by_lfs(self, which: int, recipe: list[int]) -> None:
        repo, data = self.repo(which), content_of(recipe)
        sha256 = upload_by_lfs(self.actor, repo, data)
        COUNTS["uploads by lfs"] += 1
        self.contents[sha256], self.given[repo.pk][sha256] = data, 0

    @precondition(lambda self: not any(files("tmp")))
    @rule()
    def die_while_receiving(self) -> None:
        Path(settings.HUB_TMP_DIR).mkdir(parents=True, exist_ok=True)
        (Path(settings.HUB_TMP_DIR) / f"xorb-{COUNTS['deaths while receiving']}").write_bytes(b"half")
        COUNTS["deaths while receiving"] += 1

    # --- commits and references

    def point_at(self, repo: Repo, sha256: str, path: str, branch: str = "main") -> None:
        """Commit the file; what was given within the grace must be taken."""
        operation = AddPointer(path, sha256, len(self.contents[sha256]))
        try:
            done = commit(self.actor, repo=repo, branch=branch, operations=[operation], summary="add")
        except NotUploaded:
            assert self.given[repo.pk][sha256] >= 30, "an upload was given up within the grace"
            COUNTS["commits of what was given up"] += 1
            return
        COUNTS["commits"] += 1
        self.oids[repo.pk].append(done.oid)

    @precondition(lambda self: any(self.given.values()))
    @rule(which=WHICH, what=WHICH, path=PATHS)
    def commit_what_was_uploaded(self, which: int, what: int, path: str) -> None:
        repo = self.repo(which)
        if given := sorted(self.given[repo.pk]):
            self.point_at(repo, given[what % len(given)], path)

    @precondition(lambda self: self.repos)
    @rule(which=WHICH, recipe=RECIPES, client=st.integers(0, 2), path=PATHS)
    def upload_and_commit(self, which: int, recipe: list[int], client: int, path: str) -> None:
        repo = self.repo(which)
        if sent := self.xet(self.clients[client], repo, recipe):
            self.point_at(repo, sent[0], path)

    @precondition(lambda self: self.repos)
    @rule(which=WHICH, path=PATHS)
    def delete_a_file(self, which: int, path: str) -> None:
        repo = self.repo(which)
        try:
            done = commit(
                self.actor, repo=repo, branch="main", operations=[DeleteFile(path)], summary="delete"
            )
        except EntryNotFound:
            return
        COUNTS["commits"] += 1
        self.oids[repo.pk].append(done.oid)

    @precondition(lambda self: self.repos)
    @rule(which=WHICH, oid=st.integers(0, 50), tag=st.booleans())
    def branch_off(self, which: int, oid: int, tag: bool) -> None:
        """At any commit there ever was: it comes back whole, or not at all."""
        repo, name = self.repo(which), f"x{COUNTS['references made']}"
        at = self.oids[repo.pk][oid % len(self.oids[repo.pk])]
        COUNTS["references made"] += 1
        try:
            if tag:
                branches.create_tag(self.actor, repo=repo, tag=name, revision=at)
            else:
                branches.create_branch(self.actor, repo=repo, branch=name, starting_point=at)
        except RevisionNotFound:
            COUNTS["references refused"] += 1

    @precondition(lambda self: self.repos)
    @rule(which=WHICH, oid=st.integers(0, 50))
    def open_a_pull_request(self, which: int, oid: int) -> None:
        repo = self.repo(which)
        store = git_store(repo)
        head = store.ref_oid("refs/heads/main")
        assert head
        create_ref(store, f"refs/pr/{COUNTS['pull requests'] + 1}", head)
        COUNTS["pull requests"] += 1

    @precondition(lambda self: self.repos)
    @rule(which=WHICH, what=WHICH)
    def drop_a_reference(self, which: int, what: int) -> None:
        store = git_store(self.repo(which))
        names = sorted(set(store.repository.listall_references()) - {"refs/heads/main"})
        if names:
            delete_ref(store, names[what % len(names)])
            COUNTS["references dropped"] += 1

    @precondition(lambda self: self.repos)
    @rule(which=WHICH)
    def squash(self, which: int) -> None:
        repo = self.repo(which)
        self.oids[repo.pk].append(squash_history(self.actor, repo=repo, ref="main", message="squash"))
        COUNTS["squashes"] += 1

    @precondition(lambda self: self.repos)
    @rule(which=WHICH)
    def delete_a_repo(self, which: int) -> None:
        repo = self.repo(which)
        self.repos = [one for one in self.repos if one.pk != repo.pk]
        del self.given[repo.pk]
        delete_repo(self.actor, repo=repo)
        COUNTS["repos deleted"] += 1

    # --- buckets

    @rule(recipe=RECIPES, client=st.integers(0, 2), path=PATHS, put=st.booleans())
    def fill_a_bucket(self, recipe: list[int], client: int, path: str, put: bool) -> None:
        if not self.buckets:
            COUNTS["buckets"] += 1
            self.buckets.append(create_bucket(self.actor, namespace=None, name=f"b{COUNTS['buckets']}"))
        sent = self.xet(self.clients[client], self.buckets[0], recipe)
        if put and sent:
            failures = change_files(self.actor, bucket=self.buckets[0], operations=[PutFile(path, sent[1])])
            assert failures == []

    @precondition(lambda self: self.buckets)
    @rule(path=PATHS, whole=st.booleans())
    def empty_a_bucket(self, path: str, whole: bool) -> None:
        if whole:
            delete_bucket(self.actor, bucket=self.buckets.pop())
        else:
            change_files(self.actor, bucket=self.buckets[0], operations=[RemoveFile(path)])

    # --- time and collection

    @rule(days=st.sampled_from([1, 5, 12, 20, 31]))
    def pass_days(self, days: int) -> None:
        age(timedelta(days=days))
        for client in self.clients:
            client.pass_days(days)
        for given in self.given.values():
            given.update({sha256: age + days for sha256, age in given.items()})
        COUNTS["days"] += days

    @rule(dies_after=st.sampled_from([None, None, 0, 1, 2]))
    def collect(self, dies_after: int | None) -> None:
        with dying_after(dies_after):
            try:
                self.count(collect_garbage(grace=GRACE))
            except Killed:
                COUNTS["collections killed"] += 1
        self.check()

    @rule(months=st.integers(1, 3), reset=st.booleans(), which=WHICH)
    def let_months_pass(self, months: int, reset: bool, which: int) -> None:
        """Perhaps after somebody made the branch anew: what it led to is given up step by step."""
        if reset and self.repos:
            self.delete_a_file(which, "a.bin")
            self.squash(which)
        for _ in range(months):
            self.pass_days(31)
            self.collect(None)

    @rule()
    def try_dry(self) -> None:
        """A dry run changes nothing, and says what the run after it does."""
        before = rows()
        told = collect_garbage(grace=GRACE, dry_run=True)
        assert rows() == before
        done = collect_garbage(grace=GRACE)
        self.count(done)
        same = (
            "permissions_dropped", "bucket_permissions_dropped", "large_files_dropped", "large_file_bytes",
            "xorbs_idle",
        )  # fmt: skip
        assert {name: getattr(told, name) for name in same} == {name: getattr(done, name) for name in same}
        self.check()

    @precondition(lambda self: self.repos)
    @rule(
        point=st.sampled_from(["walked", "files chosen", "tables read", "rows gone"]),
        which=WHICH,
        recipe=RECIPES,
        client=st.integers(0, 1),
    )
    def upload_while_collecting(self, point: str, which: int, recipe: list[int], client: int) -> None:
        repo = self.repo(which)

        def upload() -> None:
            sent = self.xet(self.clients[client], repo, recipe)
            assert sent
            self.point_at(repo, sent[0], "meanwhile.bin")
            COUNTS["uploads while collecting"] += 1

        with at_point(point, upload):
            self.count(collect_garbage(grace=GRACE))
        self.check()

    def count(self, report: Report) -> None:
        COUNTS["collections"] += 1
        for name in ("xorbs_removed", "xorbs_withdrawn", "xorbs_kept_for_clients", "large_files_dropped",
                     "permissions_dropped", "orphan_files_removed"):  # fmt: skip
            COUNTS[name.replace("_", " ")] += getattr(report, name)
        assert report.unreadable_repos == []

    # --- what must always hold

    def check(self) -> None:
        for repo in Repo.objects.all():
            for sha256, size in pointers(git_store(repo).path):
                file = large_file_of(repo, parse_pointer(pointer_text(sha256, size)))  # type: ignore[arg-type]
                assert file is not None, f"{sha256} is reached and was given up"
                self.check_content(file)
        for row in BucketFile.objects.select_related("file"):
            self.check_content(row.file)
        COUNTS["chunks checked on disk"] += check_promises()

    def check_content(self, file: LargeFile) -> None:
        data = b"".join(stream_large_file(file, 0, file.size))
        assert data == self.contents[file.sha256]
        COUNTS["files read back"] += 1

    def teardown(self) -> None:
        """At last everything is deleted, and after the grace nothing is left of it."""
        self.check()
        for repo in Repo.objects.all():
            delete_repo(self.actor, repo=repo)
        for bucket in Bucket.objects.all():
            delete_bucket(self.actor, bucket=bucket)
        self.count(collect_garbage(grace=GRACE))
        age(timedelta(days=31))
        self.count(collect_garbage(grace=GRACE))
        for table in (LargeFile, FileTerm, Xorb, Chunk, RepoFile, BucketUpload):
            assert not table._default_manager.exists(), table
        left = [path for folder in ("xorbs", "tmp", "git") for path in files(folder)]
        assert [path for path in left if path.name != "generation"] == []
        COUNTS["stores found empty at last"] += 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(7200)
def test_nothing_that_is_reached_is_ever_lost_and_nothing_else_stays(alice: User, tmp_path: Path) -> None:
    Histories.user, Histories.root = alice, tmp_path
    COUNTS.clear()
    run_state_machine_as_test(
        Histories,
        settings=hypothesis_settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize="TUNEYARD_EXAMPLES" not in os.environ,
            database=None,
        ),
    )
    print("\n" + "\n".join(f"{count:>9,} {what}" for what, count in sorted(COUNTS.items())))
    assert COUNTS["stores found empty at last"] == COUNTS["histories"] > 0
    assert COUNTS["files read back"] > 0
    assert COUNTS["xorbs removed"] > 0


def test_sha256_of_pieces_are_distinct() -> None:
    assert len({hashlib.sha256(piece).hexdigest() for piece in PIECES}) == len(PIECES)
