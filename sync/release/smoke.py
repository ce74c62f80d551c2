"""Before anyone is served: a few photos through the new chain's endpoints, against answers that are stored.

Of a chain that a run made, its evaluation has counted the objects of each test photo: the endpoints must find them too.
What they answer is stored under the release; when its endpoints are made anew, they must answer the same. Of a chain
from elsewhere there is nothing to compare with the first time.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from PIL import Image

from loc360.errors import Loc360Error, PhotoUnreadable
from loc360.photo import read_photo_scaled
from loc360.wire import Box
from phenoloop.chain.chain import flow_of
from phenoloop.chain.flow import Invoker
from phenoloop.chain.images import ImageStore
from phenoloop.chain.release import Release
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import (
    BucketMissing,
    ImageMissing,
    ImageRefused,
    PhenoloopError,
    ReleaseMissing,
    SmokeTestFailed,
    WriteConflict,
)
from phenoloop.settings import StorageSettings
from sync.release.overlap import matches

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PHOTOS = 3
LOOKED_AT = 20
"""Photos that may be broken before noise has to do."""
NOISE = "noise"
"""Stands for a photo where there is none."""
LEAST_FOUND = 0.5
"""Of what the evaluation counted: it looks at photos of another size, so single objects may differ."""
SAME_SHARE, SAME_IOU = 0.9, 0.9
"""Of the objects of two answers to one question: a score at the threshold may fall either way."""

Answers = Mapping[str, Sequence[Box]]
"""Photo -> the objects' boxes, in pixels of the upright photo."""


@dataclass(frozen=True, slots=True)
class SmokeTest:
    s3: S3Client
    images: ImageStore
    endpoints: Invoker
    storage: StorageSettings

    def pass_through(self, release: Release, run: str | None) -> dict[str, Any]:
        """What was seen. `run` made the chain; None if none did.

        Raises SmokeTestFailed if the chain refuses, garbles, contradicts itself or what is stored of it, and what may
        pass as it comes (retryable).
        """
        first, counted = self._first_answers(release), self._evaluated(run)
        with ExitStack() as kept:
            photos = self._sound(kept, list(first or counted), PHOTOS) or self._sound(kept, self._listed(), 1)
            photos = photos or {NOISE: _noise(kept)}
            answers = {name: self._asked_twice(release, photo) for name, photo in photos.items()}
        for name, boxes in answers.items():
            if name in first and not _agree(first[name], boxes):
                raise _failed(release, "Its answers are not those of its first smoke test.", photo=name)
        evaluated = sum(counted.get(name, 0) for name in answers)
        found = sum(len(boxes) for name, boxes in answers.items() if name in counted)
        if found < LEAST_FOUND * evaluated:
            raise _failed(release, "It does not find what its evaluation found.", found=found, evaluated=evaluated)
        self._remember(release, answers)
        compared_with = (
            "first smoke test" if first.keys() & answers.keys() else "evaluation" if evaluated else "nothing"
        )
        facts = {"photos": len(answers), "objects": sum(map(len, answers.values())), "compared_with": compared_with}
        structlog.get_logger().info("smoke test passed", release=release.name, **facts)
        return facts

    def _asked_twice(self, release: Release, photo: Path) -> list[Box]:
        answer, again = (self._answer(release, photo) for _ in range(2))
        if not _agree(answer, again):
            raise _failed(release, "The same photo twice has two answers.", first=len(answer), second=len(again))
        return answer

    def _answer(self, release: Release, photo: Path) -> list[Box]:
        try:
            found = flow_of(release).run(str(photo), {"manifest": release.manifest}, self.endpoints)
        except (Loc360Error, PhenoloopError) as error:
            if isinstance(error, PhenoloopError) and error.retryable:
                raise
            raise _failed(release, str(error)) from error
        boxes, width, height = (
            [Box(*item["box_px"]) for item in found["objects"]],
            found["width_px"],
            found["height_px"],
        )
        if found["release"] != release.name:
            raise _failed(release, "It answers for another release.", answers_for=found["release"])
        if not all(0 <= box.x0 <= box.x1 <= width and 0 <= box.y0 <= box.y1 <= height for box in boxes):
            raise _failed(release, "An object lies outside of the photo.", width_px=width, height_px=height)
        return boxes

    # What is stored

    def _first_answers(self, release: Release) -> Answers:
        told = self._json(self._key(release)) or {}
        return {name: [Box(*box) for box in boxes] for name, boxes in told.items()}

    def _remember(self, release: Release, answers: Answers) -> None:
        told = {name: [[round(edge, 1) for edge in box] for box in boxes] for name, boxes in answers.items()}
        try:
            with s3_errors(BucketMissing, release=release.name):
                self.s3.put_object(
                    Bucket=self.storage.bucket, Key=self._key(release), Body=json.dumps(told).encode(), IfNoneMatch="*"
                )
        except WriteConflict:
            pass  # the first ones stay

    def _evaluated(self, run: str | None) -> dict[str, int]:
        """Photo -> how many objects the evaluation saw the chain find, the fullest photos first."""
        told = self._json(f"{self.storage.runs_prefix}{run}/evaluation/photos.json") if run else None
        counts = {
            str(item["photo"]): int(item["candidate"]["found"])
            for item in told or []
            if "failure" not in item["candidate"]
        }
        return dict(sorted(counts.items(), key=lambda item: item[1], reverse=True))

    def _json(self, key: str) -> Any:
        try:
            with s3_errors(ReleaseMissing, key=key):
                return json.loads(self.s3.get_object(Bucket=self.storage.bucket, Key=key)["Body"].read())
        except (ReleaseMissing, ValueError):
            return None

    def _key(self, release: Release) -> str:
        return f"{self.storage.releases_prefix}answers/{release.name}.json"

    # Photos

    def _sound(self, kept: ExitStack, uris: Iterable[str], most: int) -> dict[str, Path]:
        """The first ones that are there and can be read, as long as `kept` is open. Raises StorageUnavailable."""
        found: dict[str, Path] = {}
        for uri in uris:
            try:
                image = kept.enter_context(self.images.fetch(uri))
                read_photo_scaled(str(image.path), 256)
            except (ImageMissing, ImageRefused, PhotoUnreadable):
                continue
            found[uri] = image.path
            if len(found) == most:
                break
        return found

    def _listed(self) -> list[str]:
        bucket, prefix = self.storage.bucket, self.storage.images_prefix
        with s3_errors(BucketMissing, bucket=bucket):
            listed = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=LOOKED_AT).get("Contents", [])
        return [f"s3://{bucket}/{item['Key']}" for item in listed]


def _noise(kept: ExitStack) -> Path:
    noise = Path(kept.enter_context(tempfile.TemporaryDirectory())) / "noise.png"
    pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    Image.fromarray(pixels).save(noise)
    return noise


def _agree(boxes: Sequence[Box], others: Sequence[Box]) -> bool:
    most = max(len(boxes), len(others))
    return matches(boxes, others, least_iou=SAME_IOU) >= SAME_SHARE * most


def _failed(release: Release, reason: str, **facts: Any) -> SmokeTestFailed:
    return SmokeTestFailed("The new chain fails on a photo.", reason=reason, release=release.name, **facts)
