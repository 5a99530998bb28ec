"""What estimators are trained on: upright people, seen by a camera at chest height.

Pretraining learns from them, fine-tuning replays them, and the benchmark's split ``ind`` measures them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from posegen.datasets.poses import REFLECTION, RealPoses, bent
from posegen.errors import UsageError
from posegen.geometry import from_spherical, relative, rotvec_to_rotmat
from posegen.types import Clip

LEAN = math.cos(math.radians(30))  # of the pelvis, at most
ELEVATION = (-5.0, 15.0)  # degrees


def stands(root: Tensor) -> Tensor:
    """Root rotations (n,3), body to world, y up -> (n,) whether the pelvis leans less than 30 degrees."""
    return rotvec_to_rotmat(root)[:, 1, 1] > LEAN


def ordinary_views(n: int, rng: torch.Generator, facing: float | None = None, roll: float = 0.0) -> Tensor:
    """Cameras at chest height, on the generator's device: view K (n,3) of a world in which the person stands.

    facing: standard deviation of the azimuth in degrees; None is any azimuth alike.  roll: that of the roll.
    """
    if facing is None:
        azimuth = (2 * torch.rand(n, generator=rng, device=rng.device) - 1) * math.pi
    else:
        azimuth = math.radians(facing) * torch.randn(n, generator=rng, device=rng.device)
    low, high = (math.radians(e) for e in ELEVATION)
    elevation = low + (high - low) * torch.rand(n, generator=rng, device=rng.device)
    turn = math.radians(roll) * torch.randn(n, generator=rng, device=rng.device) if roll else None
    return from_spherical(azimuth, elevation, turn)


class Upright:
    """Draws upright people and ordinary views of them, from a few clips: enlarged by mirror images, recombination
    (``recombine``, see RealPoses), blending of two poses (``blend``, the share of those) and small turns of the joints
    (``bend``, see ``bent``); the camera rolls by a standard deviation of ``roll`` degrees.

    Raises UsageError for clips without an upright frame.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        *,
        recombine: float = 0.5,
        blend: float = 0.3,
        bend: float = 0.3,
        roll: float = 5.0,
        facing: float | None = None,
    ) -> None:
        frames = [stands(clip.poses[:, 0].float()) for clip in clips]
        if not any(bool(f.any()) for f in frames):
            raise UsageError("no frame of this motion shows an upright person", "choose another with --real-poses")
        self.blend, self.bend, self.roll, self.facing = blend, bend, roll, facing
        upright = [replace(clip, poses=clip.poses[f]) for clip, f in zip(clips, frames, strict=True)]
        self.poses = RealPoses(upright, recombine=recombine)
        self.root = self.poses.root

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """-> theta (n,23,3), view K (n,3) of the body without root rotation."""
        theta, other = self.poses.sample(n, rng), self.poses.sample(n, rng)
        between = torch.rand(n, 1, 1, generator=rng)
        between = torch.where(torch.rand(n, 1, 1, generator=rng) < self.blend, between, 0)
        return bent(theta.lerp(other, between), self.bend, rng), self._views(n, rng)

    def real(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Frames as they are, to measure on: theta (n,23,3), view K (n,3)."""
        frame = torch.randint(len(self.root), (n,), generator=rng)
        return self.poses.poses[frame], relative(ordinary_views(n, rng), self.root[frame])

    def _views(self, n: int, rng: torch.Generator) -> Tensor:
        """Of a pelvis that leans as in one of the frames, or in its mirror image."""
        root = self.root[torch.randint(len(self.root), (n,), generator=rng)]
        flip = torch.rand(n, 1, generator=rng) < 0.5
        root = torch.where(flip, root * root.new_tensor(REFLECTION), root)
        return relative(ordinary_views(n, rng, self.facing, self.roll), root)
