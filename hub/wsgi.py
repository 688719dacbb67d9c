"""Entry point for WSGI servers."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")

application = get_wsgi_application()
# Django imports the views at the first request: here, a view that cannot be imported stops the server instead
# of failing every visitor, and nobody is the one who waits for it.
_ = get_resolver().url_patterns
