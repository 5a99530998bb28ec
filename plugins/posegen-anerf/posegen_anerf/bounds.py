"""Where the reference march looks: a cylinder that stands around the person, and its box in the picture.

The cylinder stands along y (down) of whichever frame the joints are given in. Lengths in NeRF units.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

EXTENSION = 0.25
ABOVE, BELOW = 1.6, 1.1
"""How far the cylinder reaches beyond the joints: sideways, and in these shares above and below."""
CORNERS = 50
"""Points on each rim whose projections bound the box."""


def cylinder(joints: Tensor) -> Tensor:
    """Joints (N,24,3), root first -> (N,5): x and z of the axis, radius, y of the top and of the bottom."""
    root = joints[:, 0]
    radius = (joints - root[:, None])[..., [0, 2]].norm(dim=-1).amax(1) + EXTENSION
    top = joints[..., 1].amin(1) - EXTENSION * ABOVE
    bottom = joints[..., 1].amax(1) + EXTENSION * BELOW
    return torch.stack([root[:, 0], root[:, 2], radius, top, bottom], dim=-1)


def rims(cylinders: Tensor) -> Tensor:
    """Cylinders (N,5) -> points on their upper and lower rims, (N,100,3)."""
    turn = torch.linspace(0, 2 * math.pi, CORNERS, dtype=cylinders.dtype, device=cylinders.device)
    x, z, radius, top, bottom = (cylinders[:, i, None] for i in range(5))
    x, z = x + turn.cos() * radius, z + turn.sin() * radius
    upper, lower = (torch.stack([x, y.expand_as(x), z], dim=-1) for y in (top, bottom))
    return torch.cat([upper, lower], dim=1)


def box(points: Tensor, intrinsics: Tensor, width: int, height: int) -> tuple[int, int, int, int]:
    """Points (P,3) in camera axes and intrinsics (3,3) -> the pixels around them: x0, y0, x1, y1 (ends excluded).

    Rounded like the official code, which however never draws an image's last row and column. Where points lie behind
    the camera, all pixels; where all do, none.
    """
    ahead = points[:, 2] > 1e-6
    if not bool(ahead.all()):
        return (0, 0, width, height) if bool(ahead.any()) else (0, 0, 0, 0)
    seen = points @ intrinsics.T
    centre = intrinsics[:2, 2]
    off = seen[:, :2] / seen[:, 2:] - centre
    low = (off.amin(0).floor() + centre.floor()).tolist()
    high = (off.amax(0).ceil() + centre.floor()).tolist()
    x0, y0 = (int(min(max(v, 0), n)) for v, n in zip(low, (width, height), strict=True))
    x1, y1 = (int(min(max(v, 0), n)) for v, n in zip(high, (width, height), strict=True))
    return x0, y0, x1, y1


def near_far(origins: Tensor, directions: Tensor, bounds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rays (R,3) and one cylinder (5,), endless -> where each enters and leaves it (R,), and whether it does (R,).

    In lengths of ``directions``, from 0 on. (The official code gives rays that miss the mean of the others.)
    """
    to_axis = bounds[:2] - origins[:, [0, 2]]
    along = directions[:, [0, 2]]
    scale = along.norm(dim=-1)
    aside = (to_axis[:, 0] * along[:, 1] - to_axis[:, 1] * along[:, 0]).abs() / scale
    half = (bounds[2] ** 2 - aside**2).clamp(min=0).sqrt()
    middle = (to_axis * along).sum(-1) / scale
    hit = (aside < bounds[2]) & (middle + half > 0)  # a ray along the axis has no scale, and no hit
    near = torch.where(half < middle, (middle - half) / scale, torch.zeros_like(scale))
    return near, (middle + half) / scale, hit
