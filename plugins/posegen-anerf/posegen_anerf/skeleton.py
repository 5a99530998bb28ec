"""From a pose to the bones' frames, in the field's units.

A field sees only points in bone axes, so where its world stands is a convention. Ours is that of the published data:
PoseGen's world (pelvis at the origin) turned upside down, ``diag(1,-1,-1)``, because there y points down, and scaled.
"""

from __future__ import annotations

import torch
from torch import Tensor

from posegen.body import forward_kinematics
from posegen.geometry import rotvec_to_rotmat
from posegen.types import Camera

EXT_SCALE = 0.25 / 0.00035 * 0.001
"""0.714, which the published data scale a rest pose of 2.5 m to the metre by."""
UNIT = EXT_SCALE / 0.4
"""NeRF units in a metre, 1.786."""
FLIP = (1.0, -1.0, -1.0)
"""PoseGen's world axes to those of the field (y down), and back."""


def bones_to_world(pose: Tensor, rest_joints: Tensor) -> Tensor:
    """theta (N,23,3) and rest joints (24,3) metres -> world to bone transforms (N,24,4,4) in NeRF units ("skts").

    The inverse of ``l2w`` of the official code, of an upright person. Differentiable.
    """
    turns = rotvec_to_rotmat(pose)
    root = torch.eye(3, dtype=turns.dtype, device=turns.device).expand(len(pose), 1, 3, 3)
    frames = forward_kinematics(torch.cat([root, turns], dim=1), (rest_joints - rest_joints[:1]).to(turns))
    back = frames[..., :3, :3].transpose(-1, -2)
    moved = -(back @ frames[..., :3, 3:]) * UNIT
    bottom = turns.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(pose), 24, 1, 4)
    return torch.cat([torch.cat([back * turns.new_tensor(FLIP), moved], dim=-1), bottom], dim=-2)


def in_camera(skts: Tensor, camera: Camera) -> Tensor:
    """World to bone transforms (N,24,4,4) -> camera to bone, NeRF units: each camera's axes become the world's."""
    turn = skts[..., :3, :3] @ (camera.rotation * camera.rotation.new_tensor(FLIP)).transpose(-1, -2)[:, None]
    move = skts[..., :3, 3:] - UNIT * (turn @ camera.translation[:, None, :, None])
    return torch.cat([torch.cat([turn, move], dim=-1), skts[..., 3:, :]], dim=-2)


def joints_of(skts: Tensor) -> Tensor:
    """World to bone transforms (...,24,4,4) -> joints (...,24,3), NeRF units and world."""
    return -(skts[..., :3, :3].transpose(-1, -2) @ skts[..., :3, 3:])[..., 0]
