"""The light on a person: one key light and the light that comes from everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor


@dataclass(frozen=True, slots=True)
class Light:
    """The light of N images. It is fixed to the camera, so that turning the body or moving the camera are one.

    direction: (N,3) towards the light, camera axes (x right, y down, z forward), any length.
    ambient: (N,) share in [0,1] of the light that comes from everywhere, a little more of it from above.
    colour: (N,3) RGB of the key light; 1 keeps a fully lit texture as it is.
    """

    direction: Tensor
    ambient: Tensor
    colour: Tensor

    @classmethod
    def random(cls, n: int, generator: Generator) -> Light:
        """n lights: from any side of the camera and mostly from above, warm or cold, hard or soft."""
        u = torch.rand(n, 5, generator=generator, device=generator.device)
        azimuth, height = (2 * u[:, 0] - 1) * 0.65 * math.pi, 1.2 * u[:, 1] - 0.2
        level = (1 - height**2).sqrt()
        direction = torch.stack([level * azimuth.sin(), -height, -level * azimuth.cos()], dim=1)
        warmth = 0.3 * u[:, 3:4] - 0.15
        tint = torch.cat([1 + warmth, torch.ones_like(warmth), 1 - warmth], dim=1)
        return cls(direction, 0.25 + 0.45 * u[:, 2], tint * (0.75 + 0.5 * u[:, 4:5]))
