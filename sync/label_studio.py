"""Label Studio's own annotations against S3: it exports once, on save, without retry, and does not delete all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from phenoloop.errors import TaskInvalid
from phenoloop.labelling.client import LabelStudio, SavedAnnotation
from phenoloop.labelling.storages import Storage, is_at_work, writes_to
from sync.annotations import annotation_id, read_object
from sync.catalogue import Catalogue
from sync.index import Index, State
from sync.snapshot import SnapshotStore
from sync.threads import in_threads

SETTLED_S = 60.0
"""Younger annotations may be on their way; they are compared next time."""
OVERLAP_S = 60.0
"""Between two comparisons: clocks differ, and a slow transaction shows its change late."""
EVERYTHING_EVERY = timedelta(days=1)
FIRST_REST = timedelta(minutes=1)
"""After an export that left something out; doubled each time, up to `EVERYTHING_EVERY`."""


@dataclass(frozen=True, slots=True)
class Unexported:
    """What differed, by annotation id, before Label Studio was asked to export it again."""

    missing: tuple[int, ...]
    """In Label Studio, not in S3."""
    outdated: tuple[int, ...]
    """Older or otherwise marked in S3 than in Label Studio."""
    orphaned: tuple[int, ...]
    """In S3, no longer in Label Studio, whose storage may not delete or lost track. Nothing is done about them."""
    compared_until: datetime | None
    """All is well up to then: the next comparison's `since`."""
    left: frozenset[int] = frozenset()
    """What S3 lacks still: the export goes on, failed, or does not write all."""


def unexported(
    label_studio: LabelStudio,
    project_id: int,
    catalogue: Catalogue,
    index: Index,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    spared: Collection[int] = (),
) -> Unexported:
    """Compare a project's annotations with S3, and have what S3 lacks exported again.

    Only tasks that changed after `since` and no later than `until`, now unless given; no `since` compares everything,
    and only that finds objects of deleted tasks. The catalogue is to be of just now. `index` spares reading objects and
    tells whose they are: one that it does not know is never orphaned. Label Studio can't export single annotations
    without changing them, so its storage writes all of them again, unless it is at that already, or what S3 lacks is
    `spared`; to a snapshot the same meaning is no change.

    Raises LabelStudioUnavailable, LabelStudioRefused, AnnotationMissing (may not be read), StorageUnavailable.
    """
    log = structlog.get_logger().bind(project=project_id)
    if not _storages(label_studio, project_id, catalogue):
        log.warning("project does not export to our bucket", bucket=catalogue.bucket, prefix=catalogue.prefix)
        return Unexported((), (), (), since)
    until = until or datetime.now(UTC)
    after = since - timedelta(seconds=OVERLAP_S) if since else None
    tasks = label_studio.saved_annotations(project_id, after=after, until=until)
    saved = {task.task_id: task.annotations for task in tasks}
    missing, outdated = _lacking(saved, catalogue, index)
    orphaned = _orphaned(label_studio, project_id, saved, catalogue, index, everything=since is None)
    if missing or outdated or orphaned:
        log.warning("annotations differ from S3", missing=missing, outdated=outdated, orphaned=orphaned)
    left = frozenset(missing + outdated)
    if not left <= set(spared):
        for storage in _storages(label_studio, project_id, catalogue):
            if not is_at_work(storage):
                label_studio.sync_annotation_storage(int(storage["id"]))
        still = _lacking(saved, catalogue, index)
        log.info("annotations exported again", still_missing=still[0], still_outdated=still[1])
        left = frozenset(still[0] + still[1])
    return Unexported(missing, outdated, orphaned, since if left else until, left)


