"""The real poses that the discriminator calls human."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from posegen.body.joints import JOINT_SETS
from posegen.errors import UsageError
from posegen.geometry import relative, rotvec_to_rotmat
from posegen.types import Clip

# theta's joints (SMPL's order without the root) that one frame may lend to another
LEGS = tuple(j - 1 for j in (1, 2, 4, 5, 7, 8, 10, 11))
LEFT_ARM = tuple(j - 1 for j in (13, 16, 18, 20, 22))
RIGHT_ARM = tuple(j - 1 for j in (14, 17, 19, 21, 23))
REFLECTION = (1.0, -1.0, -1.0)
"""What a mirror image, which exchanges left and right, makes of a rotation's axis-angle."""


def mirror(pose: Tensor) -> Tensor:
    """The mirror image of poses theta (N,23,3) axis-angle: left and right exchanged, rotations reflected in x."""
    opposite = [j - 1 for j in JOINT_SETS["smpl24"].opposite[1:]]
    return pose[:, opposite] * pose.new_tensor(REFLECTION)


def facing_front(root: Tensor) -> Tensor:
    """Root rotations (N,3), body to world, y up, turned about the vertical until the person faces the camera at K = 0.

    Where somebody was headed when filmed says nothing, and an azimuth is then one around the person.
    """
    turn = rotvec_to_rotmat(root)
    heading = torch.atan2(turn[:, 0, 2], turn[:, 2, 2])
    return relative(root, heading[:, None] * root.new_tensor([0.0, 1.0, 0.0]))


def bent(pose: Tensor, spread: float, rng: torch.Generator) -> Tensor:
    """Poses theta (N,23,3) with every joint turned at random on top: a few clips hold few poses.

    spread: radians; the standard deviation of a pose's turns lies anywhere below it.
    """
    size = spread * torch.rand(len(pose), 1, 1, generator=rng, device=rng.device)
    return pose + (size * torch.randn(pose.shape, generator=rng, device=rng.device)).to(pose)


class RealPoses:
    """Poses theta of motion clips, enlarged by mirror images and by recombining legs and arms of two frames.

    A few clips hold a few hundred distinct poses; arms and legs move independently enough that a mixture of two
    human poses is nearly always a human pose. Roots (N,3) are of people who face the front. Raises UsageError without a
    clip.
    """

    def __init__(self, clips: Sequence[Clip], *, recombine: float = 0.5, device: str = "cpu") -> None:
        if not clips:
            raise UsageError(
                "this motion has no clip in its split 'train'", "choose another with --real-poses, or --set motion=NAME"
            )
        whole = torch.cat([clip.poses for clip in clips]).float().to(device)
        self.root, self.poses = facing_front(whole[:, 0]), whole[:, 1:]
        self.recombine = recombine

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """-> theta (n,23,3) axis-angle, radians."""
        return self.sample_whole(n, rng)[0]

    def sample_whole(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """-> theta (n,23,3), and the root rotation (n,3), body to world, of the frame that their trunk is of."""
        pose, root = self._draw(n, rng)
        for part in (LEGS, LEFT_ARM, RIGHT_ARM):
            taken = torch.rand(n, generator=rng, device=rng.device) < self.recombine
            donor, _ = self._draw(n, rng)
            pose[:, part] = torch.where(taken.to(pose.device)[:, None, None], donor[:, part], pose[:, part])
        return pose, root

    @cached_property
    def range(self) -> tuple[Tensor, Tensor]:
        """The extremes of every number of theta over all real poses and their mirror images: low, high (23,3)."""
        both = torch.cat([self.poses, mirror(self.poses)])
        return both.amin(0), both.amax(0)

    def uniform(self, n: int, rng: torch.Generator) -> Tensor:
        """-> theta (n,23,3), each number uniform between its extremes over all real poses and their mirror images."""
        low, high = self.range
        share = torch.rand(n, *low.shape, generator=rng, device=rng.device).to(low)
        return low + (high - low) * share

    def _draw(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Frames, or their mirror images: theta (n,23,3), root (n,3)."""
        frame = torch.randint(len(self.poses), (n,), generator=rng, device=rng.device).to(self.poses.device)
        pose, root = self.poses[frame], self.root[frame]
        flip = (torch.rand(n, generator=rng, device=rng.device) < 0.5).to(pose.device)
        other = root * root.new_tensor(REFLECTION)
        return torch.where(flip[:, None, None], mirror(pose), pose), torch.where(flip[:, None], other, root)
