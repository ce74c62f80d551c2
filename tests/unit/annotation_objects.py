"""Annotations in a bucket as Label Studio's target storage leaves them, and a client that counts."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from sync.catalogue import Catalogue
from sync.photo_facts import PhotoFacts
from sync.snapshot import Snapshot, SnapshotStore

START = datetime(2026, 3, 1, tzinfo=UTC)


def box(label: str | None = "carrot", *, id_: str = "r1", x: float = 10, **more: Any) -> dict[str, Any]:
    """A rectangle on a photo of 200 x 100."""
    labels = [] if label is None else [label]
    return {
        "id": id_,
        "from_name": "box",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": 200,
        "original_height": 100,
        "value": {"x": x, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": labels},
        **more,
    }


class Annotated:
    """A bucket with photos and annotations."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self.s3, self.bucket = s3, bucket
        self.store = self.store_with(s3)

    def store_with(self, s3: Any) -> SnapshotStore:
        return SnapshotStore(s3, self.bucket, images=self.images(s3))

    def images(self, s3: Any = None) -> PhotoFacts:
        return PhotoFacts(s3 or self.s3, [self.bucket], 1000)

    def photo(self, name: str, **metadata: str) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=f"images/{name}", Body=name.encode(), Metadata=metadata)
        return f"s3://{self.bucket}/images/{name}"

    def save(self, id_: int, photo: str | None = None, *, minute: int | None = None, **changes: Any) -> None:
        """Of task ID and its own photo, unless said otherwise."""
        photo = photo or self.photo(f"{id_}.jpg")
        at = START + timedelta(minutes=id_ if minute is None else minute)
        annotation = {
            "id": id_,
            "task": {"id": id_, "data": {"image": photo}, "updated_at": at.isoformat(), "total_annotations": 1},
            "project": 1,
            "result": [box()],
            "was_cancelled": False,
            "ground_truth": False,
            "updated_at": at.isoformat(),
            **changes,
        }
        self.put(id_, json.dumps(annotation).encode())

    def put(self, name: object, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=f"annotations/{name}", Body=body)

    def delete(self, id_: int) -> None:
        self.delete_key(f"annotations/{id_}")

    def delete_key(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def catalogue(self) -> Catalogue:
        return Catalogue.listed(self.s3, self.bucket, "annotations/")

    def build(self) -> Snapshot:
        return self.store.build(self.catalogue())


def lines(annotated: Annotated, snapshot: Snapshot) -> list[dict[str, Any]]:
    """All photos of the snapshot, read as training reads them: from its URL."""
    key = snapshot.url.removeprefix(f"s3://{annotated.bucket}/")
    described = json.loads(annotated.s3.get_object(Bucket=annotated.bucket, Key=key)["Body"].read())
    found = []
    for digest in described["shards"].values():
        shard = f"snapshots/shards/{digest}.jsonl.gz"
        body = annotated.s3.get_object(Bucket=annotated.bucket, Key=shard)["Body"].read()
        assert hashlib.sha256(body).hexdigest() == digest
        photos = [json.loads(line) for line in gzip.decompress(body).splitlines()]
        assert [photo["photo"] for photo in photos] == sorted(photo["photo"] for photo in photos)
        found += photos
    return found


def annotation_ids(annotated: Annotated, snapshot: Snapshot) -> set[int]:
    return {line["annotation_id"] for line in lines(annotated, snapshot)}


class Counting:
    """An S3 client that counts its requests by operation and the key's first part."""

    def __init__(self, s3: Any) -> None:
        self._s3, self._lock = s3, threading.Lock()
        self.requests: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._s3, name)
        if name not in {"get_object", "head_object", "put_object"}:
            return asked

        def counted(**request: Any) -> Any:
            with self._lock:
                self.requests[f"{name} {_kind(request['Key'])}"] += 1
            return asked(**request)

        return counted


def _kind(key: str) -> str:
    first, _, rest = key.partition("/")
    if first != "snapshots":
        return first
    return rest.partition("/")[0] if "/" in rest else "pointer" if rest == "latest.json" else "snapshot"
