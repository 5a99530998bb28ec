"""What is true of pictures of people, and of the same pictures mirrored, turned, zoomed and shifted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from posegen.body.joints import JOINT_SETS
from posegen.geometry import roll_to_rotmat
from posegen.types import JointSet

ROTATIONS = 24
_ACROSS = (-1.0, 1.0, 1.0)  # a mirror image changes the sign of x
_SIDES = JOINT_SETS["smpl24"].opposite  # the joint that each one is in a mirror


@dataclass(frozen=True, slots=True)
class Labels:
    """The truth of n crops. NaN says that something is not known of a crop.

    joints (n,J,3): metres, camera axes, any origin.  rotations (n,24,3,3): of the root, body to camera axes, and of
    SMPL's 23 joints.  place (n,J,2): of the joints in the crop, right and down from its middle, in heights of the crop.
    """

    joints: Tensor
    rotations: Tensor
    place: Tensor

    @classmethod
    def of_joints(cls, joints: Tensor) -> Labels:
        """Joints (n,J,3), and nothing else is known."""
        n = len(joints)
        unknown = joints.new_full((), torch.nan)
        return cls(joints, unknown.expand(n, ROTATIONS, 3, 3), unknown.expand(*joints.shape[:2], 2))

    def __len__(self) -> int:
        return len(self.joints)

    def __getitem__(self, index: Tensor | slice) -> Labels:
        return Labels(*(getattr(self, f.name)[index] for f in fields(self)))

    def to(self, device: str | torch.device) -> Labels:
        return Labels(*(getattr(self, f.name).to(device) for f in fields(self)))

    def where(self, chosen: Tensor, other: Labels) -> Labels:
        """These labels where ``chosen`` (n,) is set, and others elsewhere."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Labels(*(torch.where(chosen.view(-1, *[1] * (a.dim() - 1)), a, b) for a, b in pairs))

    def mirrored(self, joint_set: JointSet) -> Labels:
        """Of crops flipped left to right: left and right are exchanged, rotations are reflected."""
        flip = self.joints.new_tensor(_ACROSS)
        return Labels(
            joint_set.mirrored(self.joints),
            (flip[:, None] * self.rotations * flip)[:, _SIDES],
            self.place[:, joint_set.opposite] * flip[:2],
        )

    def moved(self, angle: Tensor, size: Tensor, shift: Tensor) -> Labels:
        """Of crops that are moved by ``shift`` (n,2), in heights of the crop right and down, made ``size`` (n,) times
        as large and then turned clockwise about their middle by ``angle`` (n,) radians."""
        turn = roll_to_rotmat(angle)
        place = (self.place + shift[:, None]) * size[:, None, None]
        return Labels(
            self.joints @ turn.transpose(1, 2),
            torch.cat([turn[:, None] @ self.rotations[:, :1], self.rotations[:, 1:]], dim=1),
            place @ turn[:, :2, :2].transpose(1, 2),
        )


def concatenate(parts: Iterable[Labels]) -> Labels:
    listed = list(parts)
    return Labels(*(torch.cat([getattr(p, f.name) for p in listed]) for f in fields(Labels)))
