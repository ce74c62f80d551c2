"""Clients and scales of the benchmark of model servers."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.containers.load import Client, Unanswered, asked
from benchmarks.containers.memory import tree_bytes

MIB = 2**20
FORKED = """
import os, sys
block = bytearray(os.urandom(1024)) * 65536
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        sys.stdin.read()
        os._exit(0)
    children.append(child)
print("up", flush=True)
sys.stdin.read()
for child in children:
    os.waitpid(child, 0)
"""


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500 if body == b"bad" else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


def test_a_client_asks_again_and_again_over_one_connection() -> None:
    with serving() as port:
        client = Client(port, b"photo")
        assert [client.ask() for _ in range(3)] == [b"photo"] * 3
        client.close()


def test_each_request_of_each_connection_has_its_time() -> None:
    with serving() as port:
        load = asked(port, b"photo", connections=3, requests=4)
    assert len(load.latencies_s) == 12
    assert 0 < load.quantile_s(0.5) <= load.quantile_s(0.99) <= load.seconds


def test_an_error_is_no_answer() -> None:
    with serving() as port:
        client = Client(port, b"bad")
        with pytest.raises(Unanswered, match="500"):
            client.ask()
        client.close()


def test_nobody_listens() -> None:
    with pytest.raises(Unanswered):
        Client(1, b"")


def test_what_forked_processes_share_is_counted_once() -> None:
    command = [sys.executable, "-c", FORKED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)) as parent:
        assert parent.stdin
        assert parent.stdout
        assert parent.stdout.readline() == b"up\n"
        assert 64 * MIB < tree_bytes(parent.pid) < 120 * MIB
        parent.stdin.close()
