"""The pose generator G: z -> pose theta and view K (paper, "Pose Generator"; sizes of the official code)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

JOINTS = 23
VIEW_SCALE = 2 * 3.14  # the official code scales the root's angle by this number


class PoseGenerator(nn.Module):
    """An MLP that proposes, for every z, a pose and a viewpoint.

    Every rotation leaves the network as an axis and a signed angle, four numbers; the first of the 24 is the view.
    Weights start Kaiming-normal, drawn from ``rng``.
    """

    def __init__(self, z_dim: int = 32, width: int = 256, stages: int = 2, *, rng: torch.Generator) -> None:
        super().__init__()
        self.z_dim = z_dim
        sizes = [z_dim, *[width] * (1 + 2 * stages)]
        self.trunk = nn.Sequential(
            *(layer for i, o in pairwise(sizes) for layer in (nn.Linear(i, o), nn.BatchNorm1d(o), nn.LeakyReLU(0.01)))
        )
        self.head = nn.Linear(width, 4 * (JOINTS + 1))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                bound = module.in_features**-0.5
                nn.init.kaiming_normal_(module.weight, generator=rng)
                nn.init.uniform_(module.bias, -bound, bound, generator=rng)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z (N, z_dim) -> theta (N,23,3) axis-angle, view K (N,3) axis-angle; radians."""
        axis_angle = self.head(self.trunk(z)).view(-1, JOINTS + 1, 4)
        rotvec = nn.functional.normalize(axis_angle[..., :3], dim=-1) * axis_angle[..., 3:]
        return rotvec[:, 1:], VIEW_SCALE * rotvec[:, 0]
