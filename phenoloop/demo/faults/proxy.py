"""A reverse proxy before one upstream that does to a share of the requests what networks and services do."""

from __future__ import annotations

import hashlib
import http.client
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

from phenoloop.demo.faults.faults import Answer, Fault, Kind, Service, worded

UPSTREAM_TIMEOUT_S = 120.0
BYTE_EVERY_S = 0.5
"""Of a trickle."""
NOT_FORWARDED = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "proxy-connection", "content-length"}


@dataclass(slots=True)
class Counts:
    """Of requests while a fault was on."""

    requests: int = 0
    met_fault: int = 0
    asked_again: int = 0
    """The same request as one that met the fault before."""


class FaultProxy:
    """`with` it listens. Harmless until `faulty`; the same seed and the same requests meet the same faults."""

    def __init__(self, upstream_url: str, service: Service, seed: int) -> None:
        upstream = urlsplit(upstream_url)
        self.upstream = upstream.hostname or "", upstream.port or 80
        self.service = service
        self.closing = threading.Event()
        self._random, self._lock = random.Random(seed), threading.Lock()  # noqa: S311  # no secret
        self._fault: Fault | None = None
        self._counts, self._hit = Counts(), set[bytes]()
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @contextmanager
    def faulty(self, fault: Fault) -> Iterator[Counts]:
        """Requests that come in here may meet the fault; what was counted is final after it."""
        with self._lock:
            self._fault, self._counts, self._hit = fault, Counts(), set()
        try:
            yield self._counts
        finally:
            with self._lock:
                self._fault = None

    def drawn(self, request: bytes) -> Fault | None:
        """What happens to this request."""
        with self._lock:
            if self._fault is None:
                return None
            digest = hashlib.sha256(request).digest()
            meets = self._random.random() < self._fault.share
            self._counts.requests += 1
            self._counts.met_fault += meets
            self._counts.asked_again += digest in self._hit
            if meets:
                self._hit.add(digest)
            return self._fault if meets else None

    def worded(self, kind: Kind) -> Answer:
        with self._lock:
            return worded(self.service, kind, self._random)

    def happens_before(self) -> bool:
        """Whether a reset comes before upstream hears of the request, or after it did what was asked."""
        with self._lock:
            return self._random.random() < 0.5


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: clients that give up are what this is about."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    proxy: ClassVar[FaultProxy]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.drawn(f"{self.command} {self.path}\n".encode() + body)
        try:
            if fault is None:
                self._send(self._forwarded(body))
            else:
                self.close_connection = True
                self._do(fault, body)
        except (BrokenPipeError, ConnectionResetError):  # the client did not wait
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _any  # noqa: N815  # the library's names

    def _do(self, fault: Fault, body: bytes) -> None:
        if fault.kind is Kind.RESET:
            if not self.proxy.happens_before():
                self._forwarded(body)
            self._reset()
        elif fault.kind in (Kind.HALF, Kind.STALL, Kind.TRICKLE):  # upstream did what was asked
            answer = self._forwarded(body)
            if fault.kind is Kind.STALL:
                self.proxy.closing.wait(fault.lasts_s)
                self._send(answer)
            elif fault.kind is Kind.HALF:
                self._send(answer, only=len(answer.body) // 2)
            else:
                self._send(answer, only=0)
                self._trickle(answer.body, fault.lasts_s)
        else:
            self._send(self.proxy.worded(fault.kind))

    def _forwarded(self, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(*self.proxy.upstream, timeout=UPSTREAM_TIMEOUT_S)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            kept = {name: value for name, value in response.getheaders() if name.lower() not in NOT_FORWARDED}
            if self.command == "HEAD":
                kept["Content-Length"] = response.getheader("Content-Length") or "0"
            return Answer(response.status, kept, response.read())
        except (OSError, http.client.HTTPException) as error:
            return Answer(502, {"Content-Type": "text/plain"}, f"upstream: {type(error).__name__}".encode())
        finally:
            connection.close()

    def _send(self, answer: Answer, *, only: int | None = None) -> None:
        """Its head, and all of the body or `only` so many bytes of it."""
        self.send_response_only(answer.status)
        for name, value in ({"Content-Length": str(len(answer.body))} | dict(answer.headers)).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")  # or clients ask the next thing of a connection that goes away
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[:only])

    def _trickle(self, body: bytes, lasts_s: float) -> None:
        for at in range(min(len(body), int(lasts_s / BYTE_EVERY_S))):
            self.wfile.write(body[at : at + 1])
            if self.proxy.closing.wait(BYTE_EVERY_S):
                return

    def _reset(self) -> None:
        """Closing it now sends RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        """Nothing."""
