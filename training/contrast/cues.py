"""What speaks for a candidate being one whole vegetable: its shape, its outline, its surface, its colour."""

import math

import torch
from torch import Tensor

from training.contrast.candidates import Candidates

# name: weight in the log-odds of being one whole vegetable. Set by logistic regression on half of 38 photos of tomato
# plants (Wu et al. 2023, doi:10.17632/8h3s6jkyff.1) and on generated scenes, then rounded; the other half fares alike.
WEIGHTS = {
    "roundness": 0.75,  # how much of its ellipse it fills: 0 at nine tenths or less, 1 for all
    "outline": 5.2,  # fill times the mean colour step across the outline
    "inside": 3.0,  # mean distance from the background within it
    "outside": -1.1,  # and just outside its outline
    "mixed": -1.0,  # spread of its colours
    "strange": -0.42,  # how far its look is from any vegetable known
    "grey": -2.5,  # how far its chroma is below 15: scales, cards, metal
    "odd size": -0.9,  # squared log of its side over 0.18 of the photo's
}
BIAS = -3.0


class Cues(torch.nn.Module):  # type: ignore[misc]
    """Measures candidates. The outline is probed at points on the candidate's ellipse, a little in and a little out."""

    def __init__(self, *, probes: int = 24) -> None:
        super().__init__()
        turn = torch.arange(probes) * (2.0 * math.pi / probes)
        self.register_buffer("circle", torch.stack([turn.cos(), turn.sin()]))
        self.register_buffer("lab_weights", torch.tensor([0.6, 1.0, 1.0]).reshape(3, 1, 1))
        self.register_buffer("weights", torch.tensor(list(WEIGHTS.values())))
        self.bias = BIAS

    def measured(self, lab: Tensor, distance: Tensor) -> Tensor:
        """(6, H, W): the maps whose means `forward` needs: L*, a*, b*, a*², b*², distance."""
        return torch.cat([lab, lab[1:] ** 2, distance.unsqueeze(0)])

    def forward(self, found: Candidates, strangeness: Tensor, smooth_lab: Tensor, distance: Tensor) -> Tensor:
        """(n,) float32 score in 0..1 of each candidate, from its cues; `strangeness` (n,) is that of `labels.Looks`."""
        return torch.sigmoid(self._cues(found, strangeness, smooth_lab, distance) @ self.weights + self.bias)

    def _cues(self, found: Candidates, strangeness: Tensor, smooth_lab: Tensor, distance: Tensor) -> Tensor:
        """(n, len(WEIGHTS)) float32."""
        height, width = distance.shape[0], distance.shape[1]
        maps = torch.cat([smooth_lab, distance.unsqueeze(0)])
        reach = (found.axes[:, 1] * 0.25).clamp(min=1.5, max=3.0)
        inner, seen_inner = self._probed(maps, found, -reach)
        outer, seen_outer = self._probed(maps, found, reach)
        seen = (seen_inner & seen_outer).to(torch.float32)
        probes = seen.sum(dim=1).clamp(min=1.0)
        steps = (((inner[:3] - outer[:3]) * self.lab_weights) ** 2).sum(dim=0).sqrt()
        outside = (outer[3].clamp(max=6.0) * seen).sum(dim=1) / probes

        fill = found.fills.clamp(max=1.0)
        variance = (found.means[:, 3:5] - found.means[:, 1:3] ** 2).clamp(min=0.0)
        side = (found.axes[:, 0] * found.axes[:, 1] / float(height * width)).sqrt()
        chroma = (found.means[:, 1] ** 2 + found.means[:, 2] ** 2).sqrt()
        cues = [
            (fill - 0.9).clamp(min=0.0) * 10.0,
            fill * (steps.clamp(max=20.0) * seen).sum(dim=1) / probes / 20.0,
            found.means[:, 5].clamp(max=6.0) / 6.0,
            outside / 6.0,
            variance.sum(dim=1).sqrt() / 20.0,
            strangeness.clamp(max=6.0),
            (1.0 - chroma / 15.0).clamp(min=0.0),
            (side / 0.18).log() ** 2,
        ]
        return torch.stack(cues, dim=1)

    def _probed(self, maps: Tensor, found: Candidates, outwards: Tensor) -> tuple[Tensor, Tensor]:
        """(C, n, probes) values and (n, probes) whether the probe lies in the photo, `outwards` px off the ellipse."""
        height, width = maps.shape[1], maps.shape[2]
        axes = (found.axes + outwards.unsqueeze(1)).clamp(min=0.5)
        along, aside = axes[:, :1] * self.circle[0], axes[:, 1:] * self.circle[1]
        cosine, sine = found.angles.cos().unsqueeze(1), found.angles.sin().unsqueeze(1)
        x = found.centres[:, :1] + along * cosine - aside * sine
        y = found.centres[:, 1:] + along * sine + aside * cosine
        place = y.to(torch.int64).clamp(0, height - 1) * width + x.to(torch.int64).clamp(0, width - 1)
        return maps.flatten(1)[:, place], (x >= 0) & (x < width) & (y >= 0) & (y < height)
