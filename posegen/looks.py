"""A second look at a picture, turned so that the person, as first seen, stands upright in it.

BlazePose's published pipeline (Bazarevsky et al. 2020) turns its crops so, by what it saw a frame before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch import Tensor

from posegen.body.joints import JOINT_SETS
from posegen.geometry import resample, roll_to_rotmat, rotmat_to_rotvec, rotvec_to_rotmat
from posegen.types import Estimate, JointSet

if TYPE_CHECKING:
    from torch import nn

    from posegen.protocols import PoseEstimator

Looks = Literal[1, 2]
"""An estimator's option of that name."""
Look = Callable[[Tensor, Tensor | None], Estimate]
"""One look: crops and their context, where the estimator has one."""

TILTED = math.radians(15)  # untrained eyes see less than half of a lean; who seems to lean less is looked at once
HIPS, SHOULDERS = slice(4, 6), slice(10, 12)  # of the limb joints


class Looking(Protocol):
    """An estimator that may look twice."""

    @property
    def joint_set(self) -> str: ...
    @property
    def module(self) -> nn.Module: ...
    @property
    def looks(self) -> int: ...


def lean(joints: Tensor, joint_set: JointSet) -> Tensor:
    """Joints (N,J,3), camera axes -> (N,) radians by which hips to shoulders leans clockwise from up in the picture."""
    limbs = joints[:, list(joint_set.limbs), :2]
    x, y = (limbs[:, SHOULDERS].mean(1) - limbs[:, HIPS].mean(1)).unbind(-1)
    return torch.atan2(x, -y)


def tilt(joints: Tensor, joint_set: JointSet) -> Tensor:
    """The lean (N,) of joints (N,J,3) where it counts, and 0 where a person is upright enough."""
    angle = lean(joints, joint_set)
    return torch.where(angle.abs() > TILTED, angle, 0)


def upright(crop: Tensor, angle: Tensor) -> Tensor:
    """Crops (N,3,H,W) of people who lean clockwise by angle (N,) radians, turned about the middle until they do not.

    What comes in from outside the crop is black.
    """
    height, width = crop.shape[-2:]
    middle, side = crop.new_tensor([width / 2, height / 2]), crop.new_full((len(crop),), float(height))
    return resample(crop, middle.expand(len(crop), 2), side, (height, width), angle=angle)


def turned(seen: Estimate, angle: Tensor) -> Estimate:
    """What was seen, turned clockwise about the viewing axis by angle (N,) radians. There are no marginals of that."""
    turn = roll_to_rotmat(angle)
    orient = None if seen.global_orient is None else rotmat_to_rotvec(turn @ rotvec_to_rotmat(seen.global_orient))
    camera = seen.camera
    if camera is not None:
        camera = torch.cat([camera[:, :1], (turn[:, :2, :2] @ camera[:, 1:, None])[..., 0]], dim=1)
    joints = seen.joints @ turn.transpose(1, 2)
    return replace(seen, joints=joints, global_orient=orient, camera=camera, marginals=None)


def look(estimator: Looking, once: Look, crop: Tensor, context: Tensor | None = None) -> Estimate:
    """What an estimator sees in crops (N,3,H,W). While it learns, it looks once."""
    if estimator.looks == 1 or estimator.module.training:
        return once(crop, context)
    return twice(once, crop, JOINT_SETS[estimator.joint_set], context)


def of(estimator: PoseEstimator) -> int:
    """How often an estimator looks."""
    times: int = getattr(estimator, "looks", 1)
    return times


def twice(look: Look, crop: Tensor, joint_set: JointSet, context: Tensor | None = None) -> Estimate:
    """What ``look`` sees in crops (N,3,H,W); of people who lean, when they are turned upright by that.

    context (N,k): where crops are in their pictures, as ``look`` takes it: right and down first.
    """
    seen = replace(look(crop, context), marginals=None)
    angle = tilt(seen.joints.detach(), joint_set)
    (index,) = angle.nonzero(as_tuple=True)
    if not len(index):
        return seen
    angle = angle[index]
    if context is not None:  # a camera that rolls sees the crop elsewhere
        place = (roll_to_rotmat(-angle)[:, :2, :2] @ context[index, :2, None])[..., 0]
        context = torch.cat([place, context[index, 2:]], dim=1)
    again = turned(look(upright(crop[index], angle), context), angle)
    better = {
        name: value.index_copy(0, index, getattr(again, name).to(value))
        for name in ("joints", "body_pose", "global_orient", "betas", "camera", "visibility")
        if (value := getattr(seen, name)) is not None
    }
    return replace(seen, **better)
