"""Pictures for the checks: no file, no randomness but a seed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from posegen.testing.expect import generator

# x0, y0, x1, y1, radius as shares of the image; RGB
_FIGURE = (
    ((0.44, 0.55, 0.42, 0.75), 0.045, (0.15, 0.2, 0.4)),  # legs
    ((0.42, 0.75, 0.42, 0.93), 0.035, (0.15, 0.2, 0.4)),
    ((0.56, 0.55, 0.58, 0.75), 0.045, (0.15, 0.2, 0.4)),
    ((0.58, 0.75, 0.58, 0.93), 0.035, (0.15, 0.2, 0.4)),
    ((0.5, 0.32, 0.5, 0.52), 0.09, (0.7, 0.2, 0.2)),  # torso
    ((0.42, 0.27, 0.33, 0.41), 0.03, (0.7, 0.2, 0.2)),  # arms
    ((0.33, 0.41, 0.3, 0.55), 0.025, (0.85, 0.65, 0.5)),
    ((0.58, 0.27, 0.67, 0.41), 0.03, (0.7, 0.2, 0.2)),
    ((0.67, 0.41, 0.7, 0.55), 0.025, (0.85, 0.65, 0.5)),
    ((0.5, 0.13, 0.5, 0.17), 0.055, (0.85, 0.65, 0.5)),  # head
)
BOX = (0.27, 0.07, 0.73, 0.97)
"""The figure's box, as shares of the image."""


def figure(height: int, width: int) -> Tensor:
    """A crude upright person seen from the front on grey, (1,3,H,W) in [0,1]."""
    y, x = torch.meshgrid((torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij")
    image = torch.full((3, height, width), 0.5)
    for (x0, y0, x1, y1), radius, colour in _FIGURE:
        along = (((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)).clamp(0, 1)
        distance = torch.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0))
        image = torch.where(distance < radius, torch.tensor(colour)[:, None, None], image)
    return image[None]


def smooth(n: int, height: int, width: int, seed: int) -> Tensor:
    """Seeded smooth colour, (n,3,H,W) in [0,1]."""
    coarse = torch.rand(n, 3, 8, 8, generator=generator(seed))
    return F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
