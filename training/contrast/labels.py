"""Which vegetable a find is, from its colour and how elongated it is."""

import torch
from torch import Tensor

LABELS = ("carrot", "tomato", "pepper", "cucumber", "potato")

# label; then typical value and spread of hue (degrees of atan2(b*, a*)), chroma, ratio of axes (of its log), lightness
_LOOKS = (
    ("carrot", 57, 9, 54, 10, 5.0, 0.40, 57, 12),
    ("tomato", 37, 6, 52, 10, 1.08, 0.12, 42, 10),  # ripe
    ("tomato", 59, 6, 47, 9, 1.04, 0.10, 55, 8),  # turning
    ("tomato", 109, 9, 33, 8, 1.09, 0.12, 57, 12),  # green
    ("pepper", 32, 5, 45, 10, 1.12, 0.15, 34, 4),
    ("pepper", 53, 7, 55, 9, 1.10, 0.15, 54, 8),
    ("pepper", 87, 8, 55, 11, 1.15, 0.20, 67, 12),
    ("pepper", 125, 11, 26, 10, 1.15, 0.20, 34, 8),
    ("cucumber", 129, 9, 20, 9, 4.4, 0.35, 31, 9),
    ("potato", 76, 11, 24, 7, 1.7, 0.28, 58, 18),
    ("potato", 36, 6, 27, 7, 1.5, 0.28, 42, 10),  # red-skinned
)


class Looks(torch.nn.Module):  # type: ignore[misc]
    """A table of looks; a label may have several. Red, round things can be told apart only by guess."""

    def __init__(self) -> None:
        super().__init__()
        table = torch.tensor([[float(value) for value in row[1:]] for row in _LOOKS])
        table[:, 4] = table[:, 4].log()
        self.register_buffer("typical", table[:, 0::2].clone())
        self.register_buffer("spread", table[:, 1::2].clone())
        self.register_buffer("label", torch.tensor([LABELS.index(row[0]) for row in _LOOKS]))

    def forward(self, colour: Tensor, elongation: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) int64 index of the likeliest label and (n,) float32 how many spreads away the nearest look is.

        `colour` (n, 3) is the mean L*a*b*, `elongation` (n,) the ratio of the axes. Being darker, lighter or more vivid
        than the table is no strangeness: light does that.
        """
        hue = torch.rad2deg(torch.atan2(colour[:, 2], colour[:, 1]))
        chroma = (colour[:, 1] ** 2 + colour[:, 2] ** 2).sqrt().clamp(max=60.0)
        look = torch.stack([hue, chroma, elongation.log(), colour[:, 0]], dim=1).unsqueeze(1)
        squared = ((look - self.typical) / self.spread) ** 2
        likeliest = (squared.sum(dim=2) / 2.0 + self.spread.log().sum(dim=1)).argmin(dim=1)
        return self.label[likeliest], squared[:, :, :3].sum(dim=2).min(dim=1)[0].sqrt()
