"""Style sheet, scripts and icons: small on the way, fetched once.

A page names them under `/static/v-<digest>/`, a digest of all of them, and what stands there may be kept for
a year: another version has another address, relative imports between scripts included. No collecting step, no
files written: gzip is done once a process and kept in memory, for a few hundred kB.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import django
import django_htmx
import rest_framework
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.regex_helper import _lazy_re_compile
from whitenoise.middleware import WhiteNoiseMiddleware

FOREVER = "public, max-age=31536000, immutable"
_SMALLEST = 500
_TEXTS = (".css", ".js", ".svg", ".json", ".txt", ".map")
_ACCEPTS = _lazy_re_compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:,|$))")


@cache
def version() -> str:
    """A digest of every file of ours, and of the versions of the packages that bring some of their own."""
    packages = (django.__version__, getattr(django_htmx, "__version__", ""), rest_framework.VERSION)
    digest = hashlib.sha256(repr(packages).encode())
    for folder in map(Path, settings.STATICFILES_DIRS):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _prefix() -> str:
    """Nothing while files change under a developer's hands."""
    return "" if settings.DEBUG else f"v-{version()}/"


class VersionedStorage(StaticFilesStorage):
    """Addresses with the digest in front of the file's name."""

    def url(self, name: str | None) -> str:
        """Where the file is served, this version of it."""
        return str(super().url(f"{_prefix()}{name}"))


class AssetsMiddleware(WhiteNoiseMiddleware):
    """Serves what VersionedStorage names; under plain addresses too, to be asked for again soon."""

    def __init__(self, get_response: Any = None) -> None:
        super().__init__(get_response)
        self._packed: dict[str, tuple[bytes, str] | None] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if not path.startswith(self.static_prefix):
            return self.get_response(request)
        plain = self._plain(path)
        served = self.find_file(plain) if self.autorefresh else self.files.get(plain)
        if served is None:
            return self.get_response(request)
        response = self._small(request, plain) or self.serve(served, request)
        if _prefix() and path.startswith(self.static_prefix + _prefix()):
            response["Cache-Control"] = FOREVER
        return response

    def _plain(self, path: str) -> str:
        """The address without a version; another version's page gets today's file, which beats none."""
        first, slash, rest = path[len(self.static_prefix) :].partition("/")
        return self.static_prefix + rest if slash and first.startswith("v-") else path

    def _small(self, request: HttpRequest, plain: str) -> HttpResponseBase | None:
        """The file gzip'd, where the client takes it so and it is worth it."""
        takes_it = _ACCEPTS.search(request.headers.get("Accept-Encoding", ""))
        if request.method != "GET" or self.autorefresh or not takes_it or "Range" in request.headers:
            return None
        if plain not in self._packed:
            self._packed[plain] = _packed(plain[len(self.static_prefix) :])
        packed = self._packed[plain]
        if packed is None:
            return None
        body, etag = packed
        response = HttpResponse(body, content_type=f"{self.media_types.get_type(plain)}; charset=utf-8")
        response["Content-Encoding"] = "gzip"
        response["Cache-Control"] = f"public, max-age={self.max_age}"
        response["ETag"] = etag
        patch_vary_headers(response, ("Accept-Encoding",))
        return get_conditional_response(request, etag, None, response)


def _packed(name: str) -> tuple[bytes, str] | None:
    """A text's bytes gzip'd, and their tag; None for what would hardly become smaller."""
    found = finders.find(name)
    if not name.endswith(_TEXTS) or not isinstance(found, str):
        return None
    plain = Path(found).read_bytes()
    body = gzip.compress(plain, 9, mtime=0)
    if len(plain) < _SMALLEST or len(body) > 0.9 * len(plain):
        return None
    return body, f'W/"{hashlib.sha256(plain).hexdigest()[:20]}"'
