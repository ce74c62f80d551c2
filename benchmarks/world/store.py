"""S3 of one bucket in memory, path style: GET, HEAD, PUT, DELETE and ListObjectsV2, with ETags and their conditions."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from benchmarks.world.http import Request, Response

_WRITTEN = {"http": "Sun, 01 Mar 2026 12:00:00 GMT", "xml": "2026-03-01T12:00:00.000Z"}
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Stored:
    read: Callable[[], bytes]
    """Made when asked for: thousands of photos need not lie in memory."""
    size: int
    etag: str


def stored(body: bytes) -> Stored:
    return Stored(lambda: body, len(body), f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')


@dataclass(slots=True)
class Store:
    bucket: str
    latency_s: float
    objects: dict[str, Stored] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    async def answer(self, request: Request) -> Response:
        await asyncio.sleep(self.latency_s)
        bucket, _, key = request.path.removeprefix("/").partition("/")
        if bucket != self.bucket:
            return _refusal(404, "NoSuchBucket")
        if not key:
            self.counts["lists"] += 1
            return self._listing(request)
        self.counts[f"{request.method.lower()}s"] += 1
        if request.method == "PUT":
            return self._put(key, request)
        if request.method == "DELETE":
            self.objects.pop(key, None)
            return Response(204)
        return self._got(key, request)

    def _got(self, key: str, request: Request) -> Response:
        there = self.objects.get(key)
        if there is None:
            return _refusal(404, "NoSuchKey") if request.method == "GET" else Response(404)
        headers = {"etag": there.etag, "last-modified": _WRITTEN["http"], "content-type": "binary/octet-stream"}
        if request.headers.get("if-none-match") == there.etag:
            self.counts["not_modified"] += 1
            return Response(304, headers=headers)
        if request.method == "HEAD":
            return Response(headers=headers, length=there.size)
        self.counts["photos"] += key.startswith("images/")
        return Response(body=there.read(), headers=headers)

    def _put(self, key: str, request: Request) -> Response:
        there = self.objects.get(key)
        wanted = request.headers.get("if-match")
        if ("if-none-match" in request.headers and there) or (wanted and (there is None or there.etag != wanted)):
            return _refusal(412, "PreconditionFailed")
        self.objects[key] = new = stored(request.body)
        return Response(headers={"etag": new.etag})

    def _listing(self, request: Request) -> Response:
        prefix, after = request.query.get("prefix", ""), request.query.get("continuation-token", "")
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        page, is_cut = keys[:_PAGE], len(keys) > _PAGE
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{self.objects[key].size}</Size>"
            f"<ETag>{escape(self.objects[key].etag)}</ETag><LastModified>{_WRITTEN['xml']}</LastModified></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if is_cut else ""
        head = f"<Name>{self.bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
        cut = f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>"
        body = f'<?xml version="1.0"?><ListBucketResult>{head}{cut}{token}{rows}</ListBucketResult>'
        return Response(body=body.encode(), headers={"content-type": "application/xml"})


def _refusal(status: int, code: str) -> Response:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Response(status, body.encode(), {"content-type": "application/xml"})
