"""What is read out of packages, on tiny files of their kinds."""

from __future__ import annotations

import gzip
import json
import struct
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from bench.assets import hourly
from bench.assets.addresses import read_addresses
from bench.assets.hourly import on_the_grid
from bench.assets.mail import body, html_text, mails
from bench.assets.pictures import read_idx
from bench.assets.talk import exchanges, read_mo
from tests.bench import rfiles

ADDRESSES = """<AddressCollection>
  <AddressString><AddressNumber>84</AddressNumber>
    <StreetName>Social</StreetName>, <PlaceName>Ames</PlaceName>
  </AddressString>
  <AddressString><StreetName>A</StreetName># <OccupancyIdentifier>1</OccupancyIdentifier></AddressString>
  <AddressString></AddressString>
</AddressCollection>"""


def test_words_of_an_address_keep_their_labels_and_their_punctuation(tmp_path: Path) -> None:
    (tmp_path / "labeled.xml").write_text(ADDRESSES)
    assert read_addresses(tmp_path / "labeled.xml") == [
        {"tokens": ["84", "Social,", "Ames"], "tags": ["AddressNumber", "StreetName", "PlaceName"]},
        {"tokens": ["A#", "1"], "tags": ["StreetName", "OccupancyIdentifier"]},
    ]
    (tmp_path / "broken.xml").write_text(ADDRESSES[:-30])
    with pytest.raises(ValueError, match=r"broken\.xml is not well-formed"):
        read_addresses(tmp_path / "broken.xml")


PLAIN = "\nReturn-Path: <a@b.org>\nSubject: Win\nX-Spam: yes\n\nHello ann@example.org,\n\n\n\n\nbye.\n"
LISTED = "From: a@b.c\n\nYes.\n> _______________________________________________\n> Webdev mailing list\n"
LISTED += "> webdev@linux.ie\n> http://www.linux.ie/mailman/listinfo/webdev\n"
PARTS = """Content-Type: multipart/alternative; boundary="x"

--x
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe
--x
Content-Type: text/html

<p>No</p>
--x--
"""


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (PLAIN, "Hello <email>,\n\nbye."),
        (LISTED, "Yes."),
        (PARTS, "Grüße"),
        ("Content-Type: text/html\n\n<html><style>p{}</style><p>Buy&nbsp;<b>now</b></p>!", "Buy now!"),
        ("Subject: nothing\n\n", ""),
        ("Content-Type: text/plain; charset=nonsense\n\nstill read", "still read"),
    ],
)
def test_of_a_mail_only_what_people_read_is_left(raw: str, text: str) -> None:
    assert body(raw) == text


def test_scripts_are_no_words() -> None:
    assert html_text("a<script>var x = '<b>';</script><td>b") == "a b"


def test_mails_come_with_their_group_and_without_the_empty(tmp_path: Path) -> None:
    for group, name, text in (
        ("spam-1", "2", PLAIN),
        ("easy-ham-1", "1", LISTED),
        ("spam-2", "3", "A: b\n\n"),
    ):
        (tmp_path / group).mkdir()
        (tmp_path / group / f"{name}.json").write_text(json.dumps({"text": text}))
    assert [group for _, group in mails(tmp_path)] == ["easy-ham-1", "spam-1"]


def test_exchanges_take_turns_or_are_answers_to_the_first(tmp_path: Path) -> None:
    turns = "conversations:\n- - Hi\n  - Hello\n  - How are\n    you?\n  - Fine\n  - left over\n"
    turns += "- - Hi\n  - Hello\n"
    (tmp_path / "greetings.yml").write_text(turns)
    (tmp_path / "emotion.yml").write_text("conversations:\n- - You are sad\n  - No.\n  - Never.\n")
    (tmp_path / "trivia.yml").write_text(
        "conversations:\n- " + "".join(f"\n  - '{n}'" for n in range(88)) + "\n"
    )
    found = [(row["prompt"], row["response"], row["category"]) for row in exchanges(tmp_path)]
    assert found == [
        ("You are sad", "No.", "emotion"),
        ("You are sad", "Never.", "emotion"),
        ("Hi", "Hello", "greetings"),
        ("How are you?", "Fine", "greetings"),
    ]
    assert next(exchanges(tmp_path))["messages"][1] == {"role": "assistant", "content": "No."}


