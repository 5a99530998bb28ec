"""Many people at once, each with a shape and a root rotation of their own: what evaluations on SMPL files need.

``Body`` has one shape; here the shape differs from person to person, as an estimator's output does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from posegen.body.arrays import Array, BodyArrays
from posegen.body.joints import PARENTS
from posegen.body.kinematics import forward_kinematics, skin, skinning_transforms
from posegen.geometry import rotvec_to_rotmat


class ShapedBody:
    """SMPL (Loper et al. 2015) in float32: poses (N,24,3) axis-angle, root first, and betas (N,10), together."""

    def __init__(self, arrays: BodyArrays) -> None:
        self.source, self.template = arrays.source, _float(arrays.v_template)
        self.shapedirs = _float(arrays.shapedirs[..., :10])
        self.posedirs = None if arrays.posedirs is None else _float(arrays.posedirs).reshape(-1, 207)
        self.weights, self.regressor = _float(arrays.weights), _float(arrays.J_regressor)

    def posed(self, pose: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """-> vertices (N,V,3) and joints smpl24 (N,24,3), metres, in SMPL's own origin: its rest pelvis stays put."""
        turns = rotvec_to_rotmat(pose.float())
        shaped = self.template + torch.einsum("vcb,nb->nvc", self.shapedirs, betas.float())
        rest = self.regressor @ shaped
        if self.posedirs is not None:
            feature = (turns[:, 1:] - torch.eye(3)).flatten(1)
            shaped = shaped + (feature @ self.posedirs.T).reshape(shaped.shape)
        offset = rest[:, :1]
        frames = forward_kinematics(turns, rest - offset)
        vertices = skin(shaped - offset, self.weights, skinning_transforms(frames, rest - offset))
        return vertices + offset, frames[..., :3, 3] + offset


def global_rotations(pose: Tensor) -> Tensor:
    """Poses (N,24,3) axis-angle, root first -> global rotations (N,24,3,3), each bone's axes to the root's outside."""
    return forward_kinematics(rotvec_to_rotmat(pose), pose.new_zeros(len(PARENTS), 3))[..., :3, :3]


def _float(array: Array) -> Tensor:
    return torch.tensor(array, dtype=torch.float32)  # a copy: what a file was read into may be read-only
