"""The crops of the published evaluation scripts, whose corners are whole pixels.

Training uses ``posegen.geometry.resample``, whose corners move smoothly with the box; these differ from it by up to a
pixel of the picture. Both are differentiable in the image.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Corners = Literal["truncated", "rounded"]


def integer_crop(
    image: Tensor, centre: Tensor, side: Tensor, size: tuple[int, int], corners: Corners, *, antialias: bool = False
) -> Tensor:
    """Images (N,C,H,W) -> crops (N,C,*size), black outside the image.

    centre (N,2) and side (N,): pixels, ``side`` is the crop's height.  corners: ``truncated`` towards zero as HMR and
    SPIN do it, ``rounded`` as CLIFF does.
    """
    low, high = whole_corners(centre, side, size, corners)
    return torch.cat([_one(image[i : i + 1], low[i], high[i], size, antialias) for i in range(len(image))])


def whole_corners(centre: Tensor, side: Tensor, size: tuple[int, int], corners: Corners) -> tuple[Tensor, Tensor]:
    """The first pixel (N,2) x, y of such a crop, and the first one behind it."""
    half = torch.stack([side * size[1] / size[0], side], dim=1) / 2
    low, high = (c.trunc() if corners == "truncated" else (c + 0.5).floor() for c in (centre - half, centre + half))
    return low.long(), high.long()


def _one(image: Tensor, low: Tensor, high: Tensor, size: tuple[int, int], antialias: bool) -> Tensor:
    (x0, y0), (x1, y1) = low.tolist(), torch.maximum(high, low + 1).tolist()
    inside = image[:, :, max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    left, top = min(max(-x0, 0), x1 - x0), min(max(-y0, 0), y1 - y0)
    whole = F.pad(inside, (left, x1 - x0 - left - inside.shape[3], top, y1 - y0 - top - inside.shape[2]))
    return F.interpolate(whole, size, mode="bilinear", align_corners=False, antialias=antialias)
