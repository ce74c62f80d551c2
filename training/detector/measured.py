"""How good a detector is on photos whose truth is known, while it is trained."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from loc360.wire import Box
from training.detector.proposals import Proposed
from training.detector.samples import ProposedAlbum
from training.masks import Array, box_ious
from training.pictures import UNNAMED
from training.precision import Tally, average_precision, tally
from training.threshold import best_threshold


class Judged(NamedTuple):
    """One picture: n finds, m objects."""

    ious: Array
    """(n, m)"""
    scores: Array
    """(n,)"""
    labels: NDArray[np.int64]
    """(n,)"""
    truth: NDArray[np.int64]
    """(m,) labels."""


def precision(detector: torch.nn.Module, album: ProposedAlbum, kinds: int, device: torch.device) -> float | None:
    """Mean of the average precisions at IoU 0.5 with labels and regardless of them; None if there is no object."""
    by_kind: list[list[Tally]] = [[] for _ in range(kinds + 1)]
    for seen in _judged(detector, album, device):
        for kind, tallies in enumerate(by_kind):
            found = (seen.labels == kind) | (kind == kinds)
            there = (seen.truth == kind) | (seen.truth == UNNAMED) | (kind == kinds)
            ignored = (seen.truth[there] == UNNAMED) & (kind != kinds)
            tallies.append(tally(seen.scores[found], seen.ious[np.ix_(found, there)], ignored))
    once = np.ones((1, len(album)))
    values = np.array([average_precision(tallies, once)[0] for tallies in by_kind if tallies])
    known = values[:-1][np.isfinite(values[:-1])] if len(values) else values
    if not len(values) or not np.isfinite(values[-1]):
        return None
    return float((values[-1] + known.mean()) / 2) if len(known) else float(values[-1])


def fitting_threshold(detector: torch.nn.Module, album: ProposedAlbum, device: torch.device) -> float:
    """See `best_threshold`; regardless of labels if no object has one."""
    photos = list(_judged(detector, album, device))
    named = any((seen.truth != UNNAMED).any() for seen in photos)
    return best_threshold([_pooled(seen) if named else _regardless_of_labels(seen) for seen in photos])


def _pooled(seen: Judged) -> Tally:
    unnamed = seen.truth == UNNAMED
    return tally(seen.scores, seen.ious * ((seen.labels[:, None] == seen.truth) | unnamed), unnamed)


def _regardless_of_labels(seen: Judged) -> Tally:
    return tally(seen.scores, seen.ious, np.zeros(len(seen.truth), np.bool_))


def _judged(detector: torch.nn.Module, album: ProposedAlbum, device: torch.device) -> Iterator[Judged]:
    for index in range(len(album)):
        picture = album.picture(index)
        image = torch.from_numpy(picture.image.transpose(2, 0, 1).copy()).to(device)
        proposed = Proposed(*(part.to(device) for part in album.proposed(index)))
        boxes, labels, scores = (values.cpu().numpy() for values in detector.judged(image, proposed))
        yield Judged(
            box_ious([Box(*box) for box in boxes], [Box(*box) for box in picture.boxes]),
            scores.astype(np.float64),
            labels,
            picture.labels,
        )
