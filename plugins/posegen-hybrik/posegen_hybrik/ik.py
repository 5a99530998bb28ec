"""Analytic-neural inverse kinematics (Li et al. 2021): a skeleton and twists in, SMPL's rotations out; differentiable.

Nothing is detached, so that a loss on rotations trains the skeleton too. ``official_ik`` is what was published.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from posegen_hybrik.rotations import best_rotation, direction, swing, twist
from posegen_hybrik.skeleton import CHILDREN, CHILDREN_24, END, ENDS, JOINTS, PARENTS

PELVIS = [3, 1, 2]  # the joints around the pelvis, which together say how it is turned


def _levels() -> list[list[int]]:
    """Joints by their distance from the root: a level is solved at once."""
    depth = [0]
    for parent in PARENTS[1:JOINTS]:
        depth.append(depth[parent] + 1)
    return [[j for j, d in enumerate(depth) if d == level] for level in range(max(depth) + 1)]


_LEVELS = _levels()
_ORDER = [joint for level in _LEVELS for joint in level]
_PLACE = [_ORDER.index(joint) for joint in range(JOINTS)]


def solve(skeleton: Tensor, rest: Tensor, phi: Tensor, ends: Tensor | None = None) -> Tensor:
    """-> local rotations (N,24,3,3), the root's from the body's axes to the skeleton's.

    skeleton, rest: (N,J,3) metres, J is 24 or 29, any origin; rest is the shaped body's rest pose.  phi: (N,23,2),
    cosine and sine of each joint's twist about its bone, of any length.  ends: (N,5,3,3), rotations of
    ``skeleton.ENDS``, which without leaves point nowhere; None is no rotation.

    Every bone to a chosen child takes the skeleton's direction; lengths are the body's. A bone of no length, a bone
    turned by half a turn, and a twist of length zero all have a rotation, and finite gradients.
    """
    children = [j if child == END else child for j, child in enumerate(_children(skeleton))]
    axis = _directions(rest, children)
    target = _directions(skeleton, children)
    bare = torch.linalg.vector_norm(target.detach(), dim=-1, keepdim=True) < 0.5
    twists = twist(axis[:, 1:], phi)
    root = best_rotation(rest[:, PELVIS] - rest[:, :1], skeleton[:, PELVIS] - skeleton[:, :1])[:, None]
    local, world = [root], root
    for above, level in itertools.pairwise(_LEVELS):
        parent = world[:, [above.index(PARENTS[j]) for j in level]]
        wanted = (parent.transpose(2, 3) @ target[:, level, :, None])[..., 0]
        towards = torch.where(bare[:, level], axis[:, level], wanted)
        turned = swing(axis[:, level], towards) @ twists[:, [j - 1 for j in level]]
        local.append(turned)
        world = parent @ turned
    rotations = torch.cat(local, dim=1)[:, _PLACE]
    if skeleton.shape[1] > JOINTS:
        return rotations
    free = torch.eye(3, dtype=rest.dtype, device=rest.device).expand(len(rest), len(ENDS), 3, 3)
    return rotations.index_copy(1, torch.tensor(ENDS, device=rest.device), free if ends is None else ends)


def twists(rotations: Tensor, rest: Tensor) -> Tensor:
    """Local rotations (N,24,3,3) and the rest pose (N,J,3) -> phi (N,23,2): how far each joint turns about its bone.

    What ``solve`` needs to give these rotations back. Where a joint has no bone of its own it is (1, 0).
    """
    children = [j if child == END else child for j, child in enumerate(_children(rest))]
    axis = _directions(rest, children)[:, 1:]
    moved = (rotations[:, 1:] @ axis[..., None])[..., 0]
    about = swing(axis, moved).transpose(2, 3) @ rotations[:, 1:]  # a turn about the bone alone
    cosine = (about.diagonal(dim1=2, dim2=3).sum(-1) - 1) / 2
    x, y, z = (about[..., i, j] - about[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0)))
    phi = torch.stack([cosine, (axis * torch.stack([x, y, z], -1)).sum(-1) / 2], dim=-1)
    missing = torch.linalg.vector_norm(axis, dim=-1, keepdim=True) < 0.5
    return torch.where(missing, phi.new_tensor([1.0, 0.0]), phi)


def _children(points: Tensor) -> tuple[int, ...]:
    return CHILDREN if points.shape[1] > JOINTS else CHILDREN_24


def _directions(points: Tensor, children: list[int]) -> Tensor:
    """(N,J,3) -> unit vectors (N,24,3) from each joint to its child; zero where there is no bone."""
    bone = points[:, children] - points[:, :JOINTS]
    return direction(bone, torch.zeros_like(bone))
