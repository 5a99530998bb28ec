"""The body: theta in; joints of a named set, or vertices, out. smplx is imported when asked for vertices."""

from __future__ import annotations

from posegen.body.arrays import BodyArrays
from posegen.body.joints import JOINT_SETS, PARENTS
from posegen.body.kinematics import forward_kinematics, skin, skinning_transforms
from posegen.body.model import Body
from posegen.body.official import load_body, read_smpl
from posegen.body.skeleton import Skeleton

__all__ = [
    "JOINT_SETS",
    "PARENTS",
    "Body",
    "BodyArrays",
    "Skeleton",
    "forward_kinematics",
    "load_body",
    "read_smpl",
    "skin",
    "skinning_transforms",
]
