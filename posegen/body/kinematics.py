"""Forward kinematics and linear blend skinning on SMPL's tree: batched, differentiable, any float type."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from posegen.body.joints import PARENTS


def _levels() -> list[list[int]]:
    """Joints by their distance from the root: a level is computed at once, 9 steps instead of 24."""
    depth: list[int] = []
    for parent in PARENTS:
        depth.append(0 if parent < 0 else depth[parent] + 1)
    return [[j for j, d in enumerate(depth) if d == level] for level in range(max(depth) + 1)]


_LEVELS = _levels()
_ORDER = [j for level in _LEVELS for j in level]  # the order in which the levels lie when concatenated
_PLACE = [_ORDER.index(j) for j in range(len(PARENTS))]
_STEPS = [[_LEVELS[i].index(PARENTS[j]) for j in level] for i, level in enumerate(_LEVELS[1:])]


def forward_kinematics(rotmats: Tensor, rest_joints: Tensor) -> Tensor:
    """Local rotations (N,24,3,3), root first, and rest joints (24,3) or (N,24,3) in metres -> frames (N,24,4,4).

    A frame maps its bone's axes to the world; ``frames[..., :3, 3]`` are the joints. The root stays at its rest place.
    """
    offsets = rest_joints - F.pad(rest_joints[..., list(PARENTS[1:]), :], (0, 0, 1, 0))
    local = torch.cat([rotmats, offsets[..., None].expand(len(rotmats), -1, -1, 1)], dim=-1)
    bottom = rotmats.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(rotmats), len(PARENTS), 1, 4)
    local = torch.cat([local, bottom], dim=-2)
    levels = [local[:, :1]]
    for joints, parents in zip(_LEVELS[1:], _STEPS, strict=True):
        levels.append(levels[-1][:, parents] @ local[:, joints])
    return torch.cat(levels, dim=1)[:, _PLACE]


def skinning_transforms(frames: Tensor, rest_joints: Tensor) -> Tensor:
    """Frames (N,24,4,4) -> transforms (N,24,4,4) that carry rest points (in ``rest_joints``' axes) into the pose."""
    moved = frames[..., :3, 3] - (frames[..., :3, :3] @ rest_joints[..., None])[..., 0]
    return torch.cat([frames[..., :3], F.pad(moved, (0, 1), value=1.0)[..., None]], dim=-1)


def skin(points: Tensor, weights: Tensor, transforms: Tensor) -> Tensor:
    """Linear blend skinning of any points, a subset of the vertices or another garment's.

    points: (P,3) or (N,P,3) metres, rest pose.  weights: (P,24), rows sum to 1.  transforms: (N,24,4,4) from
    ``skinning_transforms``.  Returns (N,P,3).
    """
    n = len(transforms)
    blended = (weights @ transforms[:, :, :3].reshape(n, -1, 12)).reshape(n, -1, 3, 4)
    return (blended[..., :3] @ points[..., None])[..., 0] + blended[..., 3]
