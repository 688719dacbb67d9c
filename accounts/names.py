"""What a user or an organization may be called."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError

MIN_LENGTH, MAX_LENGTH = 2, 42
_GRAMMAR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
# First path segments that are, or may become, the hub's own.
_RESERVED_WORDS = """
about accounts admin api assets auth avatars billing blog bucket buckets cas chat collections contact
dashboard dataset datasets device docs download downloads enterprise explore favicon.ico feed healthz help
home hooks inference jobs join kernel kernels leaderboard leaderboards legal lfs login logout media me
metrics model models new notifications oauth organization organizations orgs papers posts preflights pricing
privacy profile queue raw recipes register resolve robots.txt root run runs search security sessions
settings signin signup sitemap.xml space spaces static status storage support sweeps tasks terms token
tokens trending upload uploads user users v1 v2 webhooks welcome well-known worker workers www
"""
RESERVED = frozenset(_RESERVED_WORDS.split())


def validate_namespace_name(name: str) -> None:
    """Raise ValidationError, in one sentence, unless the name fits the wire's grammar and is no route's."""
    if not MIN_LENGTH <= len(name) <= MAX_LENGTH:
        raise ValidationError(f"A name has {MIN_LENGTH} to {MAX_LENGTH} characters.", code="length")
    if not _GRAMMAR.fullmatch(name):
        raise ValidationError(
            "A name holds ASCII letters, digits, '-', '_' and '.'; its first and last are letters or digits.",
            code="grammar",
        )
    if "--" in name or ".." in name:
        raise ValidationError("A name may not hold '--' or '..'.", code="grammar")
    if name.lower().endswith((".git", ".ipynb")):
        raise ValidationError("A name may not end in '.git' or '.ipynb'.", code="grammar")
    if name.lower() in RESERVED:
        raise ValidationError(f"The name {name!r} is reserved by the hub.", code="reserved")
