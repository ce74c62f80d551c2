"""Which photos a chain learns from and which it is judged by: decided by a photo alone, once and for all."""

import hashlib
from typing import Literal

Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
TEST_SHARE = 0.25
VALIDATION_SHARE = 0.15


def split_of(group: str | None, key: str) -> Split:
    """The split of a photo: of its group (photos of one plant or plot stay together), else of its key in S3.

    A hash decides, so neither other photos nor the order of annotating ever move a photo.
    """
    digest = hashlib.sha256((group or key).encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < TEST_SHARE:
        return "test"
    return "validation" if place < TEST_SHARE + VALIDATION_SHARE else "train"
