"""Photos to learn from that show what the test photos show: left out, or the test would flatter who learnt them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from training.data.likeness import MOST_BITS, Look, bits_between, shows_the_same
from training.data.snapshot import AnnotatedPhoto, Split

_AT_ONCE = 1024
"""Photos whose hashes are compared with all test photos' at a time: 10 MB a 10,000 test photos."""
_NEAREST = 5
"""Test photos that are looked at twice, for each photo."""


@dataclass(frozen=True, slots=True)
class Leak:
    photo: str
    split: Split
    test_photo: str
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class SeenPhoto:
    photo: AnnotatedPhoto
    look: Look


def leaks_by_key(photos: Iterable[AnnotatedPhoto]) -> tuple[Leak, ...]:
    """Photos that are test photos too, under the same url, or are of a test photo's group."""
    photos = tuple(photos)
    tests = [photo for photo in photos if photo.split == "test"]
    urls = {photo.url for photo in tests}
    of_group = {photo.group: photo.url for photo in reversed(tests) if photo.group is not None}
    found = []
    for photo in photos:
        if photo.split != "test" and photo.url in urls:
            found.append(Leak(photo.url, photo.split, photo.url, "It is a test photo too."))
        elif photo.split != "test" and photo.group is not None and photo.group in of_group:
            why = f"Its group {photo.group!r} is tested on."
            found.append(Leak(photo.url, photo.split, of_group[photo.group], why))
    return tuple(found)


def leaks_by_look(photos: Iterable[SeenPhoto]) -> tuple[Leak, ...]:
    """Photos that show what a test photo shows, if under another name; each with the test photo nearest to it."""
    photos = tuple(photos)
    learnt = [seen for seen in photos if seen.photo.split != "test"]
    tests = [seen for seen in photos if seen.photo.split == "test"]
    some = (learnt[at : at + _AT_ONCE] for at in range(0, len(learnt) if tests else 0, _AT_ONCE))
    return tuple(leak for those in some for leak in _leaks(those, tests))


def _leaks(learnt: Sequence[SeenPhoto], tests: Sequence[SeenPhoto]) -> Iterator[Leak]:
    bits = bits_between([seen.look for seen in learnt], [seen.look for seen in tests])
    for index in np.flatnonzero((bits <= MOST_BITS).any(axis=1)):
        seen, of_photo = learnt[index], bits[index]
        nearest = [int(test) for test in np.argsort(of_photo, kind="stable")[:_NEAREST] if of_photo[test] <= MOST_BITS]
        shown = next((test for test in nearest if shows_the_same(seen.look, tests[test].look)), None)
        if shown is not None:
            why = f"It looks like it ({of_photo[shown]} of 64 bits of their hashes differ)."
            yield Leak(seen.photo.url, seen.photo.split, tests[shown].photo.url, why)
