"""Doors of what lies in the bucket or comes through the queue: annotations, events, snapshots' files, releases."""

import gzip
import json
from functools import cache

from hypothesis import strategies as st

from phenoloop.chain.releases import ReleaseStore
from phenoloop.errors import EventInvalid, ReleaseMissing, SnapshotMissing
from sync.annotations import MAX_BYTES
from sync.events import events
from sync.index import decode_index
from tests.hostile.door import Door, Refused
from tests.hostile.values import hostile_json, torn
from tests.unit.annotation_objects import Annotated
from tests.unit.backend_fakes import recorded
from tests.unit.fake_models import release
from tests.unit.fake_s3 import FakeS3

BUCKET = "phenoloop"
ANNOTATIONS = [recorded(f"annotation_{kind}") for kind in ("boxes", "masks", "polygons")]


# Annotation objects


def build_snapshot(body: bytes) -> None:
    """Whatever lies there, a snapshot is made, and its index can be read again."""
    annotated = Annotated(FakeS3(), BUCKET)
    for annotation in ANNOTATIONS:
        annotated.s3.put_object(Bucket=BUCKET, Key=annotation["task"]["data"]["image"].split("/", 3)[3], Body=b"")
    annotated.put(1, body)
    snapshot = annotated.build()
    (entry,) = annotated.store_with(annotated.s3).index(snapshot).entries.values()
    if entry.reason:
        raise Refused(entry.reason)


annotation_bodies = hostile_json(*ANNOTATIONS) | st.sampled_from(
    [b"[" * 1_000_000, b" " * (MAX_BYTES + 1), b'{"id": 1, "result": [' + b"{}," * 300_000 + b"{}]}"]
)

# Events

S3_EVENT = {"Records": [{"s3": {"bucket": {"name": "phenoloop"}, "object": {"key": "annotations/1%2B2"}}}]}
PACKAGE_EVENT = {"detail-type": "SageMaker Model Package State Change", "detail": {"ModelPackageArn": "arn:aws:p"}}
EVENTS = [S3_EVENT, PACKAGE_EVENT, {"Event": "s3:TestEvent"}]

# Snapshots' files


@cache
def snapshot_files() -> dict[str, bytes]:
    """Of a bucket with one snapshot."""
    annotated = Annotated(FakeS3(), BUCKET)
    for number in (1, 2, 3):
        annotated.save(number)
    annotated.build()
    return dict(annotated.s3.objects)


@cache
def bombs() -> list[bytes]:
    units = ((b" ", 200_000_000), (b"\n", 3_000_000), (b'[[["', 10_000_000))
    return [gzip.compress(unit * times) for unit, times in units]


@st.composite
def broken_buckets(draw: st.DrawFn) -> tuple[str, bytes]:
    """The name of one of its files, and what lies there instead."""
    files = snapshot_files()
    name = draw(st.sampled_from(sorted(name for name in files if name.startswith("snapshots/"))))
    if not name.endswith(".gz"):
        return name, draw(hostile_json(json.loads(files[name])))
    if draw(st.booleans()):
        return name, draw(torn(files[name]) | st.deferred(lambda: st.sampled_from(bombs())))
    lines = gzip.decompress(files[name]).splitlines()
    lines[-1] = draw(hostile_json(json.loads(lines[-1])))
    return name, gzip.compress(b"\n".join(lines) + b"\n", compresslevel=1)


def go_on_from(case: tuple[str, bytes]) -> None:
    """The next snapshot, of a bucket in which another annotation was saved."""
    annotated = Annotated(FakeS3(), BUCKET)
    for name, body in {**snapshot_files(), case[0]: case[1]}.items():
        annotated.s3.put_object(Bucket=BUCKET, Key=name, Body=body)
    annotated.save(4)
    annotated.store.latest()
    annotated.store.index(annotated.build())


def index_lines() -> bytes:
    (packed,) = (body for name, body in snapshot_files().items() if name.startswith("snapshots/indexes/"))
    return gzip.decompress(packed)


def read_index(body: bytes) -> None:
    decode_index(body).left_out  # noqa: B018  # reckoned when asked for


# Releases

RELEASE = json.loads(release("phenoloop-0123456789ab").model_dump_json())
POINTER = {"release": RELEASE["name"], "previous": None, "moved_at": "2026-03-01T00:00:00Z"}


@st.composite
def releases(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """The pointer and the release object."""
    pointer, named = json.dumps(POINTER).encode(), json.dumps(RELEASE).encode()
    if draw(st.booleans()):
        return draw(hostile_json(POINTER)), named
    return pointer, draw(hostile_json(RELEASE))


def read_live(case: tuple[bytes, bytes]) -> None:
    s3 = FakeS3()
    s3.put_object(Bucket=BUCKET, Key="releases/live.json", Body=case[0])
    s3.put_object(Bucket=BUCKET, Key=f"releases/{RELEASE['name']}.json", Body=case[1])
    store = ReleaseStore(s3, BUCKET)  # type: ignore[arg-type]
    live = store.live()
    assert live.manifest["release"] == live.name == RELEASE["name"]


def read_event(body: bytes) -> None:
    for event in events(body.decode(errors="surrogateescape")):
        repr(event)


DOORS = [
    Door("annotation object", annotation_bodies, build_snapshot, (Refused,), most_mib=512),
    Door("queue event", hostile_json(*EVENTS), read_event, (EventInvalid,)),
    Door("snapshot's files", broken_buckets(), go_on_from, (SnapshotMissing,), most_mib=512),
    Door("release and pointer", releases(), read_live, (ReleaseMissing,)),
]
