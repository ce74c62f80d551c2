"""What annotators did with each release's pre-annotations: left regions, corrected, deleted or added them.

Label Studio exports which prediction an annotation was made from, and which of its regions were touched; which release
made the prediction, and which of its regions are gone, only the prediction tells. Once a task is annotated neither
changes, so that each version of an annotation costs two requests, once; only the newest annotations are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phenoloop.errors import TaskInvalid
from phenoloop.labelling.client import LabelStudio
from sync.annotations import Annotation, read_object
from sync.catalogue import Catalogue
from sync.threads import in_threads

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

NEWEST = 200
"""So many annotations are looked at."""
THREADS = 8

Result = Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Tally:
    """Regions of pre-annotations, and those that annotators added."""

    annotations: int = 0
    accepted: int = 0
    corrected: int = 0
    deleted: int = 0
    added: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            annotations=self.annotations + other.annotations,
            accepted=self.accepted + other.accepted,
            corrected=self.corrected + other.corrected,
            deleted=self.deleted + other.deleted,
            added=self.added + other.added,
        )

    @property
    def regions(self) -> int:
        return self.accepted + self.corrected + self.deleted + self.added

    @property
    def correction_rate(self) -> float | None:
        """Share of the regions that a person had to touch; None without a region."""
        return 1 - self.accepted / self.regions if self.regions else None


def tally(predicted: Result, annotated: Result) -> Tally:
    """Of one annotation and the prediction that it was made from: regions are told apart by their ids."""
    before, after = _regions(predicted), _regions(annotated)
    kept = before.keys() & after.keys()
    touched = sum("prediction-changed" in after[region] for region in kept)
    return Tally(1, len(kept) - touched, touched, len(before.keys() - kept), len(after.keys() - kept))


def was_replaced(predicted: Result, annotated: Result) -> bool:
    """Whether a newer prediction took the place of the one that the annotator saw: they have no id in common."""
    before, after = _regions(predicted), _regions(annotated)
    has_predicted = any(origin.startswith("prediction") for origins in after.values() for origin in origins)
    return has_predicted and not before.keys() & after.keys()


def _regions(result: Result) -> dict[str, set[str]]:
    """Id -> origins of its items; numbers and choices of the whole photo are no regions."""
    origins: dict[str, set[str]] = {}
    for item in result:
        if str(item.get("type", "")).endswith("labels"):
            origins.setdefault(str(item.get("id")), set()).add(str(item.get("origin", "")))
    return origins


@dataclass(frozen=True, slots=True)
class _Counted:
    etag: str
    release: str
    """Empty if the annotation is skipped, or of no prediction that is there as it was."""
    tally: Tally


class Corrections:
    """Of the newest annotations of one bucket."""

    def __init__(self, s3: S3Client, label_studio: LabelStudio, bucket: str, prefix: str) -> None:
        self._s3, self._label_studio, self._bucket, self._prefix = s3, label_studio, bucket, prefix
        self._counted: dict[str, _Counted] = {}

    def by_release(self) -> dict[str, Tally]:
        """Release -> tally, of the release that was annotated last first.

        Raises BucketMissing, StorageUnavailable, AnnotationMissing, LabelStudioUnavailable, LabelStudioRefused.
        """
        catalogue = Catalogue.listed(self._s3, self._bucket, self._prefix)
        newest = sorted(catalogue.objects.items(), key=lambda item: item[1].last_modified, reverse=True)[:NEWEST]
        known = self._counted
        fresh = [key for key, found in newest if key not in known or known[key].etag != found.etag]
        counted = known | dict(zip(fresh, in_threads(self._count, fresh, threads=THREADS), strict=True))
        self._counted = {key: counted[key] for key, _ in newest}
        sums: dict[str, Tally] = {}
        for one in self._counted.values():
            if one.release:
                sums[one.release] = sums.get(one.release, Tally()) + one.tally
        return sums

    def _count(self, key: str) -> _Counted:
        stored = read_object(self._s3, self._bucket, key)
        if stored is None:  # deleted since it was listed
            return _Counted("", "", Tally())
        try:
            annotation = stored.annotation()
        except TaskInvalid:  # the snapshot says so too
            return _Counted(stored.etag, "", Tally())
        prediction = self._prediction(annotation)
        if prediction is None or was_replaced(prediction["result"], annotation.result):
            return _Counted(stored.etag, "", Tally())
        version = str(prediction["model_version"] or "")
        return _Counted(stored.etag, version, tally(prediction["result"], annotation.result))

    def _prediction(self, annotation: Annotation) -> dict[str, Any] | None:
        if annotation.was_cancelled or annotation.parent_prediction is None:
            return None
        return self._label_studio.prediction(annotation.parent_prediction)
