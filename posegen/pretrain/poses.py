"""Upright people from a few clips: enlarged by mirror images, recombination, blending and small turns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from posegen.datasets.poses import RealPoses, bent
from posegen.errors import UsageError
from posegen.generate import IN_DISTRIBUTION_ELEVATION
from posegen.geometry import from_spherical, relative, rotvec_to_rotmat
from posegen.pretrain.settings import BankSettings
from posegen.types import Clip

UPRIGHT = math.cos(math.radians(30))


class Upright:
    """Draws poses and chest-height views of people whose pelvis leans less than 30 degrees.

    Raises UsageError for clips without such a frame.
    """

    def __init__(self, clips: Sequence[Clip], settings: BankSettings) -> None:
        frames = [rotvec_to_rotmat(clip.poses[:, 0].float())[:, 1, 1] > UPRIGHT for clip in clips]
        if not any(bool(f.any()) for f in frames):
            raise UsageError("no frame of this motion shows an upright person", "choose another with --set motion=NAME")
        self.settings = settings
        upright = [replace(clip, poses=clip.poses[f]) for clip, f in zip(clips, frames, strict=True)]
        self.poses = RealPoses(upright, recombine=settings.recombine)
        self.root = torch.cat([clip.poses[:, 0].float() for clip in upright])

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """-> theta (n,23,3), view K (n,3) of the body without root rotation."""
        s = self.settings
        theta, other = self.poses.sample(n, rng), self.poses.sample(n, rng)
        between = torch.rand(n, 1, 1, generator=rng)
        between = torch.where(torch.rand(n, 1, 1, generator=rng) < s.blend, between, 0)
        return bent(theta.lerp(other, between), s.bend, rng), self.views(n, rng)

    def real(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Frames as they are, to measure on: theta (n,23,3), view K (n,3)."""
        frame = torch.randint(len(self.root), (n,), generator=rng)
        azimuth, elevation = self._camera(n, rng)
        return self.poses.poses[frame], relative(from_spherical(azimuth, elevation), self.root[frame])

    def views(self, n: int, rng: torch.Generator) -> Tensor:
        """Chest-height views (n,3), any azimuth, a little roll, of a pelvis that leans as in one of the frames."""
        root = self.root[torch.randint(len(self.root), (n,), generator=rng)]
        flip = torch.rand(n, 1, generator=rng) < 0.5
        root = torch.where(flip, root * root.new_tensor([1.0, -1.0, -1.0]), root)
        azimuth, elevation = self._camera(n, rng)
        roll = math.radians(self.settings.roll) * torch.randn(n, generator=rng)
        return relative(from_spherical(azimuth, elevation, roll), root)

    @staticmethod
    def _camera(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        low, high = (math.radians(e) for e in IN_DISTRIBUTION_ELEVATION)
        azimuth = (2 * torch.rand(n, generator=rng) - 1) * math.pi
        return azimuth, low + (high - low) * torch.rand(n, generator=rng)
