"""Git's own pack service for clone and fetch, run as a subprocess and streamed."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

MAX_REQUEST_BYTES = 32 * 1024**2
_PIECE = 64 * 1024
_PROTOCOL = re.compile(r"[a-z0-9=:.-]{1,100}")


class BadPackRequest(Exception):
    """The request's body is no valid gzip, or larger than any honest negotiation."""


def advertise(path: Path, protocol: str) -> bytes:
    """The answer to `info/refs?service=git-upload-pack`; `protocol` is the client's `Git-Protocol` header."""
    done = subprocess.run(
        [*_command(), "--http-backend-info-refs", str(path)],
        env=_environment(protocol),
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
            [*_command(), str(path)],
            env=_environment(protocol),
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


def _command() -> list[str]:
    settings = (
        "safe.directory=*",
        "uploadpack.allowFilter=true",
        "core.hooksPath=/dev/null",
        "pack.threads=1",
    )
    words = [word for setting in settings for word in ("-c", setting)]
    return ["git", *words, "upload-pack", "--strict", "--stateless-rpc", "--timeout=600"]


def _environment(protocol: str) -> dict[str, str]:
    # Nothing of the hub's own environment (secrets among it) nor the machine's git configuration reaches git.
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "HOME": os.devnull,
        "GIT_PROTOCOL": protocol if _PROTOCOL.fullmatch(protocol) else "",
        "LC_ALL": "C",
    }
