"""How good a detector is on photos whose truth is known, while it is trained."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from loc360.wire import Box
from training.looks.pictures import UNNAMED, Album, Floats
from training.masks import Array, box_ious
from training.precision import Tally, average_precision, greedy_matches, tally
from training.threshold import best_threshold


class Judged(NamedTuple):
    """One picture: n finds, best first, m objects."""

    ious: Array
    """(n, m)"""
    boxes: Floats
    """(n, 4)"""
    scores: Array
    """(n,)"""
    labels: NDArray[np.int64]
    """(n,)"""
    truth: NDArray[np.int64]
    """(m,) labels."""


def judged(detector: torch.nn.Module, album: Album, device: torch.device) -> Iterator[Judged]:
    for index in range(len(album)):
        picture = album.picture(index)
        image = torch.from_numpy(picture.image.transpose(2, 0, 1).copy()).to(device)
        boxes, labels, scores = (values.cpu().numpy() for values in detector(image)[:3])
        yield Judged(
            box_ious([Box(*box) for box in boxes], [Box(*box) for box in picture.boxes]),
            boxes,
            scores.astype(np.float64),
            labels,
            picture.labels,
        )


def precision(photos: Sequence[Judged], kinds: int) -> float | None:
    """Mean of the average precisions at IoU 0.5 with labels and regardless of them; None if there is no object."""
    by_kind: list[list[Tally]] = [[] for _ in range(kinds + 1)]
    for seen in photos:
        for kind, tallies in enumerate(by_kind):
            found = (seen.labels == kind) | (kind == kinds)
            there = (seen.truth == kind) | (seen.truth == UNNAMED) | (kind == kinds)
            ignored = (seen.truth[there] == UNNAMED) & (kind != kinds)
            tallies.append(tally(seen.scores[found], seen.ious[np.ix_(found, there)], ignored))
    once = np.ones((1, len(photos)))
    values = np.array([average_precision(tallies, once)[0] for tallies in by_kind if tallies])
    known = values[:-1][np.isfinite(values[:-1])] if len(values) else values
    if not len(values) or not np.isfinite(values[-1]):
        return None
    return float((values[-1] + known.mean()) / 2) if len(known) else float(values[-1])


def fitting_threshold(photos: Sequence[Judged]) -> float:
    """See `best_threshold`; regardless of labels if no object has one."""
    named = any((seen.truth != UNNAMED).any() for seen in photos)
    return best_threshold([_pooled(seen) if named else _regardless_of_labels(seen) for seen in photos])


def confusion(photos: Sequence[Judged], kinds: int, threshold: float) -> NDArray[np.int64]:
    """(kinds + 1, kinds + 1) objects by true and found label, the last row and column for none; unnamed ones not."""
    counts = np.zeros((kinds + 1, kinds + 1), np.int64)
    for seen in photos:
        sure = seen.scores >= threshold
        matches = greedy_matches(seen.ious[sure], np.zeros(len(seen.truth), np.bool_))
        missed = np.setdiff1d(np.arange(len(seen.truth)), matches)
        truth = np.concatenate(
            [np.where(matches >= 0, np.append(seen.truth, kinds)[matches], kinds), seen.truth[missed]]
        )
        found = np.concatenate([seen.labels[sure], np.full(len(missed), kinds)])
        named = truth != UNNAMED
        np.add.at(counts, (truth[named], found[named]), 1)
    return counts


def rates(counts: NDArray[np.int64]) -> dict[str, float]:
    """Precision, recall and F1 over all labels, of a confusion."""
    right, found, there = np.trace(counts[:-1, :-1]), counts[:, :-1].sum(), counts[:-1].sum()
    precise, recalled = right / max(found, 1), right / max(there, 1)
    f1 = 2 * precise * recalled / max(precise + recalled, 1e-9)
    return {"precision": float(precise), "recall": float(recalled), "f1": float(f1)}


def _pooled(seen: Judged) -> Tally:
    unnamed = seen.truth == UNNAMED
    return tally(seen.scores, seen.ious * ((seen.labels[:, None] == seen.truth) | unnamed), unnamed)


def _regardless_of_labels(seen: Judged) -> Tally:
    return tally(seen.scores, seen.ious, np.zeros(len(seen.truth), np.bool_))
