"""`manage.py messages`: bring the catalogues of translations up to what the site says, and compile them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import to_locale

from hub.messages import (
    catalog_path,
    misplaced,
    mo_bytes,
    po_bytes,
    read_catalog,
    untranslated,
    updated,
    write_catalog,
)


class Command(BaseCommand):
    """Says how much is left to translate; `--check` writes nothing and fails where something is amiss."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing, fail where a file is behind")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        amiss = []
        for code, _name in settings.LANGUAGES:
            if code == "en":
                continue
            locale = to_locale(code)
            catalog = updated(locale)
            missing, wrong = untranslated(catalog), misplaced(catalog)
            self.stdout.write(f"{locale}: {len(catalog)} messages, {len(missing)} without translation")
            for message in wrong:
                self.stdout.write(f"  other placeholders: {message.id!r}")
            if check:
                amiss += [locale] if missing or wrong or _is_behind(locale, po_bytes(catalog)) else []
            else:
                write_catalog(locale, catalog)
        if amiss:
            raise CommandError(f"Translations are behind: {', '.join(amiss)}. Run `manage.py messages`.")


def _is_behind(locale: str, wanted: bytes) -> bool:
    path = catalog_path(locale)
    if not path.exists() or path.read_bytes() != wanted:
        return True
    return path.with_suffix(".mo").read_bytes() != mo_bytes(read_catalog(locale))
