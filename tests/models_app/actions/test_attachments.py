"""Who may attach, how much, and what is left when something goes wrong."""

from __future__ import annotations

import io
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import throttle
from accounts.actor import ANONYMOUS
from accounts.models import User
from models_app.access import Forbidden, LoginRequired
from models_app.actions.attachments import TooMuch, attachment_store, file_name, save_attachment
from models_app.actions.commits import commit
from models_app.actions.discussions import comment, edit_comment, hide_comment, open_discussion
from models_app.actions.garbage import Report, collect_garbage
from models_app.models import Attachment
from models_app.storage.operations import AddFile
from models_app.storage.streams import BodyCutShort
from tests.models_app.people import by_token, repo_of, session

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100


@pytest.fixture(autouse=True)
def own_folder(settings: Settings, tmp_path: Path) -> Path:
    settings.HUB_ATTACHMENTS_DIR = tmp_path / "attachments"
    settings.HUB_TMP_DIR = tmp_path / "tmp"
    return tmp_path


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_read_token_and_a_runs_token_attach_nothing(alice: User) -> None:
    run = by_token(alice, "fineGrained", repos={"model:alice/net": "write"}, run="x")
    reads = by_token(alice, "fineGrained", repos={"model:alice/net": "read"})
    for actor in (by_token(alice, "read"), run, reads):
        with pytest.raises(Forbidden):
            save_attachment(actor, body=io.BytesIO(PNG), announced=None)
    with pytest.raises(LoginRequired):
        save_attachment(ANONYMOUS, body=io.BytesIO(PNG), announced=None)


def test_a_token_that_may_write_somewhere_attaches(alice: User) -> None:
    actor = by_token(alice, "fineGrained", repos={"model:alice/net": "write"})
    made = save_attachment(actor, body=io.BytesIO(PNG), announced=len(PNG))
    assert attachment_store().path(file_name(made)).read_bytes() == PNG
    assert (made.owner, made.size, made.content_type) == (alice, len(PNG), "image/png")


def test_a_body_cut_short_leaves_nothing(alice: User, own_folder: Path) -> None:
    with pytest.raises(BodyCutShort):
        save_attachment(session(alice), body=io.BytesIO(PNG), announced=len(PNG) + 1)
    assert not Attachment.objects.exists()
    assert files(own_folder) == []


def test_one_person_has_so_much_room(alice: User, bob: User, settings: Settings, own_folder: Path) -> None:
    settings.HUB_ATTACHMENTS_PER_USER_BYTES = len(PNG)
    save_attachment(session(alice), body=io.BytesIO(PNG), announced=None)
    with pytest.raises(TooMuch):
        save_attachment(session(alice), body=io.BytesIO(PNG), announced=None)
    save_attachment(session(bob), body=io.BytesIO(PNG), announced=None)
    assert len(files(own_folder)) == 2


def test_an_unannounced_body_is_bounded_too(alice: User, settings: Settings, own_folder: Path) -> None:
    settings.HUB_ATTACHMENT_BYTES = len(PNG) - 1
    with pytest.raises(TooMuch):
        save_attachment(session(alice), body=io.BytesIO(PNG), announced=None)
    assert files(own_folder) == []


def test_a_row_that_cannot_be_written_leaves_no_file(
    alice: User, monkeypatch: pytest.MonkeyPatch, own_folder: Path
) -> None:
    def fails(*words: object, **named: object) -> None:
        raise DatabaseError("no")

    monkeypatch.setattr(Attachment, "save", fails)
    with pytest.raises(DatabaseError):
        save_attachment(session(alice), body=io.BytesIO(PNG), announced=None)
    assert files(own_folder) == []


def test_a_flood_is_slowed_down(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "UPLOADS", throttle.Limit("uploads", 1, 60))
    token = {"authorization": f"Bearer {make_text(alice)}"}
    assert Client().post("/uploads", PNG, content_type="image/png", headers=token).status_code == 200
    refused = Client().post("/uploads", PNG, content_type="image/png", headers=token)
    assert refused.status_code == 429
    assert refused["RateLimit"].startswith('"uploads";r=0;t=')


def make_text(user: User) -> str:
    from accounts.tokens import mint_token

    return mint_token(user, name="test", role="write")[1]


def attached(alice: User, days: int = 40) -> Attachment:
    """A picture that alice attached so many days ago."""
    made = save_attachment(session(alice), body=io.BytesIO(PNG), announced=None)
    Attachment.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(days=days))
    return made


def link(made: Attachment) -> str:
    return f"See ![it](https://hub.example/uploads/{file_name(made)})."


def collect(days: float = 0) -> Report:
    return collect_garbage(grace=timedelta(days=30), now=timezone.now() + timedelta(days=days))


def test_what_no_text_shows_goes_after_the_grace(alice: User) -> None:
    unused, young = attached(alice), attached(alice, days=29)
    repo = repo_of(alice)
    shown, edited, carded = attached(alice), attached(alice), attached(alice)
    thread = open_discussion(session(alice), repo=repo, title="A picture", description=link(shown))
    said = comment(session(alice), repo=repo, num=thread.num, text=link(edited))
    edit_comment(session(alice), repo=repo, num=thread.num, event=said.uuid.hex, text="Nothing.")
    card = AddFile("README.md", link(carded).encode())
    commit(session(alice), repo=repo, branch="main", operations=[card], summary="card")
    told = collect_garbage(grace=timedelta(days=30), dry_run=True)
    assert Attachment.objects.count() == 5
    report = collect()
    assert told.attachments_removed == report.attachments_removed == 1
    assert report.attachment_bytes_freed == len(PNG)
    assert not attachment_store().path(file_name(unused)).exists()
    for kept in (young, shown, edited, carded):
        assert attachment_store().path(file_name(kept)).exists()
    assert collect(days=2).attachments_removed == 1
    hide_comment(session(alice), repo=repo, num=thread.num, event=said.uuid.hex)
    assert collect().attachments_removed == 1
    assert set(Attachment.objects.all()) == {shown, carded}


def test_what_a_killed_upload_left_goes(alice: User, own_folder: Path) -> None:
    made = attached(alice)
    Attachment.objects.all().delete()
    (own_folder / "tmp" / "attachment-x").write_bytes(b"half")
    os.utime(own_folder / "tmp" / "attachment-x", (time.time() - 4 * 86_400,) * 2)
    report = collect()
    assert (report.orphan_files_removed, report.temporary_files_removed) == (0, 1)
    report = collect(days=1.1)
    assert (report.orphan_files_removed, report.orphan_bytes_freed) == (1, len(PNG))
    assert not attachment_store().path(file_name(made)).exists()
