"""A PostgreSQL server of one's own, on a socket only its owner reaches, and gone at the end.

    python -m tests.postgres_server COMMAND…    runs the command with HUB_DATABASE_URL naming such a server

Debian's package `postgresql` brings the binaries, also where they are not on the PATH.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psycopg

OWNER = "hub"
_START_SECONDS = 60
_PR_SET_PDEATHSIG = 1


class NoPostgres(Exception):
    """This machine has no PostgreSQL that could be started."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server; `folder` holds its data, its socket and its log."""

    folder: Path

    def url(self, name: str = "postgres") -> str:
        """The database `name` as HUB_DATABASE_URL and psycopg have it."""
        return f"postgres://{OWNER}@/{name}?{urlencode({'host': str(self.folder)})}"

    def create(self) -> str:
        """Make an empty database; its URL."""
        return create_database(self.url())


def create_database(beside: str) -> str:
    """An empty database on the server of the URL `beside`; its URL."""
    name = f"hub_{secrets.token_hex(6)}"
    with psycopg.connect(beside, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    before, _, query = beside.partition("?")
    return f"{before.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


@contextlib.contextmanager
def postgres_server(*, durable: bool) -> Iterator[PostgresServer]:
    """A server until the block ends. `durable` leaves fsync as it comes; tests are faster without.

    Raises NoPostgres where there are no binaries.
    """
    binaries, account = find_binaries(), _account()
    folder = Path(tempfile.mkdtemp(prefix="tuneyard-pg-"))
    try:
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
        _init(binaries, folder, account)
        with _running(binaries, folder, account, durable) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_binaries() -> Path:
    """The folder of `initdb` and `postgres`, the newest version's. Raises NoPostgres."""
    on_path = shutil.which("initdb")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda at: float(at.parts[-3]))
    found = [Path(on_path)] if on_path else places
    if not found:
        raise NoPostgres("No PostgreSQL here: apt-get install postgresql.")
    return found[-1].resolve().parent


def _account() -> pwd.struct_passwd | None:
    """Whom the server runs as: root is refused by PostgreSQL and becomes somebody else."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise NoPostgres("PostgreSQL does not run as root, and there is no account `postgres` or `nobody`.")


def _start(
    command: list[str], folder: Path, account: pwd.struct_passwd | None, **more: Callable[[], None]
) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, **who, **more,
        )  # type: ignore[call-overload,no-any-return]  # fmt: skip


def _init(binaries: Path, folder: Path, account: pwd.struct_passwd | None) -> None:
    # Sorted as people sort, with no regard to case and signs: what a hub finds on many servers.
    words = ["--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US"]
    command = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", OWNER, "--auth=trust", "--no-sync"]
    if _start([*command, *words], folder, account).wait(_START_SECONDS):
        raise RuntimeError(f"initdb failed:\n{(folder / 'log').read_text()}")


@contextlib.contextmanager
def _running(
    binaries: Path, folder: Path, account: pwd.struct_passwd | None, durable: bool
) -> Iterator[PostgresServer]:
    command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-k", str(folder)]
    command += ["-c", "listen_addresses=", "-c", f"fsync={'on' if durable else 'off'}"]
    process = _start(command, folder, account, **_dying_with_us())
    server = PostgresServer(folder)
    try:
        _wait_until_up(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # ends the sessions that are left
        process.wait(_START_SECONDS)


def _wait_until_up(server: PostgresServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(server.url()):
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not come up:\n{(server.folder / 'log').read_text()[-4000:]}")


def _dying_with_us() -> dict[str, Callable[[], None]]:
    """On Linux the server ends with this process, also when that is killed."""
    if sys.platform != "linux":
        return {}
    prctl = ctypes.CDLL(None).prctl
    return {"preexec_fn": lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)}


def main() -> int:
    try:
        with postgres_server(durable=False) as server:
            environment = os.environ | {"HUB_DATABASE_URL": server.url()}
            return subprocess.run(sys.argv[1:], env=environment, check=False).returncode
    except NoPostgres as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
