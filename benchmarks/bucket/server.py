"""A bucket of annotations in one process, quicker than who is measured: S3's answers and no more, made as asked for.

Runs by itself, on nothing of ours, in an environment that has uvloop: `python server.py` and a JSON line of `asked`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

FIRST = 10_000_001
"""Ids are of one length: S3's order of keys is theirs."""
PAGE = 1000
SAVED = "2026-03-01T10:00:00.000000Z"
DATE = "Sun, 01 Mar 2026 10:00:00 GMT"
BODY_BYTES = 4096
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def annotation(number: int, revision: int) -> bytes:
    """As Label Studio 1.23 exports four objects with their sizes, accepted as they were proposed."""
    result = "".join(_region(f"{number:010d}{index}", 11.5 + 20 * index + number % 7 + revision) for index in range(4))
    return (_TEMPLATE % {"id": number, "result": result[:-2]}).ljust(BODY_BYTES).encode()


def _region(id_: str, x: float) -> str:
    geometry = f'"x": {x:.5f}, "y": 21.35417, "width": 14.375, "height": 21.25, "rotation": 0, '
    frame = '"original_width": 1600, "original_height": 1200, "image_rotation": 0, '
    item = (
        '{%s"value": {%s%s}, "id": "%s", "from_name": "%s", "to_name": "image", "type": "%s", "origin": "prediction"}, '
    )
    return "".join(
        item % (frame, geometry, value, id_, name, kind)
        for value, name, kind in (
            ('"rectanglelabels": ["tomato"]', "box", "rectanglelabels"),
            ('"number": 40.8', "length_mm", "number"),
            ('"number": 36.8', "width_mm", "number"),
        )
    )


_TEMPLATE = (
    '{"id": %(id)d, "result": [%(result)s], "created_username": " admin@example.org, 1", "completed_by": {"id": 1, '
    '"first_name": "", "last_name": "", "email": "admin@example.org"}, "task": {"id": %(id)d, "data": {"image": '
    f'"s3://loop/images/%(id)d.jpg"}}, "meta": {{}}, "updated_at": "{SAVED}", "is_labeled": true, "overlap": 1, '
    '"total_annotations": 1, "total_predictions": 1, "project": 1, "file_upload": null}, "was_cancelled": false, '
    f'"ground_truth": false, "updated_at": "{SAVED}", "lead_time": 10.5, "project": 1, "parent_prediction": %(id)d}}'
)


