"""A gunicorn worker that slow clients cannot stop: who stalls holds a connection, never a thread for long.

Gunicorn's own threaded worker gives a thread to each connection and lets it wait without end for the rest of
a request, or for a client that does not read. Here

- a connection gets a thread when the head of its request, and the first part of a body, are there;
- requests with large bodies have threads of their own, so that uploads cannot keep downloads waiting;
- nobody is waited for longer than `PATIENCE_SECONDS` without a byte moving;
- when all threads are taken, those whose clients have moved next to nothing for `STALL_SECONDS` are cut off.
"""

from __future__ import annotations

import errno
import re
import resource
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.workers.gthread import TConn, ThreadWorker

from hub.arriving import ArrivingBody
from hub.waiting import give_connection_back

HEAD_SECONDS = 20.0
PATIENCE_SECONDS = 120
STALL_SECONDS = 5.0
STALL_BYTES = 16 * 1024
UPLOAD_THREADS = 48
LINGER_SECONDS = 2.0

_FIRST_BODY_BYTES = 16 * 1024
_SMALL_BODY_BYTES = 256 * 1024
# More than all header fields that gunicorn is told to accept: it says what is wrong with a longer one.
_MAX_HEAD_BYTES = 2 * 1024**2
_PIECE = 64 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})", re.IGNORECASE)
_UNFORESEEN = re.compile(rb"\r\n(?:transfer-encoding|expect):", re.IGNORECASE)
# Bytes acknowledged and bytes received in Linux's `struct tcp_info`.
_TCP_INFO_BYTES, _TCP_COUNTERS = 136, struct.Struct("120x2Q")


class PatientSocket(socket.socket):
    """A client's connection: what came early is read first, waiting has an end, and progress is counted."""

    def __init__(self, accepted: socket.socket) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        patience = struct.pack("ll", PATIENCE_SECONDS, 0)
        # The kernel's own timeouts leave the socket blocking, which costs no extra call a read.
        self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        self.early = bytearray()
        self.is_waiting = False
        self._moved = 0

    def gather(self) -> bool:
        """Take what has arrived, without waiting; False when the client has closed its side."""
        piece = super().recv(_PIECE)
        self.early += piece
        return bool(piece)

    def is_ready(self) -> bool:
        """Whether enough of a request is there to give it a thread."""
        end = self.early.find(b"\r\n\r\n")
        if end < 0:
            return len(self.early) > _MAX_HEAD_BYTES
        if _UNFORESEEN.search(self.early, 0, end):
            return True
        return len(self.early) - end - 4 >= min(self._announced(end), _FIRST_BODY_BYTES)

    def brings_much(self) -> bool:
        """Whether the request that is ready has a large body, or one of unknown length."""
        end = self.early.find(b"\r\n\r\n")
        is_unforeseen = _UNFORESEEN.search(self.early, 0, max(end, 0)) is not None
        return end >= 0 and (is_unforeseen or self._announced(end) > _SMALL_BODY_BYTES)

    def _announced(self, end: int) -> int:
        found = _LENGTH.search(self.early, 0, end)
        return int(found[1]) if found else 0

    def progress(self) -> int:
        """Bytes moved so far, both ways: by the calls that returned and, where the kernel tells, within
        one."""
        try:
            told = self.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
            return self._moved + sum(_TCP_COUNTERS.unpack(told[:_TCP_INFO_BYTES]))
        except (OSError, AttributeError, struct.error):
            return self._moved

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """As of any socket; a client that is silent for too long counts as gone."""
        if self.early and not flags:
            piece = bytes(self.early[:bufsize])
            del self.early[:bufsize]
            return piece
        piece = self._wait(partial(super().recv, bufsize, flags))
        self._moved += len(piece)
        return piece

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As `recv`, without a copy."""
        if self.early and not flags:
            piece = self.recv(min(nbytes or len(buffer), len(buffer)))
            memoryview(buffer)[: len(piece)] = piece
            return len(piece)
        got: int = self._wait(partial(super().recv_into, buffer, nbytes, flags))
        self._moved += got
        return got

    def sendall(self, data: Any, flags: int = 0) -> None:
        """As of any socket; a client that does not read for too long counts as gone."""
        self._wait(partial(super().sendall, data, flags))
        self._moved += len(data)

    def _wait(self, call: Callable[[], Any]) -> Any:
        give_connection_back()
        self.is_waiting = True
        try:
            return call()
        except (BlockingIOError, TimeoutError) as error:
            raise ConnectionResetError(errno.ECONNRESET, "the client stalled") from error
        finally:
            self.is_waiting = False

    def cut_off(self) -> None:
        """Make the thread that waits for this client go on: it finds the connection at its end."""
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)


class Connection(TConn):
    """Gunicorn's own, which closes without anybody waiting for the client to agree."""

    linger: Callable[[Connection], None]
    # When its progress was last noted, and how far it was; None while no thread works for it.
    mark: tuple[float, int] | None = None

    def close(self, graceful: bool = False) -> None:
        """Close now, or as RFC 9112 section 9.6 has it: after the client has read the last answer."""
        if graceful:
            self.linger(self)
        else:
            super().close()


