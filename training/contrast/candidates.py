"""Everything that might be an object: components of the level sets of the photo's colour and background maps.

Each map (distance to the background, lightness, the hues) is cut at several levels, as in MSER (Matas et al., BMVC
2002), and its Otsu mask is eroded by growing radii, which parts objects that touch. Erosion is undone on the ellipse.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from training.contrast.colour import box_mean
from training.contrast.components import Runs, areas, boxes, means, moments, runs_of
from training.contrast.morphology import eroded


class Candidates(NamedTuple):
    """n components, in pixels of the working grid."""

    boxes: Tensor
    """(n, 4) float32."""
    centres: Tensor
    """(n, 2) float32 x, y."""
    axes: Tensor
    """(n, 2) float32: half axes, the longer first, of the ellipse with the same second moments."""
    angles: Tensor
    """(n,) float32: of the longer axis, in radians from x towards y."""
    fills: Tensor
    """(n,) float32: area over the ellipse's area; 1 for an ellipse, less for anything notched or branched."""
    means: Tensor
    """(n, C) float32: of the given maps."""


class LevelSets(torch.nn.Module):  # type: ignore[misc]
    """Cuts the maps and keeps the components that are compact and of a size to be an object."""

    def __init__(self, *, levels: int = 8, hues: int = 8, smallest_px: int = 12, least_fill: float = 0.7) -> None:
        super().__init__()
        self.levels = levels
        self.smallest_px = smallest_px
        self.least_fill = least_fill
        self.most_of_photo = 0.3
        self.longest = 9.0
        self.radii_px: list[int] = [2, 3, 4, 6, 8, 11, 15, 20]
        angles = torch.arange(hues) * (2.0 * math.pi / hues)
        self.register_buffer("hues", torch.stack([angles.cos(), angles.sin()], dim=1))

    def forward(self, lab: Tensor, distance: Tensor, measured: Tensor) -> Candidates:
        """From `lab` (3, H, W), the background `distance` (H, W) and the maps whose means are wanted (C, H, W)."""
        height, width = distance.shape[0], distance.shape[1]
        maps = self._maps(lab, distance)
        masks, grown = self._masks(maps)
        runs = runs_of(masks)
        area, box, moment = areas(runs).to(torch.float32), boxes(runs).to(torch.float32), moments(runs)
        mask_of = torch.zeros([area.shape[0]], dtype=torch.int64).index_copy_(0, runs.component, runs.mask)
        radius = grown[mask_of]

        long, short, angle = _ellipses(moment)
        fill = area / (math.pi * long * short)
        long, short = long + radius, short + radius
        corner, limits = torch.tensor([-1.0, -1.0, 1.0, 1.0]), torch.tensor([width, height, width, height])
        box = torch.minimum((box + corner * radius.unsqueeze(1)).clamp(min=0.0), limits.to(torch.float32))

        side = torch.minimum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])
        large = area >= self.smallest_px
        keep = large & ((radius == 0) | _tells_more(runs, mask_of, large, height, width, maps.shape[0]))
        keep = keep & (fill > self.least_fill) & (side >= 4) & (long < self.longest * short)
        keep = keep & (long * short < self.most_of_photo * height * width)
        return Candidates(
            boxes=box[keep],
            centres=moment[keep, :2],
            axes=torch.stack([long, short], dim=1)[keep],
            angles=angle[keep],
            fills=fill[keep],
            means=means(runs, measured)[keep],
        )

    def _maps(self, lab: Tensor, distance: Tensor) -> Tensor:
        """(M, H, W), higher where an object may be, in units of about one just noticeable difference."""
        smooth = box_mean(lab, 1)
        hues = (self.hues @ smooth[1:].flatten(1)).reshape(-1, lab.shape[1], lab.shape[2])
        return torch.cat([10.0 * distance.unsqueeze(0), smooth[:1], -smooth[:1], hues])

    def _masks(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H, W) bool level sets and eroded masks, and (B,) float32 the radius by which each was eroded."""
        values = maps.flatten(1)
        ranked = values[:, :: max(1, values.shape[1] // 8000)].sort(dim=1)[0]
        low = ranked[:, int(ranked.shape[1] * 0.05)]
        high = ranked[:, int(ranked.shape[1] * 0.997)]
        steps = (torch.arange(self.levels) + 1.0) / (self.levels + 1.0)
        levels = low.unsqueeze(1) + (high - low).unsqueeze(1) * steps
        levels = torch.where((high - low).unsqueeze(1) < 6.0, torch.full_like(levels, 1e9), levels)  # all but flat
        cut = (maps.unsqueeze(1) > levels.unsqueeze(2).unsqueeze(3)).flatten(0, 1)

        core = maps > torch.maximum(otsu(values), low + 3.0).unsqueeze(1).unsqueeze(2)
        masks, radii = [core, cut], [torch.zeros([core.shape[0] + cut.shape[0]])]
        done = 0
        for radius in self.radii_px:
            while done < radius:
                core = eroded(core, cross=done % 3 != 1)  # two crosses to a square: nearly round
                done += 1
            masks.append(core)
            radii.append(torch.full([core.shape[0]], float(radius)))
        return torch.cat(masks), torch.cat(radii)


def _ellipses(moments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(n,) half axes, longer and shorter, and angle of the ellipses with these means and covariances (n, 5)."""
    half_sum, half_difference = (moments[:, 2] + moments[:, 4]) / 2, (moments[:, 2] - moments[:, 4]) / 2
    root = (half_difference**2 + moments[:, 3] ** 2).sqrt()
    long, short = 2.0 * (half_sum + root).sqrt(), 2.0 * (half_sum - root).clamp(min=1.0 / 12.0).sqrt()
    return long, short, torch.atan2(moments[:, 3], half_difference) / 2.0


