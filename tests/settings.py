"""The hub's own settings with a throw-away data directory and the fast choices of a test run."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_data_dir = tempfile.mkdtemp(prefix="tuneyard-test-")
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)
os.environ["HUB_DATA_DIR"] = _data_dir
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's loop runs in the test's own thread

from hub.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
HUB_PUBLIC_URL = "http://testserver"
CSRF_TRUSTED_ORIGINS = []
CELERY_ALWAYS_EAGER = False
# A test has one connection, and a transaction in it that outlives every request.
DATABASES["default"]["CONN_MAX_AGE"] = None  # noqa: F405
DATABASES["default"].get("OPTIONS", {}).pop("pool", None)  # noqa: F405
