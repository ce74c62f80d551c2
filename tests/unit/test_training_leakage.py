"""Photos that show what the test photos show."""

from collections.abc import Iterable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc360.wire import Image
from tests.unit.training_runs import average_look
from tests.unit.training_snapshots import pattern
from training.data.leakage import SeenPhoto, leaks_by_key, leaks_by_look
from training.data.likeness import Look, bits_between, shows_the_same
from training.data.snapshot import AnnotatedPhoto, Split


def photo(name: str, split: Split = "train", group: str | None = None) -> AnnotatedPhoto:
    return AnnotatedPhoto(f"s3://loop/{name}", split, None, None, None, group, ())


def seen(name: str, image: Image, split: Split = "train") -> SeenPhoto:
    return SeenPhoto(photo(name, split), average_look(image))


def leaked(photos: Iterable[SeenPhoto]) -> list[tuple[str, str]]:
    return [(leak.photo[-1], leak.test_photo[-1]) for leak in leaks_by_look(photos)]


def saved_anew(image: Image) -> Image:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def smaller(image: Image) -> Image:
    return np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


def brighter(image: Image) -> Image:
    return np.asarray(np.clip(image * 1.1 + 8, 0, 255), np.uint8)


def moved(image: Image) -> Image:
    """By a hundredth of its width, as the camera's next shot."""
    return np.roll(image, image.shape[1] // 100, axis=1)


@pytest.mark.parametrize("change", [saved_anew, smaller, brighter, moved])
def test_a_photo_is_known_again(change) -> None:
    image = pattern(3)
    assert leaked([seen("t", image, "test"), seen("a", change(image)), seen("b", pattern(4))]) == [("a", "t")]


def on_a_belt(*places: tuple[int, int]) -> Image:
    """The same belt with a vegetable at each place."""
    belt = pattern(9) // 4 + 90
    for x, y in places:
        cv2.circle(belt, (x, y), 28, (190, 60, 40), -1)
    return np.asarray(belt, np.uint8)


def test_other_objects_on_the_same_belt_are_other_photos() -> None:
    one, other = on_a_belt((100, 100), (300, 200)), on_a_belt((180, 210), (330, 80))
    same_hash = [Look(7, average_look(image).thumbnail) for image in (one, other)]
    photos = [SeenPhoto(photo("t", "test"), same_hash[0]), SeenPhoto(photo("a"), same_hash[1])]
    assert leaks_by_look(photos) == ()


def test_a_photo_is_told_with_the_test_photo_that_it_shows() -> None:
    """Not merely the nearest by hash: on a belt several are near."""
    near, shown, learnt = (average_look(on_a_belt(*places)) for places in ([(90, 90)], [(300, 200)], [(300, 200)]))
    photos = [
        SeenPhoto(photo("n", "test"), Look(0b1, near.thumbnail)),
        SeenPhoto(photo("s", "test"), Look(0b111, shown.thumbnail)),
        SeenPhoto(photo("a"), Look(0b1, learnt.thumbnail)),
    ]
    assert leaked(photos) == [("a", "s")]


def test_photos_to_validate_with_leak_too_and_test_photos_never() -> None:
    image = pattern(3)
    photos = [seen("t", image, "test"), seen("u", image, "test"), seen("v", image, "validation")]
    assert leaked(photos) == [("v", "t")]


def test_without_test_photos_nothing_leaks() -> None:
    assert leaks_by_look([seen("a", pattern(1))]) == ()


def test_a_group_or_url_that_is_tested_on_is_not_learnt_from() -> None:
    photos = [photo("t", "test", "plot 1"), photo("a", "train", "plot 1"), photo("t"), photo("b", "train", "plot 2")]
    assert [(leak.photo[-1], leak.why) for leak in leaks_by_key(photos)] == [
        ("a", "Its group 'plot 1' is tested on."),
        ("t", "It is a test photo too."),
    ]


def test_photos_of_no_group_are_of_none_together() -> None:
    assert leaks_by_key([photo("t", "test"), photo("a")]) == ()


hashes = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5)


@given(some=hashes, others=hashes)
def test_bits_are_counted_between_all_pairs(some: list[int], others: list[int]) -> None:
    flat = np.zeros((32, 32), np.uint8)
    found = bits_between([Look(value, flat) for value in some], [Look(value, flat) for value in others])
    assert found.tolist() == [[(a ^ b).bit_count() for b in others] for a in some]


@given(seed=st.integers(0, 1000), phash=st.integers(0, 2**64 - 1))
def test_a_look_travels_as_metadata(seed: int, phash: int) -> None:
    look = Look(phash, average_look(pattern(seed)).thumbnail)
    read = Look.from_metadata(look.metadata)
    assert (read.phash, read.thumbnail.tolist()) == (phash, look.thumbnail.tolist())
    assert sum(len(name) + len(value) for name, value in look.metadata.items()) < 1900  # S3 takes 2 KB


def test_photos_without_contrast_are_compared_too() -> None:
    flat = Look(0, np.full((32, 32), 90, np.uint8))
    assert shows_the_same(flat, flat)
    assert not shows_the_same(flat, average_look(pattern(2)))
