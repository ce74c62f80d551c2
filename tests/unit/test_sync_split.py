from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sync.split import SPLITS, TEST_SHARE, VALIDATION_SHARE, split_of


@given(st.text(min_size=1), st.text(), st.text())
def test_photos_of_one_group_stay_together(group: str, one: str, other: str) -> None:
    assert split_of(group, one) == split_of(group, other)


@given(st.text())
def test_a_photo_without_a_group_is_split_by_its_key(key: str) -> None:
    assert split_of(None, key) == split_of("", key) in SPLITS


def test_the_split_of_a_photo_never_changes_between_versions() -> None:
    names = [split_of(None, f"images/{number}.jpg") for number in range(8)]

    assert names == ["validation", "test", "train", "validation", "train", "train", "test", "validation"]


def test_the_shares_are_about_right() -> None:
    shares = Counter(split_of(None, f"images/{number}.jpg") for number in range(20_000))

    assert abs(shares["test"] / 20_000 - TEST_SHARE) < 0.01
    assert abs(shares["validation"] / 20_000 - VALIDATION_SHARE) < 0.01
