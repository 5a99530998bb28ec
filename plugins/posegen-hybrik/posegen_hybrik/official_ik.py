"""HybrIK's inverse kinematics as published (https://github.com/jeffffffli/HybrIK): for parity, not for training.

Its joints are followed one after the other, the skeleton is detached, and the 24-joint variant turns the right hand
towards the pelvis. Gradients reach the skeleton only through bones that end within 15 mm of their target.
"""

from __future__ import annotations

import torch
from torch import Tensor

from posegen_hybrik.ik import PELVIS
from posegen_hybrik.rotations import cross_matrix, kabsch
from posegen_hybrik.skeleton import CHILDREN, END, JOINTS, OFFICIAL_CHILDREN_24, PARENTS

TOLERANCE = 0.015  # metres
EPS = 1e-8


def solve(skeleton: Tensor, rest: Tensor, phi: Tensor, ends: Tensor | None = None, naive: bool = False) -> Tensor:
    """-> local rotations (N,24,3,3), from the arguments of ``ik.solve``.

    naive: the path that upstream trains with (bones take the skeleton's directions), which exists for 29 joints only.
    Otherwise its evaluation path: a bone points from where the solved chain has arrived to the child's target, unless
    that is more than 15 mm from the bone's direction in the skeleton.
    """
    children = OFFICIAL_CHILDREN_24 if ends is not None else CHILDREN
    bones, wanted = _bones(rest), _bones(skeleton).detach()
    wanted[:, 0] = bones[:, 0]
    target = skeleton - skeleton[:, :1] + bones[:, :1]
    phi = phi / (_length(phi) + EPS)
    root = _naive_root(bones, wanted) if naive else kabsch(bones[:, PELVIS], wanted[:, PELVIS])
    world, local, place = [root], [root], [rest[:, 0]]
    used = 0
    for i in range(1, JOINTS):
        before, child = world[PARENTS[i]], children[i]
        place.append(place[PARENTS[i]] + _turn(before, bones[:, i]))
        if child == END:
            assert ends is not None
            turned = ends[:, used]
            used += 1
        else:
            towards = wanted[:, child] if naive else _adapted(target[:, child] - place[i], wanted, bones, child)
            swing = _rodrigues(bones[:, child], _turn(before.transpose(1, 2), towards))
            axis = bones[:, child] / (_length(bones[:, child]) + (EPS if naive else 0))
            turned = swing @ _about(axis, phi[:, i - 1, :1], phi[:, i - 1, 1:])
        local.append(turned)
        world.append(before @ turned)
    return torch.stack(local, dim=1)


def _adapted(bone: Tensor, wanted: Tensor, bones: Tensor, child: int) -> Tensor:
    scaled = wanted[:, child] * _length(bones[:, child]) / _length(wanted[:, child])
    return torch.where(_length(bone - scaled) > TOLERANCE, scaled, bone)


def _naive_root(bones: Tensor, wanted: Tensor) -> Tensor:
    """The swing that brings the spine into place, then a turn about it that does so for the hips' middle."""
    spine = _rodrigues(bones[:, 3], wanted[:, 3])
    axis = wanted[:, 3] / (_length(wanted[:, 3]) + EPS)
    is_, should = _turn(spine, (bones[:, 1] + bones[:, 2]) / 2), (wanted[:, 1] + wanted[:, 2]) / 2
    flat = [v - (v * axis).sum(-1, keepdim=True) * axis for v in (is_, should)]
    return _rodrigues(*flat) @ spine


def _rodrigues(a: Tensor, b: Tensor) -> Tensor:
    """The rotation from vectors a to b, (N,3) of any length."""
    cross = torch.linalg.cross(a, b)
    norm, lengths = _length(cross), _length(a) * _length(b) + EPS
    return _about(cross / (norm + EPS), (a * b).sum(-1, keepdim=True) / lengths, norm / lengths)


def _about(axis: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    k = cross_matrix(axis)
    eye = torch.eye(3, dtype=axis.dtype, device=axis.device)
    turn: Tensor = eye + sine[..., None] * k + (1 - cosine[..., None]) * (k @ k)
    return turn


def _bones(joints: Tensor) -> Tensor:
    """(N,J,3) -> each joint minus its parent; the root stays as it is."""
    return torch.cat([joints[:, :1], joints[:, 1:] - joints[:, PARENTS[1 : joints.shape[1]]]], dim=1)


def _turn(rotation: Tensor, vector: Tensor) -> Tensor:
    return (rotation @ vector[..., None])[..., 0]


def _length(vector: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vector, dim=-1, keepdim=True)
    return length
