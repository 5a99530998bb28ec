"""Where a person can be: capsules around the bones, and what rays cross of them. NeRF units and world."""

from __future__ import annotations

import torch
from torch import Tensor

from posegen.body import PARENTS
from posegen_anerf.fast.capsules import TIPS
from posegen_anerf.skeleton import UNIT, joints_of

_CHILD = list(range(1, 24))
_PARENT = [PARENTS[j] for j in _CHILD]
_RADII = (
    *(0.13, 0.13, 0.15, 0.10, 0.10, 0.15, 0.08, 0.08, 0.15, 0.08, 0.08, 0.10),  # bones to joints 1 .. 12
    *(0.12, 0.12, 0.11, 0.11, 0.11, 0.08, 0.08, 0.06, 0.06, 0.06, 0.06),  # 13 .. 23
    *(0.13, 0.06, 0.06, 0.07, 0.07),  # crown, fingers, toes
)
_FAR = 1e9


def typical_radii() -> Tensor:
    """Radii (28,) of an adult in close clothes: the 23 bones by their outer joint, then crown, fingers and toes."""
    return torch.tensor(_RADII) * UNIT


def segments(skts: Tensor) -> tuple[Tensor, Tensor]:
    """World to bone transforms (R,24,4,4) -> ends (R,28,3) and (R,28,3) of the capsules' axes."""
    joints = joints_of(skts)
    tips, places = list(TIPS), skts.new_tensor(list(TIPS.values())) * UNIT
    ends = joints[:, tips] + (skts[:, tips, :3, :3].transpose(-1, -2) @ places[..., None])[..., 0]
    return torch.cat([joints[:, _PARENT], joints[:, tips]], 1), torch.cat([joints[:, _CHILD], ends], 1)


def crossings(origins: Tensor, directions: Tensor, ends: tuple[Tensor, Tensor], radii: Tensor) -> tuple[Tensor, Tensor]:
    """Rays (R,3), (R,3) and capsules (R,M,3), (R,M,3), (M,) -> depths (R,M) of entry and exit; none: entry > exit."""
    a, b = ends
    axis, away, d = b - a, origins[:, None] - a, directions[:, None]
    aa, ad, ao = axis.square().sum(-1), (axis * d).sum(-1), (axis * away).sum(-1)
    dd, do, oo = d.square().sum(-1), (d * away).sum(-1), away.square().sum(-1)
    square = radii.square()
    p, q, r = aa * dd - ad * ad, aa * do - ao * ad, aa * oo - ao * ao - square * aa  # the infinite cylinder
    root = q * q - p * r
    near, far = torch.full_like(q, _FAR), torch.full_like(q, -_FAR)
    for sign in (-1.0, 1.0):
        t = (-q + sign * root.clamp(min=0).sqrt()) / p.clamp(min=1e-12)
        along = ao + t * ad
        on = (root > 0) & (p > 1e-12) & (along >= 0) & (along <= aa)
        near, far = torch.where(on, torch.minimum(near, t), near), torch.where(on, torch.maximum(far, t), far)
    for end in (a, b):  # the spheres at both ends
        out = origins[:, None] - end
        half, rest = (d * out).sum(-1), out.square().sum(-1) - square
        root = half * half - dd * rest
        for sign in (-1.0, 1.0):
            t = (-half + sign * root.clamp(min=0).sqrt()) / dd
            near = torch.where(root > 0, torch.minimum(near, t), near)
            far = torch.where(root > 0, torch.maximum(far, t), far)
    return near.clamp(min=0.0), far


def distances(points: Tensor, ends: tuple[Tensor, Tensor]) -> Tensor:
    """Points (R,S,3) -> distances (R,S,M) to the axes."""
    a, b = (end[:, None] for end in ends)
    axis, away = b - a, points[:, :, None] - a
    along = ((away * axis).sum(-1) / axis.square().sum(-1).clamp(min=1e-12)).clamp(0, 1)
    distance: Tensor = (away - along[..., None] * axis).norm(dim=-1)
    return distance


def ray_distances(origins: Tensor, directions: Tensor, ends: tuple[Tensor, Tensor]) -> Tensor:
    """How near rays (R,3), (R,3) come to each axis: (R,M)."""
    a, b = ends
    axis, away, d = b - a, origins[:, None] - a, directions[:, None]
    aa, ad, ao = axis.square().sum(-1), (axis * d).sum(-1), (axis * away).sum(-1)
    dd, do = d.square().sum(-1), (d * away).sum(-1)
    along = ((dd * ao - ad * do) / (aa * dd - ad * ad).clamp(min=1e-12)).clamp(0, 1)
    place = a + along[..., None] * axis
    t = (((place - origins[:, None]) * d).sum(-1) / dd).clamp(min=0)
    distance: Tensor = (origins[:, None] + t[..., None] * d - place).norm(dim=-1)
    return distance
