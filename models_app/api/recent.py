"""What this process saw lately."""

from __future__ import annotations

import threading
from collections import OrderedDict

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
