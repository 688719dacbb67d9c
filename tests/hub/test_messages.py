"""The catalogues: everything that is said has words in every language, with the same values in them."""

from __future__ import annotations

import pytest
from babel.messages.catalog import Catalog
from django.conf import settings
from django.utils import translation
from django.utils.translation import to_locale

from accounts import phrases
from accounts.phrases import in_words
from hub.messages import (
    catalog_path,
    misplaced,
    mo_bytes,
    po_bytes,
    read_catalog,
    said,
    untranslated,
    updated,
)
from hub.sentences import _in_source

LOCALES = ("zh_Hans",)


def test_every_language_of_the_site_has_a_catalogue() -> None:
    assert {to_locale(code) for code, _ in settings.LANGUAGES} - {"en"} == set(LOCALES)


@pytest.mark.parametrize("locale", LOCALES)
def test_nothing_is_left_untranslated(locale: str) -> None:
    assert [str(message.id) for message in untranslated(updated(locale))] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_translations_keep_the_values(locale: str) -> None:
    assert [str(message.id) for message in misplaced(read_catalog(locale))] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_the_files_are_what_the_command_writes(locale: str) -> None:
    path = catalog_path(locale)
    assert path.read_bytes() == po_bytes(updated(locale)), "run `manage.py messages`"
    assert path.with_suffix(".mo").read_bytes() == mo_bytes(read_catalog(locale)), "run `manage.py messages`"


def test_templates_and_code_are_read() -> None:
    found = said()
    assert found.get("Skip to content") is not None  # base.html
    assert found.get("Welcome, %(name)s.") is not None  # accounts/views.py
    assert any(isinstance(message.id, tuple) for message in found)
    # a refusal with a hole, which no `_()` is around
    assert found.get("'domains' must be a list of some of {1}.", phrases.CONTEXT) is not None


def test_sentences_are_told_from_other_strings() -> None:
    source = '''
"""A docstring is no sentence of the page."""
log.info("This is only for the log.")
raise Refusal(f"The name {name!r} is taken by {other}.")
key = "models_app.tasks.x"
say(_("This one is translated already."))
raise Refusal("Two parts of "
              "one sentence.")
'''
    assert list(_in_source(source)) == ["The name {1} is taken by {2}.", "Two parts of one sentence."]


def test_misplaced_values_are_found() -> None:
    catalog = Catalog(locale="zh_Hans")
    catalog.add("%(n)s of {1}", "{1}")
    catalog.add("{1} in {2}", "{2} 里的 {1}")
    assert [message.id for message in misplaced(catalog)] == ["%(n)s of {1}"]


def test_sentences_are_said_with_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        "sentence\x04The name {1} is taken by {2}.": "名称 {1} 已被 {2} 使用。",
        "sentence\x04The name {1} is reserved.": "名称 {1} 为保留字。",
        "sentence\x04Try again later.": "请稍后再试。",
        "The name {1} is fine.": "not a sentence",
    }
    monkeypatch.setattr(phrases.trans_real, "catalog", lambda: type("Made", (), {"_catalog": known})())
    phrases._phrases.cache_clear()
    with translation.override("zh-hans"):
        assert in_words("The name 'a' is taken by b. c.") == "名称 'a' 已被 b. c 使用。"
        assert in_words("The name 'a' is reserved. Try again later.") == "名称 'a' 为保留字。 请稍后再试。"
        assert in_words("Nobody has translated this.") == "Nobody has translated this."
    phrases._phrases.cache_clear()
    with translation.override("en"):
        assert in_words("Try again later.") == "Try again later."
