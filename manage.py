#!/usr/bin/env python
"""Django's command line for the hub."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
    # A data directory given on the command line must be known before settings are read.
    for position, word in enumerate(sys.argv):
        if word == "--data-dir" and position + 1 < len(sys.argv):
            os.environ["HUB_DATA_DIR"] = os.path.abspath(sys.argv[position + 1])
        elif word.startswith("--data-dir="):
            os.environ["HUB_DATA_DIR"] = os.path.abspath(word.split("=", 1)[1])
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        _ = settings.INSTALLED_APPS
    except ImproperlyConfigured as error:
        sys.exit(f"manage.py: {error}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
