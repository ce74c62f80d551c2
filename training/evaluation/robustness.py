"""How much chains lose on spoilt photos (see `training.evaluation.corruptions`), next to the same photos unspoilt."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PIL import Image as Pillow

from loc360.photo import read_photo_scaled
from training.data.dataset import LabelledPhoto, scaled
from training.errors import JobFailed
from training.evaluation.chain_run import Chain, look
from training.evaluation.comparison import Comparison
from training.evaluation.corruptions import CORRUPTIONS, Corruption
from training.evaluation.scores import ChainScores, chain_scores

SIDE_PX = 800
"""Long side of the photos: enough to see the losses, and quick to spoil."""


@dataclass(frozen=True, slots=True)
class Variant:
    corruption: Corruption
    grade: float


_IN_ORDER = (1, 2, 0)  # if the time is over within the first photo, the middle grades say most
VARIANTS = tuple(Variant(item, item.grades[place]) for place in _IN_ORDER for item in CORRUPTIONS)


@dataclass(frozen=True, slots=True)
class Loss:
    spoilt: ChainScores
    unspoilt: ChainScores
    """On the same photos."""
    photos: int


@dataclass(frozen=True, slots=True)
class Robustness:
    losses: Mapping[str, Mapping[Variant, Loss]]
    """By chain; variants that there was no time for are left out."""
    photos: int
    """Seen in at least one variant."""
    wanted: int
    """If more, the time was over."""


def robustness(chains: Sequence[Chain], photos: Sequence[LabelledPhoto], time_limit_s: float) -> Robustness:
    """The chains side by side, photo by photo. Raises JobFailed if there is time for nothing, or a model ends."""
    deadline_s = time.monotonic() + time_limit_s
    with ThreadPoolExecutor(len(chains)) as pool:
        seen = list(pool.map(partial(_seen, photos=photos, deadline_s=deadline_s), chains))
    common = {variant: min(len(by_chain[variant]) for by_chain in seen) for variant in (None, *VARIANTS)}
    losses = {
        chain.name: {
            variant: Loss(chain_scores(by_chain[variant][:count]), chain_scores(by_chain[None][:count]), count)
            for variant in VARIANTS
            if (count := common[variant])
        }
        for chain, by_chain in zip(chains, seen, strict=True)
    }
    if not any(losses.values()):
        raise JobFailed(f"In {time_limit_s:g} s there was no time for one photo.")
    return Robustness(losses, max(common[variant] for variant in VARIANTS), len(photos))


def _seen(chain: Chain, photos: Sequence[LabelledPhoto], deadline_s: float) -> dict[Variant | None, list[Comparison]]:
    """By variant, None for the photos as they are: one a photo, for as many as there is time."""
    seen: dict[Variant | None, list[Comparison]] = {variant: [] for variant in (None, *VARIANTS)}
    with tempfile.TemporaryDirectory() as folder:
        for photo in photos:
            image = read_photo_scaled(str(photo.file), SIDE_PX)
            small = scaled(photo, image.shape[1], image.shape[0])
            for variant in (None, *VARIANTS):
                if time.monotonic() > deadline_s:
                    return seen
                shown = (image, small) if variant is None else variant.corruption.spoilt(image, small, variant.grade)
                file = Path(folder) / "photo.bmp"  # quick, and loses nothing
                Pillow.fromarray(shown[0]).save(file)
                seen[variant].append(look(chain, replace(shown[1], file=file))[0].comparison)
    return seen