@dataclass
class Contents:
    """Annotations `annotations/FIRST` and on, each with its photo, and what was put."""

    annotations: int
    latency_s: float = 0.0
    revisions: dict[int, int] = field(default_factory=dict)
    put: dict[str, bytes] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    pages: dict[int, bytes] = field(default_factory=dict)

    def etag(self, number: int) -> str:
        return f"{self.revisions.get(number, 0):08x}{number:024x}"

    def number(self, key: str, prefix: str, suffix: str = "") -> int | None:
        name = key.removeprefix(prefix).removesuffix(suffix)
        there = key.startswith(prefix) and name.isdigit() and FIRST <= int(name) < FIRST + self.annotations
        return int(name) if there else None

    def tell(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Change what is asked for, then the counts since the last time."""
        self.latency_s = asked.get("latency_s", self.latency_s)
        if "annotations" in asked:
            self.annotations, self.revisions, self.put = asked["annotations"], {}, {}
            self.pages.clear()
        if changed := asked.get("changed"):  # evenly spread
            for number in range(FIRST, FIRST + self.annotations, self.annotations // changed):
                self.revisions[number] = self.revisions.get(number, 0) + 1
            self.pages.clear()
        counts, self.counts = self.counts, Counter()
        return dict(counts)

    def page(self, start: int) -> bytes:
        """Of the annotations' listing."""
        if start not in self.pages:
            self.pages[start] = self._page(start)
        return self.pages[start]

    def _page(self, start: int) -> bytes:
        end = min(start + PAGE, self.annotations)
        listed = [(f"annotations/{FIRST + at}", self.etag(FIRST + at), BODY_BYTES) for at in range(start, end)]
        return _listing(listed, str(end) if end < self.annotations else "")


class Answers(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, contents: Contents) -> None:
        self._contents, self._unread = contents, b""

    def connection_made(self, transport: Any) -> None:
        self._write: Callable[[bytes], None] = transport.write
        self._closing: Callable[[], bool] = transport.is_closing

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            head, lowered = self._unread[:end], None
            length = 0
            if head[0] == 80:  # P: only PUT and POST have a body, and only of them other headers matter
                lowered = _headers(head)
                length = int(lowered.get("content-length", "0"))
                if "expect" in lowered and len(self._unread) == end + 4 and length:
                    self._write(CONTINUE)
            if len(self._unread) < end + 4 + length:
                return
            body, self._unread = self._unread[end + 4 : end + 4 + length], self._unread[end + 4 + length :]
            method, target = head[: head.index(b"\r\n")].split(b" ")[:2]
            self._answer(method.decode(), target.decode(), lowered or {}, body)

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        contents = self._contents
        if target == "/_tell":
            self._write(_response(200, json.dumps(contents.tell(json.loads(body))).encode()))
            return
        answer = _answer(contents, method, target, headers, body)
        if contents.latency_s:
            asyncio.get_running_loop().call_later(contents.latency_s, self._late, answer)
        else:
            self._write(answer)

    def _late(self, answer: bytes) -> None:
        if not self._closing():
            self._write(answer)


def _answer(contents: Contents, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
    path, _, query = target.partition("?")
    key = path[len("/loop/") :] if "%" not in path else unquote(path)[len("/loop/") :]
    asked = parse_qs(query) if query else {}
    kind, about = (method, key) if key else ("LIST", asked.get("prefix", [""])[0])
    contents.counts[f"{kind} {about.partition('/')[0]}"] += 1
    if not key:
        if asked.get("prefix") == ["annotations/"]:
            return _response(200, contents.page(int(asked.get("continuation-token", ["0"])[0])))
        prefix = asked.get("prefix", [""])[0]
        put = sorted(name for name in contents.put if name.startswith(prefix))
        if "delimiter" in asked:
            put = [name for name in put if "/" not in name.removeprefix(prefix)]
        return _response(200, _listing([(name, _md5(contents.put[name]), len(contents.put[name])) for name in put], ""))
    if method == "PUT":
        return _put(contents, key, headers, body)
    if (number := contents.number(key, "annotations/")) is not None:
        found = annotation(number, contents.revisions.get(number, 0))
        return _response(200, found, _OBJECT % contents.etag(number))
    if (number := contents.number(key, "images/", ".jpg")) is not None:
        more = f"x-amz-meta-mm-per-px: 0.25\r\nx-amz-meta-group: plot-{number // 10}\r\n"
        return _response(200, b"", _OBJECT % f"{number:032x}" + more, length=400_000)
    if (there := contents.put.get(key)) is not None:
        return _response(200, there if method == "GET" else b"", _OBJECT % _md5(there), length=len(there))
    return _response(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>" if method == "GET" else b"")


def _put(contents: Contents, key: str, headers: dict[str, str], body: bytes) -> bytes:
    there = contents.put.get(key)
    is_lost = "if-none-match" in headers and there is not None
    wanted = headers.get("if-match", "").strip('"')
    if is_lost or (wanted and (there is None or _md5(there) != wanted)):
        return _response(412, b"<Error><Code>PreconditionFailed</Code></Error>")
    contents.put[key] = body
    return _response(200, b"", _OBJECT % _md5(body))


def _headers(head: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return {name.lower(): value.strip() for name, _, value in pairs}


_OBJECT = f'ETag: "%s"\r\nLast-Modified: {DATE}\r\nContent-Type: application/json\r\n'


def _response(status: int, body: bytes, more: str = "", *, length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    return f"HTTP/1.1 {status} so\r\n{more}Content-Length: {length}\r\nDate: {DATE}\r\n\r\n".encode() + body


def _listing(objects: list[tuple[str, str, int]], token: str) -> bytes:
    contents = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-03-01T10:00:00.000Z</LastModified><ETag>&quot;{etag}&quot;"
        f"</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key, etag, size in objects
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>loop</Name><MaxKeys>1000</MaxKeys><KeyCount>{len(objects)}</KeyCount>"
        f"{more or '<IsTruncated>false</IsTruncated>'}{contents}</ListBucketResult>"
    ).encode()


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


async def _serve(asked: dict[str, Any]) -> None:
    """Until standard input ends, also if who measures was killed."""
    contents, loop, ended = Contents(**asked), asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    server = await loop.create_server(lambda: Answers(contents), "127.0.0.1", 0, backlog=256)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await ended.wait()


if __name__ == "__main__":
    import uvloop  # type: ignore[import-not-found]

    uvloop.run(_serve(json.loads(sys.argv[1])))
