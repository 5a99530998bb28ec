"""Volume rendering (Eq 12)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

PADDING = 0.001
"""Colours reach a little below 0 and above 1, so that pure black and white can be learned."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What R rays saw. rgb: (R,3), over black.  alpha: (R,) opacity.  disparity: (R,) 1 / mean depth, 0 where empty.

    sample_alpha, weights: (R,S) each sample's opacity, and its share in the colour.
    """

    rgb: Tensor
    alpha: Tensor
    disparity: Tensor
    sample_alpha: Tensor
    weights: Tensor


def colour(raw: Tensor) -> Tensor:
    """The network's first three outputs -> rgb."""
    return torch.sigmoid(raw) * (1 + 2 * PADDING) - PADDING


def integrate(raw: Tensor, depths: Tensor, directions: Tensor, density_scale: float = 1.0) -> Rendered:
    """raw (R,S,4) of samples at depths (R,S), ascending, along directions (R,3) -> what the rays see.

    The last sample reaches to infinity.
    """
    length = directions.norm(dim=-1, keepdim=True)
    steps = torch.cat([depths.diff(dim=-1), depths.new_full((len(depths), 1), 1e10)], dim=-1) * length
    alpha = 1 - torch.exp(-F.relu(raw[..., 3] / density_scale) * steps)
    passed = F.pad(torch.cumprod(1 - alpha + 1e-10, dim=-1)[:, :-1], (1, 0), value=1.0)
    weights = alpha * passed
    total = weights.sum(-1)
    depth = (weights * depths).sum(-1) / (total + 1e-10)
    disparity = torch.where(total > 1e-8, 1 / depth.clamp(min=1e-10), torch.zeros_like(depth))
    rgb = (weights[..., None] * colour(raw[..., :3])).sum(-2)
    return Rendered(rgb, total.clamp(max=1), disparity, alpha, weights)
