"""HybrIK's skeleton: SMPL's 24 joints and, in most variants, five leaves at the ends of its chains."""

from __future__ import annotations

from posegen.body import JOINT_SETS
from posegen.body import PARENTS as SMPL_PARENTS

JOINTS = 24
LEAVES = ("head_top", "left_middle_tip", "right_middle_tip", "left_big_toe", "right_big_toe")
"""The five leaves, as the open body names its landmarks."""

PARENTS = (*SMPL_PARENTS, 15, 22, 23, 10, 11)
"""Parent of each of the 29 joints; the first 24 alone are SMPL's."""

END = -1
CHILDREN = (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 27, 28, 15, 16, 17, 24, 18, 19, 20, 21, 22, 23, 25, 26)
"""The child that each of the 24 joints is turned towards: one, though the pelvis and the chest have three."""

CHILDREN_24 = tuple(child if child < JOINTS else END for child in CHILDREN)
"""The same without the leaves: the feet, the head and the hands (``ENDS``) have none."""

ENDS = tuple(joint for joint, child in enumerate(CHILDREN_24) if child == END)

OFFICIAL_CHILDREN_24 = (*CHILDREN_24[:23], 0)
"""What the published code uses: by an indexing accident the right hand is turned towards the pelvis."""

MIRROR_24 = JOINT_SETS["smpl24"].left_right
MIRROR_29 = (*MIRROR_24, (25, 26), (27, 28))
"""Joints that a mirror image exchanges."""


def mirrored(joints: int) -> list[int]:
    """Where each of the 24 or 29 joints is found in a mirror image."""
    order = list(range(joints))
    for left, right in MIRROR_29 if joints > JOINTS else MIRROR_24:
        order[left], order[right] = right, left
    return order
