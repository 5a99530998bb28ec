"""Axis-angle and rotation matrices, with gradients that stay finite at zero rotation and at pi."""

from __future__ import annotations

import roma
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
