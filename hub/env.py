"""Typed readers of environment variables that fail loudly on a bad value."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

# How long one waits for a connection that is not in use.
_POOL_SECONDS = 30


def env_str(name: str, default: str) -> str:
    """The variable's text, or the default when it is unset or empty."""
    return os.environ.get(name) or default


def env_bool(name: str, default: bool) -> bool:
    """Only `True` and `False` are accepted: a typo must not silently mean no."""
    value = os.environ.get(name)
    if not value:
        return default
    if value not in ("True", "False"):
        raise ImproperlyConfigured(f"{name} must be True or False, got {value!r}")
    return value == "True"


def env_int(name: str, default: int, least: int | None = None) -> int:
    """A whole number of at least `least`, or ImproperlyConfigured."""
    value = os.environ.get(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, got {value!r}") from error
    if least is not None and number < least:
        raise ImproperlyConfigured(f"{name} must be {least} at least, got {number}")
    return number


def env_ints(name: str, default: str) -> list[int]:
    """Whole numbers between commas, or ImproperlyConfigured."""
    value = os.environ.get(name) or default
    try:
        return [int(part) for part in value.split(",")]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be whole numbers between commas, got {value!r}") from error


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B)")
_PRICE = re.compile(r"(\d+(?:\.\d+)?)\s+(\S{1,8})")


def env_sizes(name: str) -> dict[str, int]:
    """Bytes by name from `cpu-basic=8GB, gpu-small=16GiB`: GB are powers of 1000, GiB of 1024."""
    found: dict[str, int] = {}
    for key, text in _pairs(name, "cpu-basic=8GB"):
        size = _SIZE.fullmatch(text)
        if size is None or not float(size[1]):
            raise ImproperlyConfigured(f"{name}: {key} must be a size like 8GB, got {text!r}")
        unit = 1024 if "i" in size[2] else 1000
        found[key] = int(float(size[1]) * unit ** ("KMGT".index(size[2][0]) + 1))
    return found


def env_prices(name: str) -> dict[str, tuple[Decimal, str]]:
    """An amount an hour and its currency by name from `cpu-basic=0.05 EUR, gpu-small=0.60 EUR`."""
    found: dict[str, tuple[Decimal, str]] = {}
    for key, text in _pairs(name, "gpu-small=0.60 EUR"):
        price = _PRICE.fullmatch(text)
        if price is None:
            raise ImproperlyConfigured(f"{name}: {key} must be a price an hour like 0.60 EUR, got {text!r}")
        found[key] = (Decimal(price[1]), price[2])
    return found


def _pairs(name: str, example: str) -> Iterator[tuple[str, str]]:
    for part in filter(str.strip, os.environ.get(name, "").split(",")):
        key, mark, text = (word.strip() for word in part.partition("="))
        if not key or not mark or not text:
            raise ImproperlyConfigured(f"{name} must be like {example}, got {part.strip()!r}")
        yield key, text


def env_directory(name: str, default: Path) -> Path:
    """An absolute path of a directory that exists and can be written, made where it is missing."""
    path = Path(os.environ.get(name) or default).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"{name} {path} cannot be made: {error.strerror}.") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ImproperlyConfigured(f"{name} {path} cannot be written by this user.")
    return path


def env_secret(name: str, fallback_file: Path) -> str:
    """The secret from NAME, from the file NAME_FILE names, or made once and kept in `fallback_file`."""
    value = os.environ.get(name)
    if value:
        return value
    named = os.environ.get(f"{name}_FILE")
    if named:
        return Path(named).read_text().strip()
    return _kept_secret(fallback_file)


def _kept_secret(path: Path) -> str:
    from django.core.management.utils import get_random_secret_key

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # O_EXCL decides between two processes that start at once; the loser reads the winner's key.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _nonempty_text(path)
    with os.fdopen(handle, "w") as file:
        secret = get_random_secret_key()
        file.write(secret)
    return secret


def _nonempty_text(path: Path) -> str:
    import time

    for _ in range(50):
        text = path.read_text().strip()
        if text:
            return text
        time.sleep(0.02)
    raise ImproperlyConfigured(f"{path} holds no secret; delete it to have a new one made")


# What a URL may say beside the address, in libpq's own words.
_DATABASE_WORDS = (
    "host",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "connect_timeout",
    "application_name",
)


def env_database(name: str, default: dict[str, object], connections: int = 20) -> dict[str, object]:
    """A Django DATABASES entry from a `postgres://user:pass@host:port/name?sslmode=…` URL, or the default.

    `connections` is how many a process has at most; `?host=/folder` names a Unix socket's. Raises
    ImproperlyConfigured for another scheme, no name, or words unknown.
    """
    value = os.environ.get(name)
    if not value:
        return default
    parts = urlsplit(value)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured(f"{name} must begin with postgres://, got {parts.scheme!r}")
    words = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(words.keys() - set(_DATABASE_WORDS)):
        raise ImproperlyConfigured(f"{name} knows no {unknown[0]!r}, only {', '.join(_DATABASE_WORDS)}")
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise ImproperlyConfigured(
            f"{name} must end with a database: postgres://user:password@host:port/name"
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": words.pop("host", unquote(parts.hostname or "")),
        "PORT": str(parts.port or ""),
        # One empty question for each connection taken: the server may have been started anew meanwhile.
        "CONN_HEALTH_CHECKS": True,
        # Pages ask many small questions: compiling the larger ones takes longer than answering them.
        "OPTIONS": {"options": "-c jit=off", **words, "pool": _pool(connections)},
    }


def _pool(most: int) -> dict[str, object]:
    """Many threads wait for clients, few ask the database: they share connections (hub/waiting.py)."""
    return {"min_size": 1, "max_size": most, "timeout": _POOL_SECONDS}
