"""Subjects and own words of mails, on made-up ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.assets.subjects import opened, own_words, subject_of

TWENTY = " ".join(f"word{'abcdefghijklmnopqrst'[place]}" for place in range(20))


@pytest.mark.parametrize(
    ("given", "subject"),
    [
        ("[club] Boats for hire", "Boats for hire"),
        ("[club] Fwd: [OT] Boats for\n hire", "Boats for hire"),
        ("Boats for hire (was: Old boats)", "Boats for hire"),
        ("Boats for hire (fwd)", "Boats for hire"),
        ("=?iso-8859-1?q?Gr=FC=DFe_vom_Boot?=", "Grüße vom Boot"),
        ("Re: Boats for hire", ""),
        ("[club] RE[2]: Boats for hire", ""),
        ("[Bug 12] Boats sink", ""),
        ("=?nonsense?q?x?=", ""),
    ],
)
def test_a_subject_loses_its_marks_and_answers_have_none(given: str, subject: str) -> None:
    assert subject_of(f"From: a@example.org\nSubject: {given}\n\ntext") == subject


def test_no_subject_is_an_empty_one() -> None:
    assert subject_of("From: a@example.org\n\ntext") == ""


def test_quotations_signatures_and_forwarded_headers_are_nobodys_own_words() -> None:
    lines = [
        "On Monday Ann wrote:",
        "> Are there boats?",
        "Subject: Boats",
        "https://example.org/boats",
        TWENTY,
        "boats mailing list <<email>",
        "-- ",
        "Bob, keeper of boats",
    ]
    assert own_words("\n".join(lines)) == TWENTY


def test_a_line_above_the_text_is_no_signature() -> None:
    assert own_words(f"Hello\n____________________\n{TWENTY}") == f"Hello\n{TWENTY}"


def test_the_advertisement_of_a_list_goes() -> None:
    advert = "------------------------ Yahoo! Groups Sponsor ---------------------~-->\nBuy boats\n"
    advert += "---------------------------------------------------------------------~->"
    assert own_words(f"{TWENTY}\n{advert}\nbye") == f"{TWENTY}\n\nbye"


def _write(folder: Path, name: str, subject: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    raw = {"text": f"Subject: {subject}\n\n{text}\n"}
    (folder / f"{name}.json").write_text(json.dumps(raw), encoding="utf-8")


def test_one_mail_a_subject_and_a_body_no_answers_no_short_ones_no_spam(tmp_path: Path) -> None:
    ham = tmp_path / "easy-ham-1"
    _write(ham, "1", "[club] Stories for 12 May", f"{TWENTY} one")
    _write(ham, "2", "Stories for 13 May", f"{TWENTY} two")
    _write(ham, "3", "Other words here", f"{TWENTY} one")
    _write(ham, "4", "Re: Boats for hire", f"{TWENTY} four")
    _write(ham, "5", "Boats for hire", "Too short.")
    _write(ham, "6", "Boats", f"{TWENTY} six")
    _write(tmp_path / "hard-ham-1", "7", "Boats for hire", f"{TWENTY} seven")
    _write(tmp_path / "spam-1", "8", "Buy boats now", f"{TWENTY} eight")
    assert [subject for subject, _ in opened(tmp_path)] == ["Stories for 12 May", "Boats for hire"]
