"""The SHA-256 of one large file, made while its xorbs arrive, so that it need not be read back.

Clients say which xorbs make up a file only when all have been sent (hf-wire 19.3), but of one large file they
send them one after another in the file's order. That is a guess, and nothing rests on it: what was hashed is
used only where the shard names the same chunks in the same order, and only as far as it does.

A chain is a small file that all processes of the hub share: a xorb may reach another process than the last.
It is never vouched for: it may be missing or damaged, and then the file is read back.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from models_app.storage.sha256 import STATE_BYTES, RunningSha256, available

# A client on the same machine begins a xorb moments before the last one has ended. One that sends several
# side by side all the time is not to be held up.
_PATIENCE_SECONDS = 1.0
_LOOK_SECONDS = 0.004
_KEPT_SECONDS = 86_400
# How far one can go back: the last two or three may have been sent side by side.
_KEPT_STATES = 8


@dataclass
class Chain:
    """What has been hashed: the content of `xorbs` in this order; `states` are the half-made SHA-256 after
    each of the last of them, in base64."""

    xorbs: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    def digest(self, count: int) -> RunningSha256 | None:
        """To go on with after the first `count` xorbs, where it has been kept."""
        if count == 0:
            return RunningSha256()
        back = len(self.xorbs) - count
        return RunningSha256(base64.b64decode(self.states[-1 - back])) if back < len(self.states) else None

    def add(self, xorb: str, digest: RunningSha256) -> None:
        """This xorb too has been hashed."""
        self.xorbs.append(xorb)
        self.states = [*self.states, base64.b64encode(digest.state).decode()][-_KEPT_STATES:]


class Chains:
    """A directory with one chain for each who uploads to one place; `key` is a file's name."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def begin(self, key: str) -> None:
        """One large file is expected next; what was hashed before is forgotten."""
        if not available():
            return
        with suppress(OSError):  # of a full disk the upload itself tells
            self.root.mkdir(parents=True, exist_ok=True)
            self._sweep()
            # Not written over: whoever still takes a xorb for the last upload must not go on with this one.
            draft = self.root / f"{key}.{os.getpid()}-{threading.get_ident()}"
            draft.write_text(json.dumps(asdict(Chain())))
            self._ended(key).unlink(missing_ok=True)
            draft.replace(self.root / key)

    def forget(self, key: str) -> None:
        """Nothing can be guessed; no error when there is no chain."""
        for path in (self.root / key, self._ended(key), self._next(key)):
            path.unlink(missing_ok=True)

    def found(self, key: str) -> Chain | None:
        """What has been hashed so far."""
        with self._mine(key) as file:
            return _read(file) if file is not None else None

    @contextmanager
    def taking(self, key: str, xorb: str) -> Iterator[RunningSha256 | None]:
        """A SHA-256 to be fed the xorb's content while it arrives, or None where that would be no use.

        Kept if the block ends without an exception. Others wait for its end, for a moment.
        """
        with ExitStack() as stack:
            file = None if self._ended(key).exists() else stack.enter_context(self._mine(key))
            chain = _read(file) if file is not None else None
            if file is None or chain is None or xorb in chain.xorbs:
                stack.close()
                yield None
                return
            digest = chain.digest(len(chain.xorbs))
            yield digest
            if digest is not None:
                chain.add(xorb, digest)
                _write(file, chain)

    @contextmanager
    def _mine(self, key: str) -> Iterator[BinaryIO | None]:
        """The chain's file, nobody else's until the block ends. None where there is none, or where somebody
        keeps it for long: then the chain ends with what they are taking."""
        try:
            file = (self.root / key).open("r+b", buffering=0)
        except FileNotFoundError:
            yield None
            return
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with file, self._next(key).open("wb") as turn:
            # Whoever waits keeps the turn, so that those who come later do not overtake.
            if _locked(turn, deadline) and _locked(file, deadline):
                fcntl.flock(turn, fcntl.LOCK_UN)
                yield file
            else:
                self._ended(key).touch()
                yield None

    def _ended(self, key: str) -> Path:
        return self.root / f"{key}.ended"

    def _next(self, key: str) -> Path:
        return self.root / f"{key}.next"

    def _sweep(self) -> None:
        """Remove what no upload has touched for a day."""
        now = time.time()
        for path in self.root.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < now - _KEPT_SECONDS:
                    path.unlink()


class Aside:
    """`with Aside(digest) as aside`: the digest in a thread of its own, in step with a xorb that arrives.

    What `hear` is given is hashed after `step`, and done at the end of the step after it: as long must the
    memory stay as it is.
    """

    def __init__(self, digest: RunningSha256) -> None:
        self._digest = digest
        self._pool = ThreadPoolExecutor(1)
        self._heard: list[bytes | memoryview] = []
        self._running: Future[None] | None = None

    def hear(self, content: bytes | memoryview) -> None:
        """These bytes are next."""
        # What was put together from two pieces is taken apart again at once.
        is_passing = isinstance(content, memoryview) and isinstance(content.obj, bytearray)
        self._heard.append(bytes(content) if is_passing else content)

    def step(self) -> None:
        """Begin with what was heard, when everything before it is done."""
        self._settle()
        heard, self._heard = self._heard, []
        self._running = self._pool.submit(self._hash, heard)

    def __enter__(self) -> Aside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._settle()
        finally:
            self._pool.shutdown()

    def _settle(self) -> None:
        if self._running is not None:
            self._running.result()

    def _hash(self, heard: list[bytes | memoryview]) -> None:
        for content in heard:
            self._digest.update(content)


def _locked(file: BinaryIO, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        else:
            return True


def _read(file: BinaryIO) -> Chain | None:
    file.seek(0)
    try:
        chain = Chain(**json.loads(file.read()))
        lengths = {len(base64.b64decode(state)) for state in chain.states}
        is_named = isinstance(chain.xorbs, list) and all(isinstance(xorb, str) for xorb in chain.xorbs)
        expected = min(len(chain.xorbs), _KEPT_STATES)
    except (ValueError, TypeError):  # a process was killed while it wrote
        return None
    return chain if is_named and lengths <= {STATE_BYTES} and len(chain.states) == expected else None


def _write(file: BinaryIO, chain: Chain) -> None:
    data = json.dumps(asdict(chain)).encode()
    with suppress(OSError):
        file.seek(0)
        file.write(data)
        file.truncate()
