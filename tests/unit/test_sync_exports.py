"""Label Studio's own annotations against S3; the client's side of it is recorded in the walk."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from phenoloop.errors import LabelStudioUnavailable
from phenoloop.labelling.client import SavedAnnotation, SavedAnnotations
from sync.label_studio import FIRST_REST, OVERLAP_S, Exports, Unexported, unexported
from tests.unit.annotation_objects import START, Annotated
from tests.unit.fake_s3 import FakeS3

NOW = START + timedelta(days=1)


class FakeLabelStudio:
    """Tasks numbered as their one annotation; its storage writes what it has, as long as it works."""

    def __init__(self, annotated: Annotated, prefix: str = "annotations") -> None:
        self._annotated = annotated
        self.storage = {"id": 4, "bucket": annotated.bucket, "prefix": prefix, "status": "completed"}
        self.saved: dict[int, SavedAnnotation] = {}
        self.exports = 0
        self.can_export = True
        self.asked: list[tuple[datetime | None, datetime | None]] = []

    def save(self, id_: int, *, minute: int | None = None, exported: bool = True, **marks: bool) -> None:
        at = START + timedelta(minutes=id_ if minute is None else minute)
        both = {"was_cancelled": False, "ground_truth": False, **marks}
        self.saved[id_] = SavedAnnotation(id=id_, updated_at=at, **both)  # type: ignore[arg-type]
        if exported:
            self._export(self.saved[id_])

    def annotation_storages(self, project_id: int) -> list[dict[str, Any]]:
        other = {"id": 3, "bucket": "another", "prefix": "annotations"}
        return [other, self.storage]

    def saved_annotations(
        self, project_id: int, *, after: datetime | None, until: datetime | None
    ) -> Iterator[SavedAnnotations]:
        self.asked.append((after, until))
        for id_, saved in self.saved.items():
            if (after is None or saved.updated_at > after) and (until is None or saved.updated_at <= until):
                yield SavedAnnotations(id_, (saved,))

    def has_annotation(self, annotation_id: int) -> bool:
        return annotation_id in self.saved

    def sync_annotation_storage(self, storage_id: int) -> None:
        assert storage_id == 4
        self.exports += 1
        for saved in self.saved.values() if self.can_export else ():
            self._export(saved)

    def _export(self, saved: SavedAnnotation) -> None:
        marks = {"was_cancelled": saved.was_cancelled, "ground_truth": saved.ground_truth}
        self._annotated.save(saved.id, updated_at=saved.updated_at.isoformat(), **marks)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def annotated() -> Annotated:
    return Annotated(FakeS3(), "loop")


@pytest.fixture
def label_studio(annotated: Annotated) -> FakeLabelStudio:
    """Annotations 1 to 3, exported and in the latest snapshot."""
    label_studio = FakeLabelStudio(annotated)
    for id_ in (1, 2, 3):
        label_studio.save(id_)
    annotated.build()
    return label_studio


def compared(label_studio: Any, annotated: Annotated, since: datetime | None = None) -> Unexported:
    index = annotated.store.index(annotated.store.latest())
    return unexported(label_studio, 1, annotated.catalogue(), index, since=since, until=NOW)


def test_what_is_in_s3_as_in_label_studio_is_not_exported_again(
    annotated: Annotated, label_studio: FakeLabelStudio
) -> None:
    assert compared(label_studio, annotated) == Unexported((), (), (), NOW)
    assert label_studio.exports == 0


def test_an_annotation_whose_export_failed_is_exported_again(
    annotated: Annotated, label_studio: FakeLabelStudio
) -> None:
    label_studio.save(4, exported=False)

    assert compared(label_studio, annotated) == Unexported((4,), (), (), NOW)
    assert "annotations/4" in annotated.catalogue().objects
    assert compared(label_studio, annotated) == Unexported((), (), (), NOW)


@pytest.mark.parametrize("change", [{"minute": 50}, {"was_cancelled": True}, {"ground_truth": True}])
def test_an_annotation_that_changed_without_its_export_is_exported_again(
    annotated: Annotated, label_studio: FakeLabelStudio, change: dict[str, Any]
) -> None:
    label_studio.save(2, exported=False, **change)

    assert compared(label_studio, annotated) == Unexported((), (2,), (), NOW)
    assert compared(label_studio, annotated).outdated == ()


def test_an_object_that_is_no_annotation_is_outdated(annotated: Annotated, label_studio: FakeLabelStudio) -> None:
    annotated.put(2, b"half of an anno")

    assert compared(label_studio, annotated).outdated == (2,)


def test_an_annotation_saved_since_label_studio_was_asked_is_not_outdated(
    annotated: Annotated, label_studio: FakeLabelStudio
) -> None:
    annotated.save(2, minute=77)

    assert compared(label_studio, annotated) == Unexported((), (), (), NOW)


def test_an_annotation_that_label_studio_deleted_is_orphaned(
    annotated: Annotated, label_studio: FakeLabelStudio
) -> None:
    del label_studio.saved[2]

    assert compared(label_studio, annotated) == Unexported((), (), (2,), NOW)
    assert "annotations/2" in annotated.catalogue().objects


def test_annotations_of_other_projects_are_not_orphaned(annotated: Annotated, label_studio: FakeLabelStudio) -> None:
    annotated.save(9, project=2)
    annotated.build()

    assert compared(label_studio, annotated).orphaned == ()


def test_only_what_changed_since_the_last_time_is_asked_for(
    annotated: Annotated, label_studio: FakeLabelStudio
) -> None:
    since = START + timedelta(minutes=30)
    label_studio.save(4, minute=10, exported=False)
    label_studio.save(5, minute=40, exported=False)

    assert compared(label_studio, annotated, since).missing == (5,)
    assert label_studio.asked == [(since - timedelta(seconds=OVERLAP_S), NOW)]


def test_while_label_studio_does_not_manage_to_export_it_is_compared_again(
    annotated: Annotated, label_studio: FakeLabelStudio
) -> None:
    label_studio.save(4, exported=False)
    label_studio.can_export = False

    found = compared(label_studio, annotated, START)

    assert (found.missing, found.compared_until) == ((4,), START)


def test_an_export_that_is_under_way_is_not_asked_for_again(
    annotated: Annotated, label_studio: FakeLabelStudio
) -> None:
    label_studio.save(4, exported=False)
    label_studio.storage["status"] = "in_progress"

    found = compared(label_studio, annotated, START)

    assert (label_studio.exports, found.missing, found.left, found.compared_until) == (0, (4,), {4}, START)


@pytest.mark.parametrize("prefix", ["other", "annotations/"])
def test_a_project_that_exports_elsewhere_has_nothing_to_compare(annotated: Annotated, prefix: str) -> None:
    label_studio = FakeLabelStudio(annotated, prefix=prefix)
    label_studio.save(1, exported=False)

    assert compared(label_studio, annotated, START) == Unexported((), (), (), START)


def test_comparing_goes_on_from_where_the_last_comparison_ended(
    annotated: Annotated, label_studio: FakeLabelStudio
) -> None:
    exports = Exports(label_studio, annotated.store)  # type: ignore[arg-type]

    first = exports.compare(1, annotated.catalogue())
    exports.compare(1, annotated.catalogue())

    (_, until), (after, _) = label_studio.asked
    assert until == first.compared_until
    assert until is not None
    assert after == until - timedelta(seconds=OVERLAP_S)
    assert timedelta(0) < datetime.now(UTC) - until < timedelta(minutes=2)


def test_an_annotation_that_no_export_writes_has_everything_exported_ever_more_rarely(
    annotated: Annotated, label_studio: FakeLabelStudio
) -> None:
    label_studio.save(4, exported=False)
    label_studio.can_export = False
    clock = Clock()
    exports = Exports(label_studio, annotated.store, now=clock)  # type: ignore[arg-type]

    for _ in range(7 * 24 * 12):
        exports.compare(1, annotated.catalogue())
        clock.now += timedelta(minutes=5)

    assert 7 <= label_studio.exports <= 7 + 12  # at the end daily


def test_an_annotation_that_no_export_writes_is_in_no_others_way(
    annotated: Annotated, label_studio: FakeLabelStudio
) -> None:
    label_studio.save(4, exported=False)
    label_studio.can_export = False
    exports = Exports(label_studio, annotated.store)  # type: ignore[arg-type]
    exports.compare(1, annotated.catalogue())
    exports.compare(1, annotated.catalogue())
    assert label_studio.exports == 1

    label_studio.save(5, exported=False)
    exports.compare(1, annotated.catalogue())

    assert label_studio.exports == 2


def test_a_later_loss_is_exported_at_once_though_an_earlier_one_took_long(
    annotated: Annotated, label_studio: FakeLabelStudio
) -> None:
    label_studio.save(4, exported=False)
    label_studio.can_export = False
    clock = Clock()
    exports = Exports(label_studio, annotated.store, now=clock)  # type: ignore[arg-type]
    exports.compare(1, annotated.catalogue())
    label_studio.can_export = True
    clock.now += FIRST_REST
    assert exports.compare(1, annotated.catalogue()).left == frozenset()
    assert "annotations/4" in annotated.catalogue().objects

    label_studio.save(5, minute=(clock.now - START) // timedelta(minutes=1) + 5, exported=False)
    clock.now += timedelta(minutes=10)

    assert exports.compare(1, annotated.catalogue()).missing == (5,)
    assert "annotations/5" in annotated.catalogue().objects


def test_a_label_studio_that_is_down_is_an_error_and_not_an_empty_project(
    annotated: Annotated, label_studio: FakeLabelStudio
) -> None:
    class Down(FakeLabelStudio):
        def annotation_storages(self, project_id: int) -> list[dict[str, Any]]:
            raise LabelStudioUnavailable("Label Studio did not answer.")

    with pytest.raises(LabelStudioUnavailable):
        compared(Down(annotated), annotated)
