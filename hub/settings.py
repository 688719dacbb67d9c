"""Every setting of the hub, read from the environment; the defaults run an embedded hub in one directory."""

from __future__ import annotations

import os
import re
from pathlib import Path

from hub.env import (
    env_bool,
    env_database,
    env_directory,
    env_int,
    env_ints,
    env_prices,
    env_secret,
    env_sizes,
    env_str,
)
from hub.mail import env_mail

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = re.search(r"^## (\d\S*)", (BASE_DIR / "CHANGELOG.md").read_text(), re.M)[1]  # type: ignore[index]

# --- identity
HUB_DATA_DIR = env_directory("HUB_DATA_DIR", BASE_DIR / "data")
HUB_PUBLIC_URL = env_str("HUB_PUBLIC_URL", "http://localhost:8000").rstrip("/")
SECRET_KEY = env_secret("HUB_SECRET_KEY", HUB_DATA_DIR / "secret_key")
DEBUG = env_bool("HUB_DEBUG", False)
ALLOWED_HOSTS = env_str("HUB_ALLOWED_HOSTS", "*").split(",")
CSRF_TRUSTED_ORIGINS = [HUB_PUBLIC_URL]

# --- database: SQLite settings measured to lose no write under load (WAL, immediate transactions)
DATABASES = {
    "default": env_database(
        "HUB_DATABASE_URL",
        {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": HUB_DATA_DIR / "hub.sqlite3",
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
                    "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=134217728; PRAGMA cache_size=-20000;"
                ),
            },
        },
        env_int("HUB_DATABASE_CONNECTIONS", 20, least=1),
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- broker: a message is only a wake-up, so the filesystem transport is enough on one machine
HUB_BROKER_URL = env_str("HUB_BROKER_URL", "filesystem://")
HUB_BROKER_DIR = HUB_DATA_DIR / "broker"
HUB_REAPER_SECONDS = env_int("HUB_REAPER_SECONDS", 15)
HUB_HEARTBEAT_TIMEOUT_SECONDS = env_int("HUB_HEARTBEAT_TIMEOUT_SECONDS", 45)
HUB_RUN_ATTEMPTS = env_int("HUB_RUN_ATTEMPTS", 4)
HUB_RUN_TIMEOUT_SECONDS = env_int("HUB_RUN_TIMEOUT_SECONDS", 6 * 3600)
HUB_FLAVORS = env_str("HUB_FLAVORS", "cpu-basic").split(",")
# memory and price of each flavor, see runs/flavors.py
HUB_FLAVOR_MEMORY = env_sizes("HUB_FLAVOR_MEMORY")
HUB_FLAVOR_PRICES = env_prices("HUB_FLAVOR_PRICES")
# of one namespace, 0: no limit; see runs/quotas.py
HUB_MAX_RUNNING_PER_NAMESPACE = env_int("HUB_MAX_RUNNING_PER_NAMESPACE", 0, least=0)
HUB_MAX_WAITING_PER_NAMESPACE = env_int("HUB_MAX_WAITING_PER_NAMESPACE", 500, least=0)
HUB_COMPUTE_MINUTES = env_int("HUB_COMPUTE_MINUTES", 0, least=0)

# --- storages
HUB_GIT_DIR = HUB_DATA_DIR / "git"
HUB_XORBS_DIR = HUB_DATA_DIR / "xorbs"
HUB_TMP_DIR = HUB_DATA_DIR / "tmp"
# Whether large uploads go to the disk and are proven past the page cache.
HUB_DIRECT_IO = env_bool("HUB_DIRECT_IO", True)
HUB_PARTS_DIR = HUB_DATA_DIR / "parts"
HUB_DOWNLOADS_DIR = HUB_DATA_DIR / "downloads"
# newest checkpoints of runs under way, see runs/checkpoints.py
HUB_CHECKPOINTS_DIR = HUB_DATA_DIR / "checkpoints"
HUB_MAX_CHECKPOINT_BYTES = env_int("HUB_MAX_CHECKPOINT_BYTES", 8 * 1024**3, least=1)
# What nothing refers to is kept so long; clients remember for 21 days what they need not send again.
HUB_GARBAGE_GRACE_DAYS = env_int("HUB_GARBAGE_GRACE_DAYS", 30)
HUB_XET_DOWNLOAD = env_bool("HUB_XET_DOWNLOAD", True)