def test_a_message_catalogue_gives_the_singular_without_context(tmp_path: Path) -> None:
    pairs = [(b"", b"Content-Type: text/plain"), (b"day\0days", b"Tag\0Tage"), (b"month\x04May", b"Mai")]
    head = 28 + 16 * len(pairs)
    tables, strings = [b"", b""], b""
    for index in (0, 1):
        for pair in pairs:
            tables[index] += struct.pack("<2I", len(pair[index]), head + len(strings))
            strings += pair[index] + b"\0"
    start = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    (tmp_path / "django.mo").write_bytes(start + tables[0] + tables[1] + strings)
    assert read_mo(tmp_path / "django.mo") == {"day": "Tag", "May": "Mai"}
    (tmp_path / "other.mo").write_bytes(bytes(28))
    with pytest.raises(ValueError, match=r"other\.mo is not a message catalogue"):
        read_mo(tmp_path / "other.mo")


def test_idx_files_give_their_shape(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.uint8).reshape(2, 3, 2)
    raw = b"\0\0\x08\x03" + struct.pack(">3i", 2, 3, 2) + values.tobytes()
    (tmp_path / "a.gz").write_bytes(gzip.compress(raw))
    assert (read_idx(tmp_path / "a.gz") == values).all()
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"\0\0\x0d\x01" + bytes(8)))
    with pytest.raises(ValueError, match="not an idx file"):
        read_idx(tmp_path / "b.gz")


def test_hours_form_a_grid_and_the_first_of_two_counts() -> None:
    at = [datetime(2020, 1, 1, hour) for hour in range(5)]
    rows = [{"timestamp": at[4], "y": 4.0}, {"timestamp": at[1], "y": 1.0}, {"timestamp": at[1], "y": 9.0}]
    assert on_the_grid(rows) == [
        {"timestamp": at[1], "y": 1.0},
        {"timestamp": at[2], "y": None},
        {"timestamp": at[3], "y": None},
        {"timestamp": at[4], "y": 4.0},
    ]


def test_a_series_is_read_by_the_engine_in_the_order_of_time(tmp_path: Path) -> None:
    from training.series.reading import Columns, read_panel

    package, made = tmp_path / "package", tmp_path / "made"
    (package / hourly.HOURLY).mkdir(parents=True)
    made.mkdir()
    lines = [f"2020-01-{1 + hour // 24:02} {hour % 24:02}:00:00,{hour}" for hour in range(100) if hour != 30]
    (package / hourly.HOURLY / "hourly_sf_traffic.csv").write_text("\n".join(["ts,y", *lines]))
    hourly.sf_traffic(made, lambda name: package)
    found = [
        read_panel(made, split, Columns("timestamp", ("occupancy",)))
        for split in ("train", "validation", "test")
    ]
    assert [len(panel) for panel in found] == [70, 10, 20]
    assert found[0].values[:, 0].tolist() == [29.0 if hour == 30 else float(hour) for hour in range(70)]
    assert not found[0].observed[30, 0]
    assert found[2].values[0, 0] == 80.0


def test_houses_come_out_of_an_r_package_with_trimmed_words(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    from bench.assets.houses import MODELDATA, ames

    stem = tmp_path / MODELDATA
    stem.parent.mkdir(parents=True)
    kinds = rfiles.factor([1 + row % 2 for row in range(20)], ["WD ", "New"])
    houses = rfiles.frame({"Sale_Type": kinds, "Sale_Price": rfiles.integers(list(range(20)))})
    rfiles.write_database(stem, {"ames": rfiles.serialised(houses)})
    (tmp_path / "made").mkdir()
    ames(tmp_path / "made", lambda name: tmp_path)
    tables = [pq.read_table(file) for file in sorted((tmp_path / "made/data").iterdir())]
    assert sorted(price for table in tables for price in table["Sale_Price"].to_pylist()) == list(range(20))
    assert {kind for table in tables for kind in table["Sale_Type"].to_pylist()} == {"WD", "New"}
