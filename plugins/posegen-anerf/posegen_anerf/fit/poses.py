"""Poses that are estimates, refined while the field is learned (A-NeRF's core idea)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posegen.geometry import rot6d_to_rotmat, rotmat_to_rotvec, rotvec_to_rotmat
from posegen_anerf.fit.losses import acceleration, pose_distance
from posegen_anerf.skeleton import FLIP, UNIT, bones_to_world, joints_of


class Poses(nn.Module):
    """P poses as rotations in 6D (Zhou et al. 2019): two columns, which need not be orthonormal.

    The root turns and moves the whole body against its cameras: it starts at no turn and no move.
    """

    given: Tensor

    def __init__(self, poses: Tensor, rest_joints: Tensor, clip: Tensor) -> None:
        """poses: theta (P,23,3).  rest_joints: (24,3) metres.  clip: (P,) see ``Views``."""
        super().__init__()
        root = torch.eye(3).expand(len(poses), 1, 3, 3)
        columns = torch.cat([root, rotvec_to_rotmat(poses)], 1)[..., :2].clone()
        self.register_buffer("given", columns)
        self.turns = nn.Parameter(columns.clone())
        self.pelvis = nn.Parameter(torch.zeros(len(poses), 3))
        self._rest, self._clip = rest_joints, clip

    def skts(self, index: Tensor | None = None) -> Tensor:
        """World to bone transforms (I,24,4,4) of some poses, or of all, NeRF units; differentiable."""
        turns, pelvis = (self.turns, self.pelvis) if index is None else (self.turns[index], self.pelvis[index])
        rotations = rot6d_to_rotmat(turns.flatten(-2))
        bones = bones_to_world(rotmat_to_rotvec(rotations[:, 1:]), self._rest)
        flip = turns.new_tensor(FLIP)
        back = rotations[:, 0].transpose(1, 2) * flip[:, None] * flip  # the root undone, in the field's world
        moved = -(back @ (UNIT * pelvis * flip)[..., None])
        undo = torch.cat([torch.cat([back, moved], -1), F.pad(moved.new_ones(len(moved), 1, 1), (3, 0))], 1)
        return bones @ undo[:, None]

    def theta(self) -> tuple[Tensor, Tensor]:
        """The poses as they are now, root first (P,24,3) axis-angle, and the pelvis (P,3), metres."""
        return rotmat_to_rotvec(rot6d_to_rotmat(self.turns.flatten(-2))).detach(), self.pelvis.detach()

    def regulariser(self, moved: Tensor, weight: float, tolerance: float, smooth: float) -> Tensor:
        """The pose and smoothness terms of Eq 11 of the poses ``moved`` (M,).

        Both leave the root out: it is only a correction of each given root, whose jitter it may have to undo.
        """
        out = weight * pose_distance(self.turns[moved], self.given[moved], tolerance)
        if smooth:
            turns = self.turns[:, 1:]
            joints = joints_of(bones_to_world(rotmat_to_rotvec(rot6d_to_rotmat(turns.flatten(-2))), self._rest))
            for values in (turns, joints):
                out = out + smooth * acceleration(values, self._clip, moved)
        return out
