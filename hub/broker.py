"""Kombu's filesystem transport with its race closed: a reader must never meet a half-written message.

The stock one opens the file under its final name and writes later; a reader that comes in between takes an
empty file, and the JSON error ends the whole worker (seen once in a few hundred messages on a busy machine).
"""

from __future__ import annotations

import contextlib
import os
import uuid
from queue import Empty
from time import monotonic
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.encoding import bytes_to_str, str_to_bytes
from kombu.utils.json import dumps, loads


class Channel(filesystem.Channel):
    """Writes under another name and renames; what cannot be read is dropped, as a lost message would be."""

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{round(monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        path = os.path.join(self.data_folder_out, name)
        with open(f"{path}.tmp", "wb") as file:
            file.write(str_to_bytes(dumps(payload)))
        os.replace(f"{path}.tmp", path)

    def _get(self, queue: str, timeout: Any = None) -> Any:
        for name in sorted(os.listdir(self.data_folder_in)):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            path = os.path.join(self.data_folder_in, name)
            # A rename has one winner; the stock transport moves to the temporary folder, which may be a copy.
            with contextlib.suppress(FileNotFoundError, ValueError):
                os.rename(path, f"{path}.taken")
                with open(f"{path}.taken", "rb") as file:
                    content = file.read()
                os.remove(f"{path}.taken")
                return loads(bytes_to_str(content))
        raise Empty


class Transport(filesystem.Transport):
    Channel = Channel


def install() -> None:
    """Make `filesystem://` mean this transport in this process."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
