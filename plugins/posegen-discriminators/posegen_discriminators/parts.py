"""The pose discriminator D: six body parts and the whole body (paper, "Pose Generator and Discriminator", Eq 9-10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

import posegen

# Rows of theta (N,23,3): SMPL's joint j is row j - 1. The order is that of the scores.
PARTS = {
    "left_leg": (3, 6, 9),
    "right_leg": (4, 7, 10),
    "left_arm": (8, 12, 15, 17, 19, 21),
    "right_arm": (8, 13, 16, 18, 20, 22),
    "torso": (0, 1, 2, 5, 8, 12, 13, 15, 16),
    "head": (8, 11, 14),
    "body": tuple(range(23)),
}


class Judges(nn.Module):
    """One MLP for every part, each seeing only its joints.

    ``parts``: name -> rows of the pose that this judge sees.  Weights start Kaiming-normal, biases as ``nn.Linear``
    starts them, all drawn from ``generator`` (CPU; None is torch's own, which a run seeds).
    """

    def __init__(
        self, parts: Mapping[str, Sequence[int]], width: int, out_width: int, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.parts = {name: list(rows) for name, rows in parts.items()}
        self.judges = nn.ModuleDict({name: _judge(3 * len(rows), width, out_width) for name, rows in parts.items()})
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                bound = layer.in_features**-0.5
                nn.init.kaiming_normal_(layer.weight, generator=generator)
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)

    def scores(self, pose: Tensor) -> Tensor:
        """pose (N,J,3) axis-angle -> (N, parts): 1 is real, 0 is generated, not bounded."""
        return torch.cat([self.judges[name](pose[:, rows].flatten(1)) for name, rows in self.parts.items()], dim=1)


class Parts(Judges):
    """Discriminator ``parts``: seven scores for theta (N,23,3) axis-angle, in the order of ``PARTS``.

    Sizes are those of the published script. There the torso and the whole body also see joint 0, the root's rotation;
    here D never sees it: it is the viewpoint, which D "does not take into account" (paper), and theta has no root.
    """

    class Options(posegen.Options):
        width: int = Field(500, gt=0)
        """Width of the first three layers."""
        out_width: int = Field(1000, gt=0)
        """Width of the last layer before the score."""

    def __init__(
        self, options: Options, *, device: torch.device | str = "cpu", generator: Generator | None = None
    ) -> None:
        super().__init__(PARTS, options.width, options.out_width, generator)
        self.options = options
        self.to(device)


def _judge(size: int, width: int, out_width: int) -> nn.Sequential:
    sizes = [size, width, width, width, out_width]
    layers: list[nn.Module] = []
    for i, o in pairwise(sizes):
        layers += [nn.Linear(i, o), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers, nn.Linear(out_width, 1))
