"""How a broker is spoken to, by the hub and by workers alike: the embedded one, Redis, RabbitMQ.

A message is only a wake-up (decision 0005): losing one costs a moment, waiting for one must cost no more. So
nothing here waits for a broker that does not answer, and nothing is told again because work takes long.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

# Seconds to wait for a connection, and for one answer on it.
CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 5.0
# Longer than any run: Redis tells again what was not acknowledged by then.
VISIBILITY_SECONDS = 7 * 24 * 3600


def transport_options(url: str, folder: Path | None) -> dict[str, Any]:
    """Celery's `broker_transport_options` for this URL; `folder` is the embedded broker's, made if missing.

    Every process of one hub must name the same folder.
    """
    if url.startswith("filesystem:"):
        assert folder is not None
        return _embedded(folder)
    if url.startswith(("redis:", "rediss:", "redis+")):
        return {
            "visibility_timeout": VISIBILITY_SECONDS,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
            "socket_keepalive": True,
            "health_check_interval": 25,
        }
    return {}


def _embedded(folder: Path) -> dict[str, Any]:
    for name in ("messages", "control"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
        "polling_interval": 0.2,
    }


def celery_settings(url: str, folder: Path | None) -> dict[str, Any]:
    """What both sides set alike: JSON only, one message at a time, reconnect for ever, no waiting."""
    return {
        "broker_url": url,
        "broker_transport_options": transport_options(url, folder),
        "broker_connection_timeout": CONNECT_SECONDS,
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A consumer busy for hours answers no heartbeats of RabbitMQ's, which would take it for dead.
        "broker_heartbeat": 0,
        "accept_content": ["json"],
        "task_ignore_result": True,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        "timezone": "UTC",
    }
