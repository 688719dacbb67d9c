"""What this process saw lately."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from django.conf import settings

LARGE_BYTES = 4 * 1024**2
_LATELY_SECONDS = 3600
_MAX_REMEMBERED = 20_000


class Recent:
    """Keys and when they were last noted, the newest of them."""

    def __init__(self) -> None:
        self._noted: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def is_new(self, key: str, now: float, seconds: float) -> bool:
        """Whether the key was not noted within so many seconds before `now`; it is now."""
        with self._lock:
            last = self._noted.get(key)
            if last is not None and now - last < seconds:
                return False
            self._noted[key] = now
            self._noted.move_to_end(key)
            if len(self._noted) > _MAX_REMEMBERED:
                self._noted.popitem(last=False)
            return True


_reads = Recent()


def is_read_once(what: str, size: int) -> bool:
    """Whether to read so many bytes past the page cache: much that nobody asked this process for lately.

    What is read once need not push out what others download; what is asked for again comes from memory.
    """
    is_large = settings.HUB_DIRECT_IO and size >= LARGE_BYTES
    return is_large and _reads.is_new(what, time.monotonic(), _LATELY_SECONDS)
