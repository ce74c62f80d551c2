"""boto3's words, obstore's work: many small reads and long listings at a tenth of boto3's processor time.

Only what a plain read, head or listing asks goes to obstore; everything else, and keys that it can't write, to boto3.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import obstore
from botocore.exceptions import ClientError, HTTPClientError
from obstore.exceptions import BaseError, InvalidPathError

from sync.store_like import store_like
from sync.threads import ahead

if TYPE_CHECKING:
    from obstore.store import S3Store
    from types_boto3_s3 import S3Client

PAGE = 1000
SMALL_BYTES = 1 << 20
"""Up to which a body is read at once; a larger one as it is asked for."""
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")

Called = Callable[[str, str], None]
"""Hears of each operation and its outcome: `ok` or an error's code."""


def quick(s3: S3Client, called: Called | None = None) -> S3Client:
    """The client, with quicker `get_object`, `head_object` and `list_objects_v2` pages; safe to use from many threads.

    Endpoint, region, addressing, credentials, proxies, CA bundle, time limits and attempts are those of boto3.
    """
    return cast("S3Client", _QuickS3(s3, called or _nobody))


def _nobody(_operation: str, _outcome: str) -> None:
    """Hears of nothing."""


class _QuickS3:
    def __init__(self, s3: S3Client, called: Called) -> None:
        self._s3, self._called = s3, called
        self._stores: dict[str, S3Store] = {}
        self._opening = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def get_object(self, *, Bucket: str, Key: str, **more: Any) -> Any:  # noqa: N803  # boto3's names
        """Raises what boto3 raises; so do the others."""
        if more or not _is_plain(Key):
            return self._s3.get_object(Bucket=Bucket, Key=Key, **more)
        store = self._store(Bucket)
        with self._asking("GetObject"):
            found = obstore.get(store, Key)
            facts = _facts(found)
            is_small = facts["ContentLength"] <= SMALL_BYTES
            return facts | {"Body": io.BytesIO(found.bytes()) if is_small else _Body(found)}

    def head_object(self, *, Bucket: str, Key: str, **more: Any) -> Any:  # noqa: N803
        if more or not _is_plain(Key):
            return self._s3.head_object(Bucket=Bucket, Key=Key, **more)
        store = self._store(Bucket)
        with self._asking("HeadObject"):
            return _facts(obstore.get(store, Key, options={"head": True}))

    def get_paginator(self, operation: Any) -> Any:
        return self if operation == "list_objects_v2" else self._s3.get_paginator(operation)

    def paginate(self, *, Bucket: str, Prefix: str, **more: Any) -> Iterator[Any]:  # noqa: N803
        """Of `list_objects_v2`, in the order of the keys.

        What obstore can't tell, boto3 goes on with: keys with empty segments, and whether nothing is really nothing.
        """
        last = None
        if not more and Prefix.endswith("/") and _is_plain(Prefix.removesuffix("/")):
            try:
                for last in self._pages(Bucket, Prefix):
                    yield last
                if last:
                    return
            except InvalidPathError:
                pass
        after = {"StartAfter": last["Contents"][-1]["Key"]} if last else {}
        yield from self._s3.get_paginator("list_objects_v2").paginate(Bucket=Bucket, Prefix=Prefix, **after, **more)

    def _pages(self, bucket: str, prefix: str) -> Iterator[Any]:
        store, folder = self._store(bucket), prefix.removesuffix("/")
        with self._asking("ListObjectsV2"):
            for page in ahead(obstore.list(store, prefix, chunk_size=PAGE)):
                found = [_listed(item) for item in page]
                if found[0]["Key"] == folder:  # its marker; obstore tells of markers without their slash
                    found[0]["Key"] = prefix
                if not all(item["Size"] or item["Key"] == prefix for item in found):
                    raise InvalidPathError("Another marker may be among these.")
                yield {"Contents": found}

    @contextmanager
    def _asking(self, operation: str) -> Iterator[None]:
        try:
            yield
        except InvalidPathError:
            raise
        except (BaseError, FileNotFoundError) as error:
            in_botos_words = _in_botos_words(error, operation)
            self._called(operation, _outcome(in_botos_words))
            raise in_botos_words from error
        self._called(operation, "ok")

    def _store(self, bucket: str) -> S3Store:
        store = self._stores.get(bucket)
        if store is None:
            with self._opening:
                store = self._stores[bucket] = self._stores.get(bucket) or store_like(self._s3, bucket)
        return store


class _Body:
    """A large body as it comes; `phenoloop.chain.bodies` reads it."""

    def __init__(self, found: obstore.GetResult) -> None:
        self._parts: Iterator[bytes] = iter(found.stream(SMALL_BYTES))
        self._unread = b""

    def read(self, most_bytes: int) -> bytes:
        try:
            part = self._unread or bytes(next(self._parts, b""))
        except BaseError as error:
            raise _in_botos_words(error, "GetObject") from error
        self._unread = part[most_bytes:]
        return part[:most_bytes]

    def close(self) -> None:
        self._parts = iter(())


def _is_plain(key: str) -> bool:
    """Whether obstore asks for this very key: it drops outer slashes and takes no empty or dot segments."""
    return key.isprintable() and all(part not in _ODD for part in key.split("/"))


_ODD = {"", ".", ".."}


def _facts(found: obstore.GetResult) -> dict[str, Any]:
    meta, attributes = found.meta, found.attributes
    return {
        "ETag": meta["e_tag"],
        "LastModified": meta["last_modified"],
        "ContentLength": meta["size"],
        "Metadata": {name: value for name, value in attributes.items() if name not in _HEADERS},
    }


_HEADERS = {"Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Cache-Control",
            "Storage-Class"}  # fmt: skip


def _listed(item: obstore.ObjectMeta) -> dict[str, Any]:
    return {
        "Key": item["path"],
        "ETag": item["e_tag"],
        "LastModified": item["last_modified"],
        "Size": item["size"],
    }


def _in_botos_words(error: Exception, operation: str) -> ClientError | HTTPClientError:
    """Of what obstore raises: it tells S3's code and the status in its text alone."""
    text = str(error)
    found = _CODE.search(text) or _STATUS.search(text)
    if found is None:
        return HTTPClientError(error=text.partition("\n")[0])
    return ClientError({"Error": {"Code": found[1], "Message": text.partition("\n")[0]}}, operation)


def _outcome(error: ClientError | HTTPClientError) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
