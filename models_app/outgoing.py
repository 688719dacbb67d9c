"""A POST to an address somebody chose: bounded in time, followed nowhere, never into the hub's own network.

The address that is checked is the one connected to: the name is looked up once, here, so that it cannot mean
another machine a moment later. Knows neither Django nor tables.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

TIMEOUT_SECONDS = 10.0
MAX_URL_CHARACTERS = 1000
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class TargetRefused(Exception):
    """The address is none this hub sends to; the sentence says why."""


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt: the status answered, or in `error` why there was none."""

    status: int | None
    error: str = ""
    final: bool = False

    @property
    def arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def check_target(url: str, *, private_allowed: bool) -> None:
    """TargetRefused for an address that can be told to be wrong without looking its name up."""
    if len(url) > MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url:
        raise TargetRefused(f"The URL must be at most {MAX_URL_CHARACTERS} ASCII characters without blanks.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise TargetRefused("The URL cannot be read.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise TargetRefused("The URL must begin with https:// or http:// and name a host.")
    if "@" in parts.netloc:
        raise TargetRefused("The URL must not hold a user name or password: use the secret.")
    if not private_allowed and _is_plainly_private(parts.hostname):
        raise _private_target()


def post(url: str, body: bytes, headers: Mapping[str, str], *, private_allowed: bool) -> Outcome:
    """Send `body` once, within TIMEOUT_SECONDS in all; a redirect is an answer as any other. Never raises."""
    try:
        check_target(url, private_allowed=private_allowed)
        return Outcome(_exchange(urlsplit(url), body, headers, private_allowed))
    except TargetRefused as error:
        return Outcome(None, str(error), final=True)
    except TimeoutError:
        return Outcome(None, f"No answer within {TIMEOUT_SECONDS:g} seconds.")
    except socket.gaierror:
        return Outcome(None, "The host's name is not known.")
    except ssl.SSLError as error:
        return Outcome(None, f"The TLS connection failed: {error.reason or 'closed early'}.")
    except OSError as error:
        return Outcome(None, f"The connection failed: {error.strerror or 'closed early'}.")
    except (http.client.HTTPException, ValueError):
        return Outcome(None, "The answer was no HTTP.")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet at large, also where an IPv6 address wraps an IPv4 one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = _wrapped(ip)
        if inner is None:
            return ip in _GLOBAL_UNICAST and ip.is_global
        ip = inner
    return ip.is_global and not ip.is_multicast


def _wrapped(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


def _is_plainly_private(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not is_public(host)
    except ValueError:
        return False  # a name: what it means is asked when something is sent


def _private_target() -> TargetRefused:
    return TargetRefused("The URL leads into a private network, to which this hub does not send.")


class _Line:
    """One connection with a clock: when the time is up it is hung up, whatever it is waiting for."""

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.is_late = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._hang_up)
        self._timer.daemon = True
        self._timer.start()

    def take(self, connected: socket.socket) -> None:
        self._socket = connected

    def left(self) -> float:
        """Seconds left; TimeoutError when there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def close(self) -> None:
        self._timer.cancel()
        if self._socket is not None:
            self._socket.close()

    def _hang_up(self) -> None:
        self.is_late = True
        if self._socket is not None:
            try:
                # Past SSLSocket's own shutdown, which another thread may not call.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                return


def _exchange(parts: SplitResult, body: bytes, headers: Mapping[str, str], private_allowed: bool) -> int:
    line = _Line(TIMEOUT_SECONDS)
    try:
        return _ask(line, parts, body, headers, private_allowed)
    except (OSError, http.client.HTTPException):
        if line.is_late:
            raise TimeoutError from None
        raise
    finally:
        line.close()


def _ask(
    line: _Line, parts: SplitResult, body: bytes, headers: Mapping[str, str], private_allowed: bool
) -> int:
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    connected = _connect(line, host, port, private_allowed)
    if secure:
        context = ssl.create_default_context()
        connected = context.wrap_socket(connected, server_hostname=host, do_handshake_on_connect=False)
        line.take(connected)
        connected.do_handshake()
    connection = http.client.HTTPConnection(host, port)
    connection.auto_open = 0  # never a second connection, which nobody would have checked
    connection.sock = connected
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", target, body, {"Host": parts.netloc, "Connection": "close", **headers})
    return connection.getresponse().status  # the body is of no interest and is not read


def _connect(line: _Line, host: str, port: int, private_allowed: bool) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not private_allowed and not all(is_public(str(entry[4][0])) for entry in found):
        raise _private_target()
    failure: OSError = OSError("no address")
    for family, kind, protocol, _, address in found:
        attempt = socket.socket(family, kind, protocol)
        attempt.settimeout(line.left())
        line.take(attempt)
        try:
            attempt.connect(address)
            return attempt
        except OSError as error:
            attempt.close()
            failure = error
    raise failure