def otsu(values: Tensor) -> Tensor:
    """(M,) thresholds that part each row of (M, N) in two classes of least variance.

    N. Otsu, IEEE Trans. Syst. Man Cybern. 9 (1979) 62, on 64 bins.
    """
    low, high = values.min(dim=1, keepdim=True)[0], values.max(dim=1, keepdim=True)[0]
    bins = ((values - low) / (high - low + 1e-6) * 63.999).to(torch.int64)
    histogram = torch.zeros([values.shape[0], 64]).scatter_add_(1, bins, torch.ones_like(values))
    weight = histogram.cumsum(dim=1)
    first_moment = (histogram * (torch.arange(64) + 0.5)).cumsum(dim=1)
    rest = weight[:, -1:] - weight
    below, above = first_moment / weight.clamp(min=1), (first_moment[:, -1:] - first_moment) / rest.clamp(min=1)
    best = (weight * rest * (below - above) ** 2).argmax(dim=1)
    return low[:, 0] + (best + 1) / 64.0 * (high - low)[:, 0]


def _tells_more(runs: Runs, mask_of: Tensor, considered: Tensor, height: int, width: int, maps: int) -> Tensor:
    """(n,) bool: which eroded components have a sibling, eroded by as much from the same component of their map.

    A lone core only repeats, more roughly, the component it was eroded from. `considered` (n,) says which ones count;
    the first `maps` masks are the ones eroded, and mask m is of map m modulo `maps`.
    """
    starts = (runs.mask * height + runs.y) * width + runs.x0
    first = torch.zeros_like(mask_of).index_copy_(0, runs.component, torch.arange(starts.shape[0]))
    place = ((mask_of % maps) * height + runs.y[first]) * width + runs.x0[first]
    whole = runs.component[(torch.searchsorted(starts, place, right=True) - 1).clamp(min=0)]
    family = torch._unique2((whole * 100_000 + mask_of)[considered], return_inverse=True)[1]  # noqa: SLF001 # TorchScript's
    size = torch.zeros_like(family).index_add_(0, family, torch.ones_like(family))
    more = torch.zeros_like(considered)
    more[considered] = size[family] > 1
    return more
