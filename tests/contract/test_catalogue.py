"""What changed among the annotations since a snapshot: what they mean counts, not how often they were written."""

from typing import Any

import pytest

from phenoloop.errors import BucketMissing
from sync.catalogue import Catalogue, Changes
from sync.index import Index
from tests.unit.annotation_objects import Annotated


@pytest.fixture
def annotated(s3: Any, bucket: str) -> Annotated:
    return Annotated(s3, bucket)


def changes(annotated: Annotated) -> Changes:
    return annotated.catalogue().changes_since(annotated.store.index(annotated.store.latest()))


def test_a_snapshot_knows_what_it_was_made_of(annotated: Annotated) -> None:
    annotated.save(1)
    annotated.save(2, was_cancelled=True)
    annotated.put(3, b"rubbish")
    annotated.build()

    assert (changes(annotated), len(changes(annotated))) == (Changes(), 0)


def test_the_times_are_of_the_first_and_last_change(annotated: Annotated) -> None:
    for id_ in (1, 2, 3):
        annotated.save(id_)

    catalogue = annotated.catalogue()
    found = catalogue.changes_since(Index())

    times = [listed.last_modified for listed in catalogue.objects.values()]
    assert (found.first_at, found.last_at) == (min(times), max(times))


def test_objects_that_are_not_named_as_annotations_are_not_listed(annotated: Annotated) -> None:
    for name in ("readme.txt", "7.json", "", "٣", "-1"):
        annotated.put(name, b"{}")
    annotated.save(7)
    annotated.put("older/8", b"{}")

    assert set(annotated.catalogue().objects) == {"annotations/7", "annotations/older/8"}


def test_a_bucket_that_is_not_there_is_an_error_and_not_empty(s3: Any) -> None:
    with pytest.raises(BucketMissing):
        Catalogue.listed(s3, "no-such-bucket", "annotations/")
