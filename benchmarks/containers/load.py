"""Clients that ask a model server the same again and again, each over one connection, as fast as it answers."""

import socket
import threading
import time
from dataclasses import dataclass

import numpy as np

TIMEOUT_S = 60.0
_HTTP_OK = b"200"


class Unanswered(Exception):
    """The server does not listen, or answered with another status than 200."""


@dataclass(frozen=True, slots=True)
class Load:
    seconds: float
    """From the first request to the last answer."""
    latencies_s: tuple[float, ...]

    @property
    def per_second(self) -> float:
        return len(self.latencies_s) / self.seconds

    def quantile_s(self, share: float) -> float:
        return float(np.quantile(self.latencies_s, share))


class Client:
    """One connection. By hand, since an HTTP library would cost more than some of the servers."""

    def __init__(self, port: int, body: bytes) -> None:
        """Raises Unanswered."""
        head = f"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        self._request = f"{head}\r\n\r\n".encode() + body
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        except OSError as error:
            raise Unanswered(str(error)) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = self._socket.makefile("rb")

    def ask(self) -> bytes:
        """The body of the answer. Raises Unanswered."""
        try:
            self._socket.sendall(self._request)
            status, length = self._replies.readline(), 0
            while (line := self._replies.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = self._replies.read(length)
        except OSError as error:
            raise Unanswered(str(error)) from error
        if status.split()[1:2] != [_HTTP_OK]:
            raise Unanswered(f"{status!r}: {body[:500]!r}")
        return body

    def close(self) -> None:
        self._replies.close()
        self._socket.close()


def asked(port: int, body: bytes, *, connections: int, requests: int) -> Load:
    """So many requests of each connection. Raises Unanswered if one of them failed."""
    clients = [Client(port, body) for _ in range(connections)]
    latencies: list[float] = []
    threads = [threading.Thread(target=_ask_often, args=(client, requests, latencies)) for client in clients]
    started_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load = Load(time.perf_counter() - started_s, tuple(latencies))
    for client in clients:
        client.close()
    if len(latencies) != connections * requests:
        raise Unanswered("A request under load was not answered.")
    return load


def _ask_often(client: Client, requests: int, latencies: list[float]) -> None:
    for _ in range(requests):
        started_s = time.perf_counter()
        client.ask()
        latencies.append(time.perf_counter() - started_s)
