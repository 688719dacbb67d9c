"""Downloads: noted at once, counted later, once a key and day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from models_app.actions.commits import commit
from models_app.actions.downloads import count_downloads, download_spool, note_download
from models_app.api import counting
from models_app.api.recent import Recent
from models_app.models import DownloadCount, Repo
from models_app.storage.operations import AddFile
from tests.models_app.people import repo_of, session

NOON = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
CLIENT = {"user-agent": "unknown/None; hf_hub/2.4.0; python/3.11"}


@pytest.fixture(autouse=True)
def _own_spool(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HUB_DOWNLOADS_DIR = tmp_path / "downloads"
    monkeypatch.setattr(counting, "_recent", Recent())


def numbers(repo: Repo) -> tuple[int, int]:
    repo.refresh_from_db()
    return repo.downloads_30d, repo.downloads_all_time


def test_a_key_counts_once_a_day(alice: User) -> None:
    repo = repo_of(alice)
    for key, at in (("aa", NOON), ("bb", NOON), ("aa", NOON + timedelta(minutes=5))):
        note_download(repo, key, at)
    assert count_downloads(NOON) == 0  # the minute is still running
    assert count_downloads(NOON + timedelta(minutes=2)) == 2
    assert count_downloads(NOON + timedelta(minutes=10)) == 0
    note_download(repo, "aa", NOON + timedelta(days=1))
    assert count_downloads(NOON + timedelta(days=1, minutes=5)) == 1
    assert numbers(repo) == (3, 3)
    assert list(DownloadCount.objects.order_by("day").values_list("count", flat=True)) == [2, 1]


def test_after_thirty_days_only_the_total_remembers(alice: User) -> None:
    repo = repo_of(alice)
    note_download(repo, "aa", NOON)
    count_downloads(NOON + timedelta(days=29))
    assert numbers(repo) == (1, 1)
    count_downloads(NOON + timedelta(days=30))
    assert numbers(repo) == (0, 1)
    assert not list(download_spool().root.glob("*.keys"))


def test_damaged_lines_and_deleted_repos_are_passed_over(alice: User) -> None:
    kept, gone = repo_of(alice, "kept"), repo_of(alice, "gone")
    note_download(kept, "aa", NOON)
    note_download(gone, "aa", NOON)
    Repo.objects.filter(pk=gone.pk).delete()
    download_spool().note("2026-11-22 7", NOON.timestamp())
    count_downloads(NOON + timedelta(minutes=5))
    assert numbers(kept) == (1, 1)


def test_a_full_disk_costs_a_number_and_no_download(alice: User, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.HUB_DOWNLOADS_DIR = tmp_path / "file" / "below"
    note_download(repo_of(alice), "aa", NOON)


def test_two_at_once_count_nothing_twice(alice: User) -> None:
    repo = repo_of(alice)
    note_download(repo, "aa", NOON)
    with download_spool().alone() as alone:
        assert alone
        assert count_downloads(NOON + timedelta(minutes=5)) == 0
    assert count_downloads(NOON + timedelta(minutes=5)) == 1


def noted() -> int:
    return sum(len(path.read_text().splitlines()) for path in download_spool().root.glob("*.log"))


def test_which_requests_count(alice: User) -> None:
    repo = repo_of(alice)
    files = [AddFile("config.json", b"{}"), AddFile("other.txt", b"x")]
    commit(session(alice), repo=repo, branch="main", operations=files, summary="Files")
    client = Client(headers=CLIENT)
    assert client.get("/alice/net/resolve/main/other.txt").status_code == 200
    assert noted() == 0
    assert client.head("/alice/net/resolve/main/config.json").status_code == 200
    assert client.get("/alice/net/resolve/main/config.json").status_code == 200
    assert client.get("/alice/net/resolve/main/missing.json").status_code == 404
    assert noted() == 1
    assert Client(headers=CLIENT, REMOTE_ADDR="10.0.0.2").get("/alice/net/resolve/main/config.json")
    assert noted() == 2
    crawlers = ("hf_hub/2 GPTBot/1.0", "huggingface-crawler", "git/2 uptime-kuma")
    for agent in ("Mozilla/5.0", "", "Googlebot/2.1", *crawlers):
        Client(headers={"user-agent": agent}).get("/alice/net/resolve/main/config.json")
    assert noted() == 2
    Client(headers={"user-agent": "lerobot/0.4; hf_hub/2"}, REMOTE_ADDR="10.0.0.3").get(
        "/alice/net/resolve/main/config.json"
    )
    assert noted() == 3


def test_without_a_query_file_the_first_file_of_the_day_counts(alice: User) -> None:
    repo = repo_of(alice, "data", repo_type="dataset")
    commit(
        session(alice),
        repo=repo,
        branch="main",
        operations=[AddFile("a", b"1"), AddFile("b", b"2")],
        summary="x",
    )
    client = Client(headers=CLIENT)
    for path in ("a", "b", "a"):
        assert client.get(f"/datasets/alice/data/resolve/main/{path}").status_code == 200
    assert noted() == 1
    assert "alice" not in "".join(path.read_text() for path in download_spool().root.glob("*.log"))
