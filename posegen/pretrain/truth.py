"""What a network should say about the pictures of a bank, and the same in a mirror."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from posegen.body import JOINT_SETS, Body
from posegen.datasets.poses import mirror
from posegen.geometry import orbit, rotvec_to_rotmat, view_rotation
from posegen.pretrain.bank import Bank
from posegen.types import JointSet

CHUNK = 1000  # people whose joints are computed at once


@dataclass(frozen=True, slots=True)
class Truth:
    """joints (n,J,3): metres, camera axes.  points (n,J,2): their pixels.  theta (n,23,3).  root (n,3,3): body
    to camera axes.  betas (n,10).  box (n,4): of the person, pixels."""

    joints: Tensor
    points: Tensor
    theta: Tensor
    root: Tensor
    betas: Tensor
    box: Tensor

    def __len__(self) -> int:
        return len(self.joints)

    def __getitem__(self, index: Tensor | slice) -> Truth:
        return Truth(*(getattr(self, f.name)[index] for f in fields(self)))

    def rotations(self) -> Tensor:
        """Root and body (n,24,3,3)."""
        return torch.cat([self.root[:, None], rotvec_to_rotmat(self.theta)], dim=1)


def truth_of(bank: Bank, bodies: Sequence[Body], joint_set: str, size: int, distance: float) -> Truth:
    """The truth for a whole bank. bodies: of the subjects, in the settings' order, on the CPU."""
    joints = torch.empty(len(bank), len(JOINT_SETS[joint_set]), 3)
    points = joints.new_empty((*joints.shape[:2], 2))
    betas = torch.stack([body.betas for body in bodies])[bank.subject]
    for who, body in enumerate(bodies):
        for index in torch.split((bank.subject == who).nonzero()[:, 0], CHUNK):
            theta, view = bank.theta[index], bank.view[index]
            joints[index] = body.joints(theta, view, joint_set)
            seen = joints[index] + orbit(view, distance=distance, size=size).translation[:, None]
            points[index] = bank.focal[index, None, None] * seen[..., :2] / seen[..., 2:] + bank.centre[index, None]
    return Truth(joints, points, bank.theta, view_rotation(bank.view), betas, bank.box)


def mirrored(truth: Truth, joint_set: JointSet, width: int) -> Truth:
    """The truth of pictures that are flipped left to right: joints and pixels change sides, rotations are reflected."""
    flip = truth.joints.new_tensor([-1.0, 1.0, 1.0])
    points = truth.points[:, joint_set.opposite] * flip[:2]
    points[..., 0] += width
    x0, y0, x1, y1 = truth.box.unbind(-1)
    return Truth(
        joints=joint_set.mirrored(truth.joints),
        points=points,
        theta=mirror(truth.theta),
        root=flip[:, None] * truth.root * flip,
        betas=truth.betas,
        box=torch.stack([width - x1, y0, width - x0, y1], dim=-1),
    )


def mirror_some(picture: Tensor, truth: Truth, flip: Tensor, joint_set: JointSet) -> tuple[Tensor, Truth]:
    """pictures (n,3,S,S) and their truth, mirrored where flip (n,) is set."""
    other = mirrored(truth, joint_set, picture.shape[-1])
    columns = ((getattr(truth, f.name), getattr(other, f.name)) for f in fields(truth))
    chosen = Truth(*(_where(flip, there, here) for here, there in columns))
    return _where(flip, picture.flip(-1), picture), chosen


def _where(flip: Tensor, there: Tensor, here: Tensor) -> Tensor:
    return torch.where(flip.view(-1, *[1] * (here.dim() - 1)), there, here)