# --- webhooks
# Whether messages may go to this machine and its own network; seconds before each further attempt.
HUB_WEBHOOKS_PRIVATE_TARGETS = env_bool("HUB_WEBHOOKS_PRIVATE_TARGETS", False)
HUB_WEBHOOKS_RETRIES = env_ints("HUB_WEBHOOKS_RETRIES", "60,300,1800,7200,28800")

# --- mail: none is sent without a server
_MAIL = env_mail("HUB_MAIL_URL")
HUB_MAIL_ON = bool(_MAIL)
globals().update(_MAIL)
DEFAULT_FROM_EMAIL = env_str("HUB_MAIL_FROM", "Tuneyard <tuneyard@localhost>")
# Runs that take longer are told of, where their people have not chosen otherwise.
HUB_MAIL_LONG_RUN_MINUTES = env_int("HUB_MAIL_LONG_RUN_MINUTES", 10, least=0)

# --- attachments of discussions: at most so much a file, and a person
HUB_ATTACHMENTS_DIR = HUB_DATA_DIR / "attachments"
HUB_ATTACHMENT_BYTES = env_int("HUB_ATTACHMENT_MB", 10) * 1024**2
HUB_ATTACHMENT_VIDEO_BYTES = env_int("HUB_ATTACHMENT_VIDEO_MB", 50) * 1024**2
HUB_ATTACHMENTS_PER_USER_BYTES = env_int("HUB_ATTACHMENTS_PER_USER_MB", 1024) * 1024**2

# --- web: a Python process uses one core at a time, and two keep downloads going while one is busy
HUB_WEB_PROCESSES = env_int("HUB_WEB_PROCESSES", min(4, max(2, os.cpu_count() or 2)), least=1)

# --- limits
HUB_REGISTRATION = env_str("HUB_REGISTRATION", "open")
# How many proxies of ours stand in front: whose word on the client's address is taken.
HUB_PROXIES = env_int("HUB_PROXIES", 0)
HUB_MAX_FILE_BYTES = env_int("HUB_MAX_UPLOAD_GB", 50) * 1024**3
HUB_REGULAR_FILE_BYTES = env_int("HUB_REGULAR_FILE_MB", 10) * 1024**2
HUB_COMMIT_BYTES = env_int("HUB_COMMIT_MB", 512) * 1024**2
HUB_PUSH_BYTES = env_int("HUB_PUSH_MB", 1024) * 1024**2
# Objects over the first go up in parts of the second, where the client knows how.
HUB_MULTIPART_BYTES = env_int("HUB_MULTIPART_MB", 5 * 1024) * 1024**2
HUB_MULTIPART_PART_BYTES = env_int("HUB_MULTIPART_PART_MB", 512) * 1024**2
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024**2

# --- security
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.AccountBackend"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HUB_PUBLIC_URL.startswith("https://")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "accounts.errors.csrf_failure"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- apps
INSTALLED_APPS = [
    "accounts",
    "models_app",
    "runs",
    "hub",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "rest_framework",
]
MIDDLEWARE = [
    "hub.middleware.RequestIdMiddleware",
    "hub.middleware.RequestLogMiddleware",
    "hub.compression.PageCompressionMiddleware",
    "hub.middleware.PagePolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "hub.assets.AssetsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.auth.ActorMiddleware",
    "accounts.languages.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
APPEND_SLASH = False  # the wire has no trailing slashes and no client follows a redirect that adds one
ROOT_URLCONF = "hub.urls"
WSGI_APPLICATION = "hub.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.themes.chrome",
                "models_app.views.inbox.unread_notes",
            ],
        },
    }
]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = HUB_DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
WHITENOISE_USE_FINDERS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "hub.assets.VersionedStorage"},
}
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "language"
TIME_ZONE = "UTC"
USE_TZ = True

# --- logs: one readable line an event, to standard error
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname).1s %(name)s: %(message)s", "datefmt": "%H:%M:%S"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env_str("HUB_LOG_LEVEL", "INFO")},
    # A client that asks for what is not there is no event; Celery's own story of every task neither.
    "loggers": {
        "django.request": {"level": "ERROR"},
        "celery": {"level": "WARNING"},
        "kombu.connection": {"level": "ERROR"},
        "psycopg": {"level": "WARNING"},
    },
}
os.environ.setdefault("DJANGO_RUNSERVER_HIDE_WARNING", "true")
