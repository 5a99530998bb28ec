"""Capsules around the bones: outside of them a field is empty, so nothing there is ever evaluated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen.body import PARENTS
from posegen_anerf.skeleton import UNIT

TIPS: dict[int, tuple[float, float, float]] = {
    15: (0.0, 0.16, 0.03),  # crown
    22: (0.09, 0.0, 0.0),  # fingers
    23: (-0.09, 0.0, 0.0),
    10: (0.0, -0.02, 0.07),  # toes
    11: (0.0, -0.02, 0.07),
}
"""Where a limb goes on beyond its last joint: metres in that joint's axes, at rest."""

RADIUS = 0.3
"""Radius of every capsule before calibration, metres: generous for a clothed adult."""


@dataclass(frozen=True, slots=True, eq=False)
class Capsules:
    """M = 28 capsules: 23 bones, and a tip for head, hands and feet. NeRF units, each in the axes of one bone.

    joint: (M,) whose axes.  start, end: (M,3).  radius: (M,).
    """

    joint: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    radius: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.joint)


def capsules(rest_joints: Tensor, margins: Tensor | None = None) -> Capsules:
    """rest_joints: (24,3) metres.  margins: (28,) calibrated radii in NeRF units, or None for ``RADIUS`` everywhere.

    Bones' axes are those of PoseGen's world at rest, y up.
    """
    rest = rest_joints.detach().double().cpu().numpy()
    joint = [*PARENTS[1:], *TIPS]
    end = [*(rest[j] - rest[PARENTS[j]] for j in range(1, 24)), *(np.array(tip) for tip in TIPS.values())]
    radius = np.full(len(joint), RADIUS * UNIT) if margins is None else margins.detach().double().cpu().numpy()
    return Capsules(np.array(joint), np.zeros((len(joint), 3)), UNIT * np.array(end), radius)


def distances(points: Tensor, capsule: Capsules) -> Tensor:
    """Points in bone axes (P,24,3), NeRF units -> distance to each capsule's axis (P,M)."""
    start = torch.from_numpy(capsule.start).to(points)
    axis = torch.from_numpy(capsule.end).to(points) - start
    offset = points[:, torch.from_numpy(capsule.joint).to(points.device)] - start
    along = ((offset * axis).sum(-1) / (axis * axis).sum(-1).clamp(min=1e-12)).clamp(0, 1)
    return (offset - along[..., None] * axis).norm(dim=-1)
