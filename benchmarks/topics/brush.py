"""Brush masks to rle-pack and back, beside the SDK's converter: processor time, memory, and that they are the same."""

import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from label_studio_sdk.converter.brush import decode_rle, encode_rle, mask2rle
from numpy.typing import NDArray

from benchmarks.figure import Figure, as_gain, as_share
from phenoloop.labelling.brush import decode_brush, encode_brush
from phenoloop.labelling.geometry import Mask, cut_to_content

Pixels = tuple[int, int]  # width, height

_SDK = "label_studio_sdk.converter.brush"
_SMALL_PX = (2048, 1536)
_LARGE_PX = (4000, 3000)
_QUICK_NOISE_PX = (640, 480)
_ROUNDS = 5
_TURNS = 10  # of ours in each round: it takes so much less


@dataclass(frozen=True, slots=True)
class _Picture:
    name: str
    photo: Mask
    """Of the whole photo."""
    rle: list[int]
    """As the SDK writes it."""
    rounds: int = _ROUNDS

    @property
    def title(self) -> str:
        return f"{self.name}, {self.photo.shape[1]}x{self.photo.shape[0]}"

    def encoded(self) -> list[int]:
        return encode_brush(self.photo, (0, 0), self.photo.shape[1], self.photo.shape[0])

    def decoded(self) -> tuple[Mask, Pixels]:
        return decode_brush(self.rle, self.photo.shape[1], self.photo.shape[0])


def measure(*, quick: bool) -> Iterator[Figure]:
    blobs = [_one_blob(_SMALL_PX), _one_blob(_LARGE_PX)]
    noise = _noise(_QUICK_NOISE_PX if quick else _SMALL_PX)
    masks = [*blobs, _many_blobs(_SMALL_PX), _many_blobs(_LARGE_PX), noise]
    for blob, wanted in zip(blobs, (60, 100), strict=True):
        yield _box_known(blob, wanted)
    for picture in masks:
        yield _gain("encoded, the full mask", 20, picture, picture.encoded, partial(mask2rle, _grey(picture.photo)))
    drawn = [*masks, _soft_edges(_SMALL_PX), _colours(_SMALL_PX)]
    for picture in drawn:
        yield _gain("decoded", 18, picture, picture.decoded, partial(decode_rle, picture.rle))
    yield _differing("masks encoded otherwise", [p for p in masks if p.encoded() != p.rle], masks)
    yield _differing("masks decoded otherwise", [p for p in drawn if not _is_decoded(p)], drawn)
    yield from _memory(
        [*(picture for picture in drawn if picture is not noise), _noise_of_ours(_SMALL_PX), _noise_of_ours(_LARGE_PX)]
    )


def _box_known(blob: _Picture, wanted: float) -> Figure:
    (height_px, width_px), (mask, origin_px) = blob.photo.shape, cut_to_content(blob.photo, (0, 0))
    ours = partial(encode_brush, mask, origin_px, width_px, height_px)
    return _gain("encoded, its box known", wanted, blob, ours, partial(mask2rle, _grey(blob.photo)))


def _gain(what: str, wanted: float, picture: _Picture, ours: Callable[[], Any], theirs: Callable[[], Any]) -> Figure:
    """Best of turns that they take."""
    ours_ms, theirs_ms = [], []
    for _ in range(picture.rounds):
        theirs_ms.append(_processor_ms(theirs))
        ours_ms += [_processor_ms(ours) for _ in range(_TURNS)]
    note = f"{len(picture.rle)} bytes"
    return as_gain(f"{picture.title}: {what}", min(ours_ms), "ms", _SDK, min(theirs_ms), least=wanted, note=note)


def _processor_ms(work: Callable[[], Any]) -> float:
    started_s = time.process_time()
    work()
    return 1000 * (time.process_time() - started_s)


def _differing(what: str, differing: Sequence[_Picture], pictures: Sequence[_Picture]) -> Figure:
    note = "of " + "; ".join(picture.title for picture in pictures)
    return Figure(what, len(differing), "masks", _SDK, 0, len(differing), most=0, note=note)


