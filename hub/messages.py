"""The catalogues of translations: what the code says in `_()` and the templates in their tags, read by Babel.

`manage.py messages` brings `locale/*/LC_MESSAGES/django.po` up to what is said and compiles it; nothing but
Python is needed for it, and the compiled file is committed, so that a checkout speaks every language at once.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

from accounts.phrases import CONTEXT
from hub.sentences import sentences

ROOMS = ("hub", "accounts", "models_app", "runs")
KEYWORDS = (
    "_", "lazy", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy", "pgettext",
    "pgettext_lazy", "npgettext",
)  # fmt: skip
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?[-+#0]*\d*(?:\.\d+)?[sdrfgi]|\{\w+\}")


@dataclass(frozen=True)
class Said:
    """One message: the words, or singular and plural."""

    file: str
    words: str | tuple[str, ...]
    comments: list[str]
    context: str | None


def catalog_path(locale: str) -> Path:
    """Where a language's words are kept, `locale` as gettext spells it (`zh_Hans`)."""
    return Path(settings.BASE_DIR) / "locale" / locale / "LC_MESSAGES" / "django.po"


def said() -> Catalog:
    """Every message of the site, with the files that say it."""
    found = Catalog(fuzzy=False)
    for one in _messages():
        found.add(one.words, locations=[(one.file, 0)], auto_comments=one.comments, context=one.context)
    for name, sentence in sentences():
        found.add(sentence, locations=[(name, 0)], context=CONTEXT)
    return found


def read_catalog(locale: str) -> Catalog:
    """The language's words as they are kept; an empty catalogue where there are none yet."""
    path = catalog_path(locale)
    if not path.exists():
        return Catalog(locale=locale, fuzzy=False)
    with path.open("rb") as stream:
        return read_po(stream, locale=locale)


def updated(locale: str) -> Catalog:
    """The kept words for all that is said now: nothing guessed, nothing obsolete."""
    kept, fresh = (
        read_catalog(locale),
        Catalog(locale=locale, fuzzy=False, charset="utf-8", header_comment=""),
    )
    for message in _in_order(said()):
        old = kept.get(message.id, message.context)
        words = old.string if old is not None and not old.fuzzy else None
        fresh.add(
            message.id,
            words or ("" if isinstance(message.id, str) else ("",) * fresh.num_plurals),
            locations=message.locations,
            auto_comments=message.auto_comments,
            context=message.context,
        )
    return fresh


def po_bytes(catalog: Catalog) -> bytes:
    """The catalogue as a `.po` file without anything that changes by itself: no dates, no line numbers."""
    stream = io.BytesIO()
    write_po(stream, catalog, width=110, include_lineno=False, omit_header=False, sort_by_file=False)
    return re.sub(
        rb'^"(?:POT-Creation-Date|PO-Revision-Date|Generated-By|Last-Translator|Report-Msgid-Bugs-To|'
        rb'Language-Team|Project-Id-Version):.*\\n"\n',
        b"",
        stream.getvalue(),
        flags=re.M,
    )


def mo_bytes(catalog: Catalog) -> bytes:
    """The catalogue as gettext reads it, the same whenever it is made."""
    catalog.creation_date = catalog.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    stream = io.BytesIO()
    write_mo(stream, catalog)
    return stream.getvalue()


def write_catalog(locale: str, catalog: Catalog) -> None:
    """Keep the words and their compiled form."""
    path = catalog_path(locale)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(po_bytes(catalog))
    path.with_suffix(".mo").write_bytes(mo_bytes(read_catalog(locale)))


def untranslated(catalog: Catalog) -> list[Message]:
    """Messages without words of this language."""
    return [message for message in catalog if message.id and not all(_texts(message.string))]


def misplaced(catalog: Catalog) -> list[Message]:
    """Translations that do not have the placeholders of what they translate."""
    wrong = []
    for message in catalog:
        # A language without plurals says the number where English may leave it out in the singular.
        wanted = _placeholders(_texts(message.id)[-1]) if message.id else []
        if message.id and any(text and _placeholders(text) != wanted for text in _texts(message.string)):
            wrong.append(message)
    return wrong


def _texts(words: Any) -> list[str]:
    """One text or its plural forms, as a list; what is not there is empty."""
    return [words or ""] if isinstance(words, str) or words is None else [text or "" for text in words]


def _placeholders(text: str) -> list[str]:
    return sorted(match.group() for match in _PLACEHOLDER.finditer(text.replace("%%", "")))


def _in_order(catalog: Catalog) -> list[Message]:
    messages = [message for message in catalog if message.id]
    return sorted(messages, key=lambda one: (str(one.id), one.context or ""))


def _messages() -> Iterator[Said]:
    base = Path(settings.BASE_DIR)
    for path in sorted(base.joinpath("templates").rglob("*.*")):
        if path.suffix in (".html", ".txt"):
            yield from _read(path.relative_to(base), _as_python(path))
    for room in ROOMS:
        for path in sorted(base.joinpath(room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield from _read(path.relative_to(base), path.read_text())


def _as_python(path: Path) -> str:
    """A template's words as calls; text between the tags becomes crosses, and indentation means nothing."""
    lines = templatize(path.read_text(), origin=str(path)).splitlines()
    calls = [match.group() for line in lines for match in _CALL.finditer(line)]
    return "\n".join(calls)


_STRING = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_CALL = re.compile(
    rf"\b(?:gettext|ngettext|pgettext|npgettext|_)\(\s*{_STRING}(?:\s*,\s*(?:{_STRING}|\w+))*\s*\)"
)


def _read(name: Path, source: str) -> Iterator[Said]:
    stream = io.BytesIO(source.encode())
    for _line, function, words, comments in extract_python(
        stream, dict.fromkeys(KEYWORDS), ["Translators:"], {}
    ):
        texts = list(words) if isinstance(words, (tuple, list)) else [words]
        keyword = str(function).removesuffix("_lazy")
        context = str(texts.pop(0)) if "pgettext" in keyword else None
        texts = texts[: 2 if keyword.startswith("n") else 1]
        if all(texts):  # what is made of pieces at run time is nothing to translate
            chosen = [str(text) for text in texts]
            yield Said(
                str(name),
                chosen[0] if len(chosen) == 1 else tuple(chosen),
                [str(line) for line in comments or ()],
                context,
            )
