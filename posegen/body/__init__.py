"""The body: theta and a fixed shape in, joints of any named set and vertices out. Nothing here imports smplx eagerly."""

from __future__ import annotations

from posegen.body.arrays import BodyArrays
from posegen.body.joints import JOINT_SETS, PARENTS
from posegen.body.kinematics import forward_kinematics, skin, skinning_transforms
from posegen.body.model import Body


__all__ = [
    "JOINT_SETS",
    "PARENTS",
    "Body",
    "BodyArrays",
    "forward_kinematics",
    "skin",
    "skinning_transforms",
]
