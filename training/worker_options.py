"""The words after `tuneyard worker`: where the hub is, who this machine is, what it takes. They become the
environment that the worker reads, so that either way says the same."""

from __future__ import annotations

import argparse
import getpass
import ipaddress
import os
import stat
import sys
import urllib.parse
from collections.abc import MutableMapping, Sequence
from pathlib import Path

MAX_TOKEN_CHARS = 200
# No broker at all: the worker asks the hub.
NO_BROKER = "none"


def take_options(arguments: Sequence[str], environment: MutableMapping[str, str] | None = None) -> list[str]:
    """Read the options into `environment` (`os.environ`); what follows `--` is Celery's and is returned.

    The token comes from a file, the environment, standard input or the terminal, never from the command line,
    which every user of a machine can read. Ends the process with status 2 and a sentence where that fails.
    """
    values = os.environ if environment is None else environment
    given = [*arguments, "--"]
    own, celery = given[: given.index("--")], given[given.index("--") + 1 : -1]
    parser = _parser()
    options = parser.parse_args(own)
    if options.hub is not None:
        _check_hub(parser, options.hub)
        values["HUB_PUBLIC_URL"] = options.hub.rstrip("/")
    for name, variable in _VARIABLES.items():
        if getattr(options, name) is not None:
            values[variable] = getattr(options, name)
    if options.poll or (options.hub and not _has_broker(values)):
        values["HUB_BROKER_URL"] = NO_BROKER
    if options.token_file is not None:
        values["HUB_WORKER_TOKEN"] = _read_token(parser, options.token_file)
    elif not values.get("HUB_WORKER_TOKEN") and values.get("HUB_PUBLIC_URL") and sys.stdin.isatty():
        values["HUB_WORKER_TOKEN"] = getpass.getpass("The machine's token: ").strip()
    _check_token(parser, values.get("HUB_WORKER_TOKEN", ""))
    return celery


_VARIABLES = {
    "name": "HUB_WORKER_NAME",
    "flavors": "HUB_FLAVORS",
    "home": "HUB_WORKER_DIR",
    "broker": "HUB_BROKER_URL",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tuneyard worker",
        allow_abbrev=False,
        description="Take runs of a hub on this machine, until told to stop.",
        epilog="The token is asked for at a terminal; else it comes from --token-file or HUB_WORKER_TOKEN. "
        "Options left out are read from the environment. What follows -- goes to Celery.",
    )
    parser.add_argument("--hub", metavar="URL", help="the hub's address")
    parser.add_argument(
        "--token-file", metavar="PATH", help="a file with the machine's token; - is standard input"
    )
    parser.add_argument("--name", help="what it calls itself in logs")
    parser.add_argument("--flavors", metavar="A,B", help="what it takes, of what the hub lets it (cpu-basic)")
    parser.add_argument("--home", metavar="DIR", help="downloads and checkpoints; one worker a directory")
    parser.add_argument("--broker", metavar="URL", help="the hub's broker, if this machine reaches it")
    parser.add_argument("--poll", action="store_true", help="ask the hub for work, whatever broker there is")
    return parser


def _has_broker(values: MutableMapping[str, str]) -> bool:
    return bool(values.get("HUB_BROKER_URL") or values.get("HUB_BROKER_DIR"))


def _check_hub(parser: argparse.ArgumentParser, address: str) -> None:
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        parser.error("--hub must be an address that begins with http:// or https://")
    if parts.username or parts.password:
        parser.error("--hub must hold no name and no password")
    if parts.scheme == "http" and not _is_near(parts.hostname):
        print(
            f"Warning: {parts.hostname} is reached by http, so the token travels unencrypted.",
            file=sys.stderr,
        )


def _is_near(host: str) -> bool:
    """This machine or its own network, where http is usual."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith((".local", ".internal", ".lan"))


def _read_token(parser: argparse.ArgumentParser, path: str) -> str:
    if path == "-":
        return sys.stdin.readline(MAX_TOKEN_CHARS + 2).strip()
    try:
        with Path(path).open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.readline(MAX_TOKEN_CHARS + 2).strip()
    except (OSError, UnicodeDecodeError):
        parser.error(f"the token file {path} cannot be read")
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        print(f"Warning: others on this machine can read {path}; chmod 600 keeps them out.", file=sys.stderr)
    return text


def _check_token(parser: argparse.ArgumentParser, text: str) -> None:
    """Tell the commonest mistakes before the hub does; no part of the text is told."""
    if text.startswith("hf_"):
        parser.error("this is a person's access token; a machine has its own, made under Settings, Machines")
    if len(text) > MAX_TOKEN_CHARS or any(character.isspace() for character in text):
        parser.error("this is not a machine's token: it is one word that begins with tyw_")
