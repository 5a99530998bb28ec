"""Axis-angle, six numbers and rotation matrices, with gradients that stay finite at zero rotation and at pi."""

from __future__ import annotations

import roma
import torch
import torch.nn.functional as F
from torch import Tensor


def rotvec_to_rotmat(rotvec: Tensor) -> Tensor:
    """Axis-angle in radians (...,3) -> rotation matrices (...,3,3)."""
    matrix: Tensor = roma.rotvec_to_rotmat(rotvec)
    return matrix


def rotmat_to_rotvec(matrix: Tensor) -> Tensor:
    """Rotation matrices (...,3,3) -> axis-angle in radians (...,3), the shortest one: its length is at most pi.

    At exactly pi the axis may point either way; both are the same rotation.
    """
    # Through the quaternion: the trace formula would divide by sin(angle), which is zero at 0 and at pi.
    rotvec: Tensor = roma.rotmat_to_rotvec(matrix)
    return rotvec


def roll_to_rotmat(angle: Tensor) -> Tensor:
    """(N,) radians -> rotations (N,3,3) of camera axes (x right, y down) that turn clockwise in the picture."""
    return rotvec_to_rotmat(angle[:, None] * angle.new_tensor([0.0, 0.0, 1.0]))


def rot6d_to_rotmat(numbers: Tensor) -> Tensor:
    """Six numbers a rotation (...,6) -> rotation matrices (...,3,3) (Zhou et al. 2019), as SPIN lays them out.

    They are the first two columns, row by row: ``r00 r01 r10 r11 r20 r21``; Gram-Schmidt makes them orthonormal.
    """
    columns = numbers.reshape(*numbers.shape[:-1], 3, 2)
    first = F.normalize(columns[..., 0], dim=-1)
    second = columns[..., 1] - (first * columns[..., 1]).sum(-1, keepdim=True) * first
    second = F.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)