class Exports:
    """Compares projects with S3, remembering in this process how far it came; now and then everything.

    What an export left out is spared for a while: what can't be exported would else have everything written again at
    every look.
    """

    def __init__(
        self, label_studio: LabelStudio, snapshots: SnapshotStore, *, now: Callable[[], datetime] | None = None
    ) -> None:
        self._label_studio, self._snapshots = label_studio, snapshots
        self._now = now or (lambda: datetime.now(UTC))
        self._compared_until: dict[int, datetime | None] = {}
        self._everything_at: dict[int, datetime] = {}
        self._spared: dict[int, _Spared] = {}

    def compare(self, project_id: int, catalogue: Catalogue) -> Unexported:
        """As `unexported`, which see, since the last comparison."""
        now, spared = self._now(), self._spared.get(project_id, _NOTHING)
        is_due = now - self._everything_at.get(project_id, datetime.min.replace(tzinfo=UTC)) > EVERYTHING_EVERY
        since = None if is_due else self._compared_until.get(project_id)
        index = self._snapshots.index(self._snapshots.latest())
        settled = now - timedelta(seconds=SETTLED_S)
        ids = spared.ids if now < spared.until else frozenset[int]()
        found = unexported(self._label_studio, project_id, catalogue, index, since=since, until=settled, spared=ids)
        self._compared_until[project_id] = found.compared_until
        if is_due:
            self._everything_at[project_id] = now
        if not found.left <= ids:
            rest = min(2 * spared.rest, EVERYTHING_EVERY)
            self._spared[project_id] = _Spared(found.left, now + rest, rest)
        elif not found.left:
            self._spared.pop(project_id, None)
        return found


@dataclass(frozen=True, slots=True)
class _Spared:
    """What a project's last export left out."""

    ids: frozenset[int]
    until: datetime
    rest: timedelta
    """How long that is in all."""


_NOTHING = _Spared(frozenset(), datetime.min.replace(tzinfo=UTC), FIRST_REST / 2)


def _storages(label_studio: LabelStudio, project_id: int, catalogue: Catalogue) -> list[Storage]:
    """The project's target storages that write where the catalogue was made, as they are now."""
    known = label_studio.annotation_storages(project_id)
    return [storage for storage in known if writes_to(storage, catalogue.bucket, catalogue.prefix)]


def _lacking(saved: _Saved, catalogue: Catalogue, index: Index) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Ids that are missing in S3, and ids that are outdated there."""
    doubtful = [one for annotations in saved.values() for one in annotations if not _is_known(one, catalogue, index)]
    answers = list(zip(doubtful, in_threads(lambda one: _in_s3(one, catalogue), doubtful), strict=True))
    missing = sorted(one.id for one, is_current in answers if is_current is None)
    outdated = sorted(one.id for one, is_current in answers if is_current is False)
    return tuple(missing), tuple(outdated)


def _is_known(saved: SavedAnnotation, catalogue: Catalogue, index: Index) -> bool:
    """Whether the index tells, without reading the object, that it is current."""
    key = f"{catalogue.prefix}{saved.id}"
    entry, found = index.entries.get(key), catalogue.objects.get(key)
    if entry is None or found is None or entry.etag != found.etag or entry.updated_at is None:
        return False
    marks = entry.state is State.SKIPPED, entry.ground_truth
    return entry.updated_at >= saved.updated_at and marks == (saved.was_cancelled, saved.ground_truth)


def _in_s3(saved: SavedAnnotation, catalogue: Catalogue) -> bool | None:
    """Whether the object, as it is now, is current; None if there is none."""
    stored = read_object(catalogue.s3, catalogue.bucket, f"{catalogue.prefix}{saved.id}")
    if stored is None:
        return None
    try:
        found = stored.annotation()
    except TaskInvalid:
        return False
    marks = found.was_cancelled, found.ground_truth
    if found.updated_at != saved.updated_at:
        return found.updated_at > saved.updated_at
    return marks == (saved.was_cancelled, saved.ground_truth)


def _orphaned(
    label_studio: LabelStudio,
    project_id: int,
    saved: _Saved,
    catalogue: Catalogue,
    index: Index,
    *,
    everything: bool,
) -> tuple[int, ...]:
    """Ids of objects that Label Studio, asked for each, does not know any more."""
    there = {one.id for annotations in saved.values() for one in annotations}
    doubtful = [
        annotation_id(key)
        for key, entry in index.entries.items()
        if entry.project_id == project_id and key in catalogue.objects and (everything or entry.task_id in saved)
    ]
    return tuple(sorted(id_ for id_ in doubtful if id_ not in there and not label_studio.has_annotation(id_)))


_Saved = Mapping[int, tuple[SavedAnnotation, ...]]
