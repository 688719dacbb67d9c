"""`manage.py provision`: users, organizations, roles, tokens and workers from flags, without a question."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.models import TokenRole
from hub.migrating import migrate_if_needed
from hub.provisioning import OrganizationWish, TokenWish, UserWish, Wish, WorkerWish
from models_app.actions.forum import ensure_topics
from runs.models import Tier

_EPILOG = """
Options belong to the --user, --org or --worker before them, and things are made in the order given:

  manage.py provision --data-dir data --user alice --token hf_... --staff --org team --member alice:admin
"""


# Details that are one text; which wishes have which, their fields say.
_TEXTS = ("password", "email", "fullname", "tier", "owner")


class _Subject(argparse.Action):
    """`--user NAME`, `--org NAME`, `--worker NAME`: begins a new thing."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option: str | None = None
    ) -> None:
        kind = {"user": UserWish, "org": OrganizationWish, "worker": WorkerWish}[self.dest]
        namespace.wishes = [*(getattr(namespace, "wishes", None) or []), kind(values)]


class _Detail(argparse.Action):
    """An option of the thing before it; an error where it has no meaning."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option: str | None = None
    ) -> None:
        wishes: Sequence[Wish] = getattr(namespace, "wishes", None) or []
        try:
            _set_detail(wishes[-1] if wishes else None, self.dest, values)
        except ValueError as error:
            parser.error(f"{option}: {error}")


def _set_detail(wish: Wish | None, name: str, value: Any) -> None:
    """Write one option onto the thing it belongs to; ValueError says in words why it cannot."""
    if name == "member" and isinstance(wish, OrganizationWish):
        user, _, role = value.partition(":")
        wish.members.append((user, role or "read"))
    elif name == "token" and isinstance(wish, UserWish | WorkerWish):
        wish.tokens.append(TokenWish(value))
    elif name == "token_role" and isinstance(wish, UserWish):
        if not wish.tokens:
            raise ValueError("comes after the --token it is about")
        wish.tokens[-1].role = value
    elif name == "flavor" and isinstance(wish, WorkerWish):
        wish.flavors.append(value)
    elif wish is not None and name in _TEXTS and hasattr(wish, name):
        setattr(wish, name, value)
    elif wish is not None and name in ("staff", "private_by_default") and hasattr(wish, name):
        setattr(wish, name, True)
    else:
        raise ValueError("belongs to no --user, --org or --worker before it")


class Command(BaseCommand):
    """Idempotent, all or nothing, and safe beside a running hub."""

    requires_system_checks = ()  # what it does needs no page, and operators wait for it
    help = "Create or update users, organizations, members, tokens and workers from flags."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--data-dir", help="the hub's data directory (default: HUB_DATA_DIR)")
        parser.add_argument("--user", action=_Subject, metavar="NAME", help="make or change this user")
        parser.add_argument("--org", action=_Subject, metavar="NAME", help="make or change this organization")
        parser.add_argument("--worker", action=_Subject, metavar="NAME", help="enroll a training worker")
        texts = {
            "--password": "the user's password",
            "--email": "the user's address",
            "--fullname": "what people call the user or organization",
            "--token": "an access token (hf_...) of your choice, for the user or worker",
            "--member": "USER:ROLE, with a role of read, contributor, write or admin",
            "--flavor": "a flavor the worker takes, such as cpu-basic",
            "--owner": "the user or organization whose machine the worker is (none: the hub's own)",
        }
        for option, text in texts.items():
            parser.add_argument(option, action=_Detail, help=text)
        parser.add_argument(
            "--token-role", action=_Detail, choices=TokenRole.values, help="of the --token before it (write)"
        )
        parser.add_argument(
            "--tier",
            action=_Detail,
            choices=Tier.values,
            help="whose runs the worker takes (trusted; with an owner: owner)",
        )
        parser.add_argument("--staff", action=_Detail, nargs=0, help="may use the admin pages")
        parser.add_argument(
            "--private-by-default", action=_Detail, nargs=0, help="the organization's new repos start private"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wishes: list[Wish] = options.get("wishes") or []
        if not wishes:
            raise CommandError("Nothing to do: give at least one --user, --org or --worker.")
        if migrate_if_needed():
            self.stdout.write("database: brought up to date")
        try:
            with transaction.atomic():
                lines = [line for wish in wishes for line in wish.fulfil()]
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        ensure_topics()  # a hub that was set up has a forum to talk in
        for line in lines:
            self.stdout.write(line)
