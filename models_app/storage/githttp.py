"""Git's own pack service for clone and fetch, run as a subprocess and streamed."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from models_app.storage.gitprocess import command, environment
from models_app.storage.streams import Body

MAX_REQUEST_BYTES = 32 * 1024**2
_PIECE = 64 * 1024
# Partial clones ask later for single blobs by their ids; protocol 2 allows it always, the older ones by this.
_SETTINGS = ("uploadpack.allowFilter=true", "uploadpack.allowAnySHA1InWant=true")


class BadPackRequest(Exception):
    """The request's body is no valid gzip, or no request of git's."""


def advertise(path: Path, protocol: str) -> bytes:
    """The answer to `info/refs?service=git-upload-pack`; `protocol` is the client's `Git-Protocol` header."""
    done = subprocess.run(
        [*_upload_pack(), "--http-backend-info-refs", str(path)],
        env=environment(protocol),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=60,
    )
    # Protocol 2 has no service line, as in git's own http-backend.
    return done.stdout if "version=2" in protocol else b"001e# service=git-upload-pack\n0000" + done.stdout


def upload_pack(path: Path, protocol: str, body: bytes) -> Iterator[bytes]:
    """The pack service's answer to a request body, in pieces as git writes them."""
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.seek(0)
        process = subprocess.Popen(
            [*_upload_pack(), str(path)],
            env=environment(protocol),
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    return _pieces(process)


def _pieces(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    assert process.stdout is not None
    try:
        while piece := process.stdout.read1(_PIECE):  # type: ignore[attr-defined]
            yield piece
    finally:
        # A client that hangs up closes this generator: git must not go on packing for nobody.
        process.stdout.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        process.wait()


def _upload_pack() -> list[str]:
    return command("upload-pack", "--strict", "--stateless-rpc", "--timeout=600", settings=_SETTINGS)


# --- compressed bodies


def gunzip(data: bytes, limit: int = MAX_REQUEST_BYTES) -> bytes:
    """The content of a gzip body of at most `limit` bytes, or BadPackRequest."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(data, limit)
    except zlib.error as error:
        raise BadPackRequest("The request body is not valid gzip.") from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise BadPackRequest("The request body is too large or ends early.")
    return plain


class Unzipped:
    """A gzip body read as what is inside, piece by piece; BadPackRequest where it is damaged or cut short."""

    def __init__(self, source: Body) -> None:
        self._source = source
        self._unpacker = zlib.decompressobj(wbits=31)
        self._waiting = b""

    def read(self, size: int) -> bytes:
        """At most `size` bytes (at least 1), fewer where fewer are ready; nothing at the end."""
        while not self._unpacker.eof:
            try:
                piece = self._unpacker.decompress(self._waiting, size)
            except zlib.error as error:
                raise BadPackRequest("The request body is not valid gzip.") from error
            self._waiting = self._unpacker.unconsumed_tail
            if piece:
                return piece
            if not self._waiting:
                self._waiting = self._source.read(_PIECE)
                if not self._waiting:
                    raise BadPackRequest("The request body ends early.")
        return b""
