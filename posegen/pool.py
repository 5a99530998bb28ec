"""A history of generated poses for the discriminator (Shrivastava et al. 2017), as in the published script."""

from __future__ import annotations

import torch
from torch import Tensor


class PosePool:
    """Keeps up to ``size`` poses; half of every batch that passes is exchanged for older ones.

    A discriminator that also sees earlier proposals does not forget what it has refuted.
    """

    def __init__(self, size: int = 4096) -> None:
        self.size = size
        self.poses: Tensor | None = None

    def swap(self, pose: Tensor, rng: torch.Generator) -> Tensor:
        """theta (N,23,3) -> as many poses, some of them older."""
        size = max(self.size, len(pose))
        if self.poses is None or len(self.poses) < size:
            self.poses = pose.clone() if self.poses is None else torch.cat([self.poses, pose])[:size]
            return pose
        slots = torch.randperm(len(self.poses), generator=rng, device=rng.device)[: len(pose)].to(pose.device)
        exchanged = (torch.rand(len(slots), generator=rng, device=rng.device) < 0.5).to(pose.device)[:, None, None]
        older = self.poses[slots]
        self.poses[slots] = torch.where(exchanged, pose, older)
        return torch.where(exchanged, older, pose)
