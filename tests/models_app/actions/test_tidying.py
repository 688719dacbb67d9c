from __future__ import annotations

import os
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from accounts.models import User
from models_app import tasks
from models_app.actions import tidying
from models_app.actions.commits import commit
from models_app.actions.tidying import all_repos, cluttered, sweep_pushes, tidy_repo
from models_app.files import git_store
from models_app.models import Event
from models_app.storage import gittidy
from models_app.storage.gittidy import Clutter, TidyFailed, clutter
from models_app.storage.operations import AddFile
from tests.models_app.people import repo_of, session


def test_repos_that_changed_lately_and_need_it_are_found(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, idle = repo_of(alice, "busy"), repo_of(alice, "idle")
    for number in range(3):
        added = [AddFile(f"{number}.txt", b"%d" % number)]
        commit(session(alice), repo=busy, branch="main", operations=added, summary="x")
    monkeypatch.setattr(gittidy, "MAX_LOOSE", 6)
    assert list(cluttered(timezone.now())) == [busy]
    assert list(cluttered(timezone.now() + timedelta(days=3))) == []
    assert list(all_repos()) == [busy, idle]
    out = StringIO()
    call_command("tidy_git", stdout=out)
    assert out.getvalue() == "1 git directories repacked.\n"
    assert clutter(git_store(busy).path) == Clutter(0, 1)
    assert list(cluttered(timezone.now())) == []
    added = [AddFile("more.txt", b"more")]
    commit(session(alice), repo=busy, branch="main", operations=added, summary="on top")
    assert len(list(git_store(busy).files(git_store(busy).resolve("main")))) == 5
    Event.objects.all().delete()
    call_command("tidy_git", "--all", stdout=out)
    assert clutter(git_store(idle).path) == Clutter(0, 1)


def test_what_cannot_be_repacked_is_passed_over(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **_words: object) -> None:
        raise TidyFailed("git repack: no")

    monkeypatch.setattr(tidying, "tidy", fail)
    assert not tidy_repo(repo_of(alice))
    assert "could not be repacked: git repack: no" in caplog.text


def test_only_a_hub_that_needs_it_starts_a_process(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], **_: object) -> None:
            started.append(command)

        def poll(self) -> None:
            return None

    monkeypatch.setattr(tasks.subprocess, "Popen", Process)
    monkeypatch.setattr(tasks, "_tidyings", [])
    repo_of(alice)
    assert not tasks.start_tidying()
    monkeypatch.setattr(gittidy, "MAX_LOOSE", 1)
    assert tasks.start_tidying()
    assert not tasks.start_tidying()  # it is still at work
    assert [command[2:] for command in started] == [["tidy_git", "--verbosity", "0"]]


def test_what_killed_pushes_left_is_swept() -> None:
    for name in ("push-old", "push-new"):
        (Path(settings.HUB_TMP_DIR) / name / "git").mkdir(parents=True)
    old = time.time() - 4 * 86_400
    os.utime(Path(settings.HUB_TMP_DIR) / "push-old", (old, old))
    assert sweep_pushes() == 1
    assert [path.name for path in Path(settings.HUB_TMP_DIR).iterdir()] == ["push-new"]
