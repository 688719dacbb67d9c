"""What a user or an organization may be called."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

MIN_LENGTH, MAX_LENGTH = 2, 42
_GRAMMAR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
# First path segments that are, or may become, the hub's own.
_RESERVED_WORDS = """
about accounts activity admin api assets auth avatars badges billing blog bucket buckets cas chat
collections compare contact dashboard dataset datasets device docs download downloads enterprise explore
favicon.ico feed feed.atom feeds forum forums healthz help home hooks i18n inbox inference jobs join
jsi18n kernel kernels language leaderboard leaderboards legal lfs login logout markdown me media mentions
metrics model models moderation new notifications oauth organization organizations orgs papers people
posts preflights preview pricing privacy profile questions queue raw recipe recipes register reports
resolve robots.txt root run runs saved search security sessions settings shortcuts signin signup
sitemap.xml space spaces start static status storage styleguide support sweeps tag tags tasks terms theme
token tokens topics tour trending tuneyard tutorial tutorials upload uploads user users v1 v2 webhooks
welcome well-known wizard worker workers www
"""
RESERVED = frozenset(_RESERVED_WORDS.split())


def validate_namespace_name(name: str) -> None:
    """Raise ValidationError, in one sentence, unless the name fits the wire's grammar and is no route's."""
    if not MIN_LENGTH <= len(name) <= MAX_LENGTH:
        raise ValidationError(
            _("A name has %(least)d to %(most)d characters."),
            code="length",
            params={"least": MIN_LENGTH, "most": MAX_LENGTH},
        )
    if not _GRAMMAR.fullmatch(name):
        raise ValidationError(
            _(
                "A name holds ASCII letters, digits, '-', '_' and '.'; "
                "its first and last are letters or digits."
            ),
            code="grammar",
        )
    if "--" in name or ".." in name:
        raise ValidationError(_("A name may not hold '--' or '..'."), code="grammar")
    if name.lower().endswith((".git", ".ipynb")):
        raise ValidationError(_("A name may not end in '.git' or '.ipynb'."), code="grammar")
    if name.lower() in RESERVED:
        raise ValidationError(
            _("The name %(name)s is reserved by the hub."), code="reserved", params={"name": repr(name)}
        )