class PatientWorker(ThreadWorker):
    """See the module; everything here runs in the worker's main thread, but `handle…`."""

    def init_process(self) -> None:
        """Before the loop: room for many connections, and the second pool."""
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.uploads = ThreadPoolExecutor(max_workers=UPLOAD_THREADS)
        # Connections whose requests have a thread, or wait for one: by pool.
        self.in_hand: dict[ThreadPoolExecutor, set[Connection]] = {}
        self.lingering: deque[Connection] = deque()
        self.looked_at = 0.0
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        """Take a connection, and wait for its request without a thread."""
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        connection = Connection(self.cfg, PatientSocket(accepted), address, listener.getsockname())
        connection.linger = self._linger
        self._await_request(connection)

    def on_client_socket_readable(self, conn: Connection, client: Any) -> None:
        """A kept connection begins another request."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._await_request(conn)
        self.on_pending_socket_readable(conn, client)

    def _await_request(self, conn: Connection) -> None:
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + HEAD_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_pending_socket_readable(self, conn: Connection, client: Any) -> None:
        """A part of a request is there: perhaps enough."""
        try:
            is_open = conn.sock.gather()
        except BlockingIOError:
            return
        except OSError:
            is_open = False
        if is_open and not conn.sock.is_ready():
            return
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)
        if not is_open and not conn.sock.early:
            self.nr_conns -= 1
            conn.close()
            return
        conn.data_ready = True
        self.enqueue_req(conn)

    def enqueue_req(self, conn: Connection) -> None:
        """Give the request to the threads of its kind."""
        pool = self.uploads if conn.sock.brings_much() else self.tpool
        conn.mark = None
        self.in_hand.setdefault(pool, set()).add(conn)
        done = pool.submit(self.handle, conn)
        done.add_done_callback(lambda future: self.method_queue.defer(self.finish_request, conn, future))

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """In a thread of a pool: let the application have the body as it comes."""
        if isinstance(req.body.reader, LengthReader):
            req.body = ArrivingBody(req.body.reader)
        return super().handle_request(req, conn)

    def finish_request(self, conn: Connection, fs: Future[Any]) -> None:
        """The thread is free again; a request that came along with the last one is next."""
        for connections in self.in_hand.values():
            connections.discard(conn)
        is_kept = self.alive and not fs.cancelled() and fs.exception() is None and fs.result()
        if not is_kept or not conn.sock.early:
            super().finish_request(conn, fs)
        elif conn.sock.is_ready():
            self.enqueue_req(conn)
        else:
            self._await_request(conn)

    def murder_pending(self) -> None:
        """What the loop does between events: once a second, end what has taken too long."""
        super().murder_pending()
        now = time.monotonic()
        if now - self.looked_at < 1:
            return
        self.looked_at = now
        while self.lingering and self.lingering[0].timeout <= now:
            self._forget(self.lingering[0])
        for pool, threads in ((self.tpool, self.cfg.threads), (self.uploads, UPLOAD_THREADS)):
            connections = self.in_hand.get(pool, set())
            if len(connections) > threads:
                self._make_room(connections, len(connections) - threads, now)

    def _make_room(self, connections: set[Connection], wanted: int, now: float) -> None:
        """Cut off at most so many of the clients that keep threads waiting, the longest stalled first."""
        stalled = []
        for conn in connections:
            moved = conn.sock.progress()
            if conn.mark is None or moved - conn.mark[1] >= STALL_BYTES or not conn.sock.is_waiting:
                conn.mark = (now, moved)
            elif now - conn.mark[0] >= STALL_SECONDS:
                stalled.append((conn.mark[0], id(conn), conn))
        for _since, _key, conn in sorted(stalled)[:wanted]:
            self.log.debug("cutting off a client that stalls: %s", conn.client)
            conn.sock.cut_off()

    def _linger(self, conn: Connection) -> None:
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, EVENT_READ, partial(self._drain, conn))
        except (OSError, ValueError, KeyError):
            super(Connection, conn).close()
            return
        conn.timeout = time.monotonic() + LINGER_SECONDS
        conn.sock.early.clear()
        self.lingering.append(conn)

    def _drain(self, conn: Connection, client: Any) -> None:
        try:
            if conn.sock.gather() and len(conn.sock.early) <= _PIECE:
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._forget(conn)

    def _forget(self, conn: Connection) -> None:
        with suppress(ValueError):
            self.lingering.remove(conn)
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        super(Connection, conn).close()
