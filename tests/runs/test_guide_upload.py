"""Data of one's own from the browser: pictures and tables become a data set; the rest is refused."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from models_app.files import git_store, read_file
from models_app.models import Benchmark, Repo, RepoCard
from runs import guide_pictures, guide_tables
from runs.guide_dataset import BadUpload
from runs.models import Guide
from tests.browser.site import picture
from tests.runs.conftest import World

BACKEND = "accounts.backends.AccountBackend"
TABLE = "rooms,price\n" + "".join(f"{n % 7},{n * 10.5}\n" for n in range(40))


def archive(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for path, content in files.items():
            packed.writestr(path, content)
    return stream.getvalue()


def pictures(**classes: int) -> dict[str, bytes]:
    """Different pictures in a folder for each class."""
    return {
        f"pets/{label}/{number}.png": picture(place * 60 + number)
        for place, (label, count) in enumerate(classes.items())
        for number in range(count)
    }


@pytest.fixture
def guide(client: Client, world: World) -> Guide:
    RepoCard.objects.filter(repo=world.base).update(pipeline_tag="image-classification")
    client.force_login(world.alice, backend=BACKEND)
    client.post("/start")
    found = Guide.objects.get()
    client.post(f"/start/{found.uuid}/model", {"model": world.base.pk})
    return found


def send(client: Client, guide: Guide, content: bytes, **changes: Any) -> Any:
    """The upload form as a browser sends it."""
    fields = {"task": "image-classification", "namespace": "alice", "name": "pets", "seed": "0", **changes}
    fields.setdefault("archive", SimpleUploadedFile("pets.zip", content))
    return client.post(f"/start/{guide.uuid}/upload", fields)


def paths(repo: Repo) -> list[str]:
    return sorted(entry.path for entry in git_store(repo).files(repo.head_oid))


def test_an_archive_becomes_a_data_set_that_is_chosen(client: Client, guide: Guide) -> None:
    answer = send(client, guide, archive(pictures(cat=10, dog=5)), is_private="on", licence="cc0-1.0")
    assert answer["Location"] == f"/start/{guide.uuid}/data"
    repo = Repo.objects.get(name="pets")
    assert repo.private
    assert repo.card.license == "cc0-1.0"
    found = paths(repo)
    assert sum(path.startswith("train/cat/") for path in found) == 8
    assert sum(path.startswith("test/cat/") for path in found) == 2
    assert sum(path.startswith("test/dog/") for path in found) == 1
    entry = git_store(repo).entry(repo.head_oid, next(path for path in found if path.endswith(".png")))
    assert entry is not None
    assert entry.pointer is not None  # a picture lies where clients would have put it
    assert Benchmark.objects.get(repo=repo).tasks[0]["split"] == "test"
    guide.refresh_from_db()
    assert guide.data["dataset"]["pk"] == repo.pk
    text = client.get(f"/start/{guide.uuid}/data").text
    assert "2 classes" in text
    assert client.get(f"/start/{guide.uuid}/tune").status_code == 200


def test_the_same_seed_draws_the_same_rows_and_another_others() -> None:
    content = archive(pictures(cat=20, dog=20))
    drawn = [guide_pictures.from_zip(io.BytesIO(content), seed).files for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert set(drawn[0].values()) == set(drawn[2].values())


def test_pictures_can_be_picked_class_by_class(client: Client, guide: Guide) -> None:
    files = {
        f"pictures_{n}": [SimpleUploadedFile(f"{k}.png", picture(n * 50 + k)) for k in range(3)]
        for n in (1, 2)
    }
    answer = send(client, guide, b"", archive="", class_1="cat", class_2="Hündin", **files)
    assert answer.status_code == 302, answer.context["upload"].errors
    assert {path.split("/")[1] for path in paths(Repo.objects.get(name="pets")) if path.endswith(".png")} == {
        "cat",
        "Hündin",
    }


def test_what_is_no_picture_is_left_out_and_told(client: Client, guide: Guide) -> None:
    files = pictures(cat=3, dog=3) | {
        "pets/cat/again.png": picture(0),
        "pets/dog/fake.png": b"not a picture",
        "top.png": picture(200),
        "__MACOSX/pets/cat/._0.png": b"junk",
        "pets/notes.txt": b"notes",
        "../../outside/cat/up.png": picture(199),
    }
    answer = client.post(
        f"/start/{guide.uuid}/upload",
        {"task": "image-classification", "namespace": "alice", "name": "pets", "seed": "0",
         "archive": SimpleUploadedFile("p.zip", archive(files))},
        follow=True,
    )  # fmt: skip
    assert "1 picture was there twice" in answer.text
    assert "2 files were no pictures" in answer.text
    found = paths(Repo.objects.get(name="pets"))
    assert not [path for path in found if ".." in path or "MACOSX" in path]
    assert sum(path.endswith(".png") for path in found) == 7


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "submitted file is empty"),
        (b"no archive", "no ZIP archive that can be opened"),
        (archive({}), "two classes at least"),
        (archive(pictures(cat=4)), "two classes at least"),
        (archive(pictures(cat=4, dog=1)), "has one picture only"),
        (archive(pictures(cat=4, dog=4))[:-40], "no ZIP archive that can be opened"),
    ],
)
def test_an_archive_that_is_none_is_refused_in_words(
    client: Client, guide: Guide, content: bytes, words: str
) -> None:
    answer = send(client, guide, content)
    assert answer.status_code == 422
    assert words in answer.text
    assert not Repo.objects.filter(name="pets").exists()
    assert 'value="pets"' in answer.text  # what was typed is still there


def test_bounds_hold(client: Client, guide: Guide, monkeypatch: pytest.MonkeyPatch) -> None:
    content = archive(pictures(cat=4, dog=4))
    monkeypatch.setattr(guide_pictures, "MAX_PICTURES", 5)
    assert "More than 5 pictures" in send(client, guide, content).text
    monkeypatch.setattr(guide_pictures, "MAX_PICTURES", 2000)
    monkeypatch.setattr(guide_pictures, "MAX_UNPACKED", 100)
    assert "Unpacked, the archive is larger" in send(client, guide, content).text
    monkeypatch.setattr("runs.guide_upload_forms.MAX_BYTES", 100)
    assert "upload it with the hf command line" in send(client, guide, content).text
    assert not Repo.objects.filter(name="pets").exists()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "a b", "is not a valid repo name"),
        ("name", "digits", "You have a data set of this name already"),
        ("name", "", "This field is required"),
        ("namespace", "carol", "Select a valid choice"),
        ("seed", "-1", "greater than or equal to 0"),
        ("licence", "made-up", "Select a valid choice"),
    ],
)
def test_what_is_wrong_beside_the_files_is_said(
    client: Client, guide: Guide, field: str, value: str, words: str
) -> None:
    answer = send(client, guide, archive(pictures(cat=4, dog=4)), **{field: value})
    assert answer.status_code == 422
    assert words in answer.text


def test_nothing_stays_where_the_commit_fails(
    client: Client, guide: Guide, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models_app.storage.errors import StorageError

    def fails(*args: Any, **options: Any) -> None:
        raise StorageError("no room")

    monkeypatch.setattr("runs.guide_dataset.commit", fails)
    answer = send(client, guide, archive(pictures(cat=4, dog=4)))
    assert answer.status_code == 422
    assert "could not be kept" in answer.text
    assert not Repo.objects.filter(name="pets").exists()


def test_a_table_is_split_and_chosen(client: Client, world: World, guide: Guide) -> None:
    RepoCard.objects.filter(repo=world.base).update(pipeline_tag="tabular-regression")
    fields = {"task": "tabular-regression", "archive": "", "target": "price", "name": "houses"}
    answer = send(client, guide, b"", **fields, table=SimpleUploadedFile("t.csv", TABLE.encode()))
    assert answer.status_code == 302, answer.context["upload"].errors
    repo = Repo.objects.get(name="houses")
    train, test = (
        read_file(repo, repo.head_oid, f"{split}.csv", 10**6).decode().splitlines()
        for split in ("train", "test")
    )
    assert (len(train), len(test)) == (33, 9)
    assert sorted(train[1:] + test[1:]) == sorted(TABLE.splitlines()[1:])
    guide.refresh_from_db()
    assert guide.data["task"] == "tabular-regression"


@pytest.mark.parametrize(
    ("task", "text", "target", "words"),
    [
        ("tabular-regression", TABLE, "prize", "no column “prize”. Its columns are: rooms, price"),
        ("tabular-regression", TABLE.replace("1,10.5", "1,many"), "price", "“many” is none"),
        ("tabular-regression", TABLE.replace("1,10.5", "1,"), "price", "Row 3 has no value"),
        ("tabular-classification", "a,b\n" + "x,1\n" * 20, "b", "the same value"),
        ("tabular-classification", "a,b\n" + "x\n" * 20, "b", "Row 2 has 1 values"),
        ("tabular-classification", "a,a\n" + "x,1\n" * 20, "a", "each by a name of its own"),
        ("tabular-classification", "a,b\n1,2\n", "b", "at least ten rows"),
        ("tabular-classification", "a\0,b\n" + "1,2\n" * 20, "b", "no CSV text"),
        ("tabular-classification", "", "b", "at least ten rows"),
    ],
)
def test_a_table_that_is_none_is_refused_in_words(task: str, text: str, target: str, words: str) -> None:
    with pytest.raises(BadUpload) as refused:
        guide_tables.from_table(io.BytesIO(text.encode()), task, target, 0)
    assert words in refused.value.message


def test_tables_in_other_dresses_are_read() -> None:
    for text in (
        TABLE.replace(",", ";"),
        TABLE.replace(",", "\t"),
        "\ufeff" + TABLE,
        TABLE.replace("\n", "\r\n"),
    ):
        prepared = guide_tables.from_table(io.BytesIO(text.encode()), "tabular-regression", "price", 0)
        assert prepared.files["train.csv"].startswith(b"rooms,price\n")
    with pytest.raises(BadUpload, match="UTF-8"):
        guide_tables.from_table(io.BytesIO("größe,b\n1,2\n".encode("latin-1")), "tabular-regression", "b", 0)
    with pytest.raises(BadUpload, match="larger than"):
        guide_tables.from_table(
            io.BytesIO(b"x" * (guide_tables.MAX_TABLE_BYTES + 1)), "tabular-regression", "b", 0
        )
