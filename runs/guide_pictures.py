"""Pictures in class folders, from an archive or picked class by class."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from django.utils.translation import gettext, ngettext

from models_app.templatetags.hub import file_size
from runs.guide_dataset import BadUpload, Prepared, drawn

MAX_UNPACKED = 300 * 1000**2
MAX_PICTURES = 2000
MAX_PICTURE_BYTES = 20 * 1000**2
MAX_CLASSES = 200
ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")
_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpg",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"BM": "bmp",
}
_SPLIT_FOLDERS = {"train", "test", "validation", "val", "training", "testing", "valid"}
_UNSAFE = re.compile(r"[^\w.+ -]")


@dataclass(frozen=True)
class Picture:
    """One picture of a class, as it came."""

    label: str
    ending: str
    content: bytes


def from_zip(file: BinaryIO, seed: int) -> Prepared:
    """Pictures in folders named by their class, anywhere in the archive."""
    pictures: list[Picture] = []
    left_out, total = 0, 0
    for name, content in _members(file):
        label = _label_of(name)
        total += len(content)
        if total > MAX_UNPACKED:
            raise BadUpload(
                gettext("Unpacked, the archive is larger than %(size)s.") % {"size": file_size(MAX_UNPACKED)}
            )
        picture = _picture(label, content) if label else None
        if picture is None:
            left_out += 1
            continue
        pictures.append(picture)
        _check_count(pictures)
    return from_pictures(pictures, seed, left_out)


def _members(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """(path, content) of the pictures of an archive; bombs are refused by what they say and what they are."""
    try:
        with zipfile.ZipFile(file) as archive:
            infos = [one for one in archive.infolist() if not one.is_dir()]
            if len(infos) > 3 * MAX_PICTURES:
                raise BadUpload(_too_many())
            for info in infos:
                if not info.filename.lower().endswith(ENDINGS) or "__MACOSX" in info.filename:
                    continue
                if info.file_size > MAX_PICTURE_BYTES:
                    size = {"name": info.filename[-80:], "size": file_size(MAX_PICTURE_BYTES)}
                    raise BadUpload(gettext("%(name)s is larger than %(size)s.") % size)
                with archive.open(info) as member:
                    yield info.filename, member.read(MAX_PICTURE_BYTES + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise BadUpload(
            gettext("This is no ZIP archive that can be opened here; is it whole, and without a password?")
        ) from error


def _label_of(path: str) -> str:
    """The folder that a picture lies in, unless that is a split's; its letters made fit for a path."""
    folders = [part for part in path.replace("\\", "/").split("/")[:-1] if part not in ("", ".", "..")]
    return class_folder(folders[-1]) if folders and folders[-1].lower() not in _SPLIT_FOLDERS else ""


def class_folder(text: str) -> str:
    """A class's name as a folder's; empty where nothing of it is left."""
    return _UNSAFE.sub("_", text.strip())[:80].strip(" .")


def _picture(label: str, content: bytes) -> Picture | None:
    """The picture if it begins as one; None for what no reader knows."""
    ending = next((ending for begin, ending in _BEGINNINGS.items() if content.startswith(begin)), "")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        ending = "webp"
    return Picture(label, ending, content) if ending and len(content) <= MAX_PICTURE_BYTES else None


def from_rows(rows: Sequence[tuple[str, Sequence[BinaryIO]]], seed: int) -> Prepared:
    """Pictures that were picked for each class by name."""
    pictures: list[Picture] = []
    left_out = 0
    for text, files in rows:
        label = class_folder(text)
        if files and not label:
            raise BadUpload(gettext("Give every row of pictures the name of its class."))
        for file in files:
            picture = _picture(label, file.read(MAX_PICTURE_BYTES + 1))
            if picture is None:
                left_out += 1
                continue
            pictures.append(picture)
            _check_count(pictures)
    return from_pictures(pictures, seed, left_out)


def from_pictures(pictures: Sequence[Picture], seed: int, left_out: int = 0) -> Prepared:
    """`train/<class>/<n>.png` and `test/<class>/<n>.png`: of each class a fifth is kept for measuring."""
    by_label: dict[str, list[Picture]] = defaultdict(list)
    seen: set[bytes] = set()
    twice = 0
    for picture in pictures:
        digest = hashlib.sha256(picture.content).digest()
        if digest in seen:  # the same picture in both parts would make the result look better than it is
            twice += 1
            continue
        seen.add(digest)
        by_label[picture.label].append(picture)
    _check_classes(by_label)
    files: dict[str, bytes] = {}
    counts: Counter[str] = Counter()
    for label in sorted(by_label):
        ordered = sorted(by_label[label], key=lambda one: hashlib.sha256(one.content).digest())
        for number, (split, picture) in enumerate(drawn(ordered, seed)):
            files[f"{split}/{label}/{number:04}.{picture.ending}"] = picture.content
            counts[split] += 1
    return Prepared(files, "image-classification", list(_notes(left_out, twice)), counts)


def _check_count(pictures: Sequence[Picture]) -> None:
    if len(pictures) > MAX_PICTURES:
        raise BadUpload(_too_many())


def _too_many() -> str:
    text = gettext(
        "More than %(most)s pictures: upload them with the hf command line, which can go on where it stopped."
    )
    return text % {"most": MAX_PICTURES}


def _check_classes(by_label: Mapping[str, Sequence[Picture]]) -> None:
    if len(by_label) < 2:
        raise BadUpload(
            gettext("Pictures of two classes at least are needed, each class in a folder of its own name.")
        )
    if len(by_label) > MAX_CLASSES:
        raise BadUpload(
            gettext("More than %(most)s classes are too many for this form.") % {"most": MAX_CLASSES}
        )
    small = [label for label, found in by_label.items() if len(found) < 2]
    if small:
        text = gettext(
            "The class “%(label)s” has one picture only; two are needed, one to learn and one to measure."
        )
        raise BadUpload(text % {"label": small[0]})


def _notes(left_out: int, twice: int) -> Iterator[str]:
    if left_out:
        text = ngettext(
            "%(count)s file was no picture in a class's folder and was left out.",
            "%(count)s files were no pictures in a class's folder and were left out.",
            left_out,
        )
        yield text % {"count": left_out}
    if twice:
        text = ngettext(
            "%(count)s picture was there twice and is kept once.",
            "%(count)s pictures were there twice and are kept once.",
            twice,
        )
        yield text % {"count": twice}
