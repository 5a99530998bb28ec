"""Capsules around the bones: outside of them a field is empty, so nothing there is ever evaluated.

A capsule may be thinner here and there: its profile says how far the person reaches from the axis, for each place along
the axis and each direction around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen.body import PARENTS
from posegen_anerf.skeleton import UNIT

Array = NDArray[np.float64]

TIPS: dict[int, tuple[float, float, float]] = {
    15: (0.0, 0.16, 0.03),  # crown
    22: (0.09, 0.0, 0.0),  # fingers
    23: (-0.09, 0.0, 0.0),
    10: (0.0, -0.02, 0.07),  # toes
    11: (0.0, -0.02, 0.07),
}
"""Where a limb goes on beyond its last joint: metres in that joint's axes, at rest."""

COUNT = 28
RADIUS = 0.3 * UNIT
"""Radius of every capsule before calibration: generous for a clothed adult."""
ALONG, AROUND = 24, 16
"""Cells of a profile: along the axis, from ``RADIUS`` before its start to ``RADIUS`` behind its end, and around it."""


@dataclass(frozen=True, slots=True, eq=False)
class Capsules:
    """M = 28 capsules: 23 bones, and a tip for head, hands and feet. NeRF units, each in the axes of one bone.

    joint: (M,) whose axes; the capsule's axis starts there.  end: (M,3) where it ends.  side: (M,2,3) two directions
    across it.  radius: (M,).  profile: (M,ALONG,AROUND) distances from the axis.
    """

    joint: NDArray[np.int64]
    end: Array
    side: Array
    radius: Array
    profile: Array


def capsules(rest_joints: Tensor, margins: Tensor | None = None) -> Capsules:
    """rest_joints: (24,3) metres.  margins: (28,) radii, or (28*ALONG*AROUND,) profiles; None: ``RADIUS`` everywhere.

    Bones' axes are those of PoseGen's world at rest, y up.
    """
    rest = rest_joints.detach().cpu().double().numpy()
    joint = [*PARENTS[1:], *TIPS]
    end = UNIT * np.array([*(rest[j] - rest[PARENTS[j]] for j in range(1, 24)), *map(np.array, TIPS.values())])
    length = np.linalg.norm(end, axis=1)
    axis = end / np.maximum(length, 1e-9)[:, None]
    across = np.cross(axis, np.eye(3)[np.abs(axis).argmin(axis=1)])
    across /= np.maximum(np.linalg.norm(across, axis=1), 1e-9)[:, None]
    side = np.stack([across, np.cross(axis, across)], axis=1)
    given = np.full(COUNT, RADIUS) if margins is None else margins.detach().cpu().double().numpy()
    if given.size == COUNT:
        profile = np.broadcast_to(given[:, None, None], (COUNT, ALONG, AROUND)).copy()
        return Capsules(np.array(joint), end, side, given, profile)
    profile = given.reshape(COUNT, ALONG, AROUND)
    edges = np.linspace(-RADIUS, length + RADIUS, ALONG + 1).T  # (M,ALONG+1) along the axis
    beyond = np.maximum(-edges[:, :-1], edges[:, 1:] - length[:, None]).clip(0)
    reach = np.hypot(profile, beyond[:, :, None])
    return Capsules(np.array(joint), end, side, np.where(profile > 0, reach, 0).max(axis=(1, 2)), profile)


def cells(points: Tensor, capsule: Capsules) -> tuple[Tensor, Tensor, Tensor]:
    """Points in bone axes (P,24,3) -> the capsule whose axis is nearest (P,), the cell of its profile (P,), flat, and
    the distance from its line (P,)."""
    here = points[:, torch.from_numpy(capsule.joint)].double()
    end, side = torch.from_numpy(capsule.end), torch.from_numpy(capsule.side)
    length = end.norm(dim=-1).clamp(min=1e-9)
    along = (here * end).sum(-1) / length
    nearest = (here - (along / length).clamp(0, 1)[..., None] * end).norm(dim=-1).argmin(1)
    row = torch.arange(len(points))
    across = torch.einsum("psa,pa->ps", side[nearest], here[row, nearest])
    place = (along[row, nearest] + RADIUS) / (length[nearest] + 2 * RADIUS) * ALONG
    turn = _turn(across[:, 0], across[:, 1]) * AROUND
    cell = place.long().clamp(0, ALONG - 1) * AROUND + turn.long().clamp(0, AROUND - 1)
    return nearest, cell, across.norm(dim=-1)


def _turn(x: Tensor, y: Tensor) -> Tensor:
    """The direction of (x,y) as a number from 0 to 1 that grows with the angle; see ``nodes.turn``."""
    part = y / (x.abs() + y.abs()).clamp(min=1e-30)
    return torch.where(x < 0, 2 - part, torch.where(y < 0, 4 + part, part)) / 4