def _is_decoded(picture: _Picture) -> bool:
    """Pixel for pixel, and at least half opaque for the SDK."""
    mask, (x, y) = picture.decoded()
    ours = np.zeros_like(picture.photo)
    ours[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return np.array_equal(ours, decode_rle(picture.rle).reshape(*ours.shape, 4)[:, :, 3] > 127)


def _memory(pictures: Sequence[_Picture]) -> Iterator[Figure]:
    """Of the pictures that take most, for their size."""
    held = [(_peak_bytes(picture.encoded, is_result_held=False), picture) for picture in pictures]
    yield _share("encoded: most held beside the result", 1.2, held)
    held = [(_peak_bytes(picture.decoded, is_result_held=True), picture) for picture in pictures]
    yield _share("decoded: most held, the result included", 2, held)


def _share(what: str, most: float, held: Sequence[tuple[int, _Picture]]) -> Figure:
    held_bytes, picture = max(held, key=lambda one: one[0] / one[1].photo.nbytes)
    mib = 2**20
    reference = f"the photo's mask: {picture.title}"
    return as_share(what, held_bytes / mib, "MiB", reference, picture.photo.nbytes / mib, most=most)


def _peak_bytes(work: Callable[[], Any], *, is_result_held: bool) -> int:
    tracemalloc.start()
    try:
        result = work()
        return tracemalloc.get_traced_memory()[1] - (0 if is_result_held else sys.getsizeof(result))
    finally:
        tracemalloc.stop()


def _one_blob(size_px: Pixels) -> _Picture:
    return _picture("one blob", _ellipses(size_px, 1, size_px[0] // 12))


def _many_blobs(size_px: Pixels) -> _Picture:
    return _picture("200 blobs", _ellipses(size_px, 200, size_px[0] // 60))


def _noise(size_px: Pixels) -> _Picture:
    """A round: the SDK takes seconds."""
    return _picture("noise", _random_pixels(size_px), rounds=1)


def _noise_of_ours(size_px: Pixels) -> _Picture:
    """As we encode it: the SDK would take minutes and gigabytes."""
    photo = _random_pixels(size_px)
    return _Picture("noise", photo, encode_brush(photo, (0, 0), *size_px))


def _soft_edges(size_px: Pixels) -> _Picture:
    """As the editor exports: all channels are the opacity, which fades towards a blob's edge."""
    alpha = _alpha(size_px)
    return _Picture("soft edges", alpha > 127, encode_rle(np.repeat(alpha.ravel(), 4)))


def _colours(size_px: Pixels) -> _Picture:
    """Channels that differ, so that inside a blob no word is repeated."""
    alpha = _alpha(size_px)
    words = np.stack([np.full_like(alpha, 200), np.full_like(alpha, 90), np.full_like(alpha, 30), alpha], axis=2)
    return _Picture("words as they are", alpha > 127, encode_rle((words * (alpha > 0)[:, :, None]).ravel()), rounds=1)


def _picture(name: str, photo: Mask, rounds: int = _ROUNDS) -> _Picture:
    return _Picture(name, photo, mask2rle(_grey(photo)), rounds)


def _alpha(size_px: Pixels) -> NDArray[np.uint8]:
    blurred: NDArray[np.uint8] = np.asarray(cv2.GaussianBlur(_grey(_ellipses(size_px, 1, size_px[0] // 12)), (9, 9), 0))
    return blurred


def _ellipses(size_px: Pixels, count: int, radius_px: int) -> Mask:
    """Turned, a third longer than wide, at random places; one alone in the middle."""
    width_px, height_px = size_px
    random, drawn = np.random.default_rng(7), np.zeros((height_px, width_px), np.uint8)
    for _ in range(count):
        middle = (width_px // 2, height_px // 2) if count == 1 else random.integers(0, size_px).tolist()
        cv2.ellipse(drawn, middle, (radius_px, 3 * radius_px // 4), int(random.integers(180)), 0, 360, 1, -1)
    return drawn.astype(np.bool_)


def _random_pixels(size_px: Pixels) -> Mask:
    return np.random.default_rng(7).random(size_px[::-1], np.float32) > 0.5


def _grey(photo: Mask) -> NDArray[np.uint8]:
    return photo.astype(np.uint8) * np.uint8(255)
