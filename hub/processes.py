"""The embedded hub's processes: what each one runs and what it may know."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from pathlib import Path

from django.conf import settings

from hub.supervisor import Child

# More than are ever busy: clients that stall take one each until they are cut off (hub/patient.py).
WEB_THREADS = 256
# An upload or a clone lives inside one request; gthread's timeout only watches the worker's own heartbeat.
_WEB_TIMEOUT = 300
_CLIENT_VARIABLES = ("HF_", "HUGGING", "HUB_", "DJANGO_")


def web(listener: socket.socket, public_url: str) -> Child:
    """Gunicorn on an open socket: a restarted web finds its clients waiting, not refused."""
    command = [sys.executable, "-m", "gunicorn", "hub.wsgi", "--bind", f"fd://{listener.fileno()}"]
    options = {
        "--workers": str(settings.HUB_WEB_PROCESSES),
        "--worker-class": "hub.patient.PatientWorker",
        "--threads": str(WEB_THREADS),
        "--worker-connections": "4000",
        "--timeout": str(_WEB_TIMEOUT),
        "--graceful-timeout": "4",
        "--keep-alive": "15",
        "--limit-request-line": "8190",
        "--limit-request-fields": "64",
        "--limit-request-field_size": "16380",
        "--forwarded-allow-ips": "127.0.0.1,::1",
        "--worker-tmp-dir": str(settings.HUB_TMP_DIR),
        "--log-level": "warning",
        "--chdir": str(settings.BASE_DIR),
    }
    command += [word for pair in options.items() for word in pair] + ["--no-control-socket"]
    return Child("web", command, hub_environment(public_url), stop_stage=1, pass_fds=(listener.fileno(),))


def jobs(public_url: str) -> Child:
    """The hub's own worker with beat inside: it reaps lost runs."""
    command = [sys.executable, "-m", "celery", "-q", "-A", "hub.celery", "--workdir", str(settings.BASE_DIR)]
    command += ["worker", "-B", "-Q", "hub", "--pool", "solo", "--loglevel", "WARNING", "-n", "hub@%h"]
    command += ["--without-gossip", "--without-mingle"]
    return Child("jobs", command, hub_environment(public_url))


def trainer(public_url: str, token: str, flavors: list[str]) -> Child:
    """The training worker, told where the hub is and its own token, as on a machine of its own."""
    environment = bare_environment() | {
        "HUB_PUBLIC_URL": public_url,
        "HUB_WORKER_TOKEN": token,
        "HUB_BROKER_URL": settings.HUB_BROKER_URL,
        "HUB_BROKER_DIR": str(settings.HUB_BROKER_DIR),
        "HUB_FLAVORS": ",".join(flavors),
        "HUB_WORKER_DIR": os.environ.get("HUB_WORKER_DIR") or str(settings.HUB_DATA_DIR / "worker"),
    }
    return Child("train", [sys.executable, "-m", "training", "worker"], environment)


def demo(public_url: str, token: str) -> Child:
    """The loader of the demo content: a stock client of the hub like any other."""
    environment = bare_environment() | {
        "HF_TOKEN": token,
        "HF_HOME": str(settings.HUB_TMP_DIR / "demo-client"),
    }
    command = [sys.executable, "-m", "training", "demo", "--endpoint", public_url]
    return Child("demo", command, environment, once=True)


def hub_environment(public_url: str) -> dict[str, str]:
    """The environment of the hub's own processes: this one's, with the address they hand out."""
    return dict(os.environ) | {
        "DJANGO_SETTINGS_MODULE": "hub.settings",
        "HUB_DATA_DIR": str(settings.HUB_DATA_DIR),
        "HUB_PUBLIC_URL": public_url,
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": _python_path(),
    }


def bare_environment() -> dict[str, str]:
    """This process's environment less the hub's secrets and whatever would lead a client to another hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_CLIENT_VARIABLES)}
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": _python_path()}


def can_train() -> bool:
    """Whether the `train` extra is installed; asks without importing it."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "huggingface_hub"))


def _python_path() -> str:
    """The repository first, so that every child runs this code wherever it was started from."""
    return os.pathsep.join(filter(None, [str(Path(settings.BASE_DIR)), os.environ.get("PYTHONPATH", "")]))
