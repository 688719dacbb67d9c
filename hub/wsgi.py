"""Entry point for WSGI servers."""

from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

# A page makes some ten thousand objects and leaves none: at Python's own 700 the collector runs several times
# in each page for nothing.
_YOUNG_OBJECTS = 20_000

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")

application = get_wsgi_application()
# Django imports the views at the first request: here, a view that cannot be imported stops the server instead
# of failing every visitor, and nobody is the one who waits for it.
_ = get_resolver().url_patterns
# What is there now stays for good. Walking through all of it, as the collector does every hundred pages,
# holds a page for a tenth of a second.
gc.collect()
gc.freeze()
gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
