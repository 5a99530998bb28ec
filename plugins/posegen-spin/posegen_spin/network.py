"""SPIN's network (Kolotouros et al. 2019, https://arxiv.org/abs/1909.12828) with the published names."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from posegen.nn.regressor import DROPOUT, ITERATIONS, Regressed, Regressor
from posegen.nn.resnet import ResNet


@dataclass(frozen=True, slots=True)
class Architecture:
    """blocks, bottleneck, width: of the ResNet.  hidden: units of the regressor.  size: of the square crop, pixels.

    dropout: of the regressor; none where the pictures are never known by heart.
    """

    blocks: tuple[int, int, int, int]
    bottleneck: bool
    width: int
    hidden: int
    size: int
    dropout: float = DROPOUT


OFFICIAL = Architecture((3, 4, 6, 3), bottleneck=True, width=64, hidden=1024, size=224)
COMPACT = Architecture((2, 2, 2, 2), bottleneck=False, width=32, hidden=512, size=128, dropout=0.0)


class SpinNet(ResNet, Regressor):
    """standardised RGB (N,3,S,S) -> SMPL's parameters."""

    def __init__(self, architecture: Architecture = OFFICIAL) -> None:
        super().__init__(architecture.blocks, architecture.bottleneck, architecture.width)
        self.add_heads(self.width_out, architecture.hidden, dropout=architecture.dropout)

    def pooled(self, image: Tensor) -> Tensor:
        """-> features (N,C), float32 whatever the convolutions run in."""
        return super().forward(image).float().mean(dim=(2, 3))

    def forward(self, image: Tensor, iterations: int = ITERATIONS) -> Regressed:  # type: ignore[override]
        return self.regress(self.pooled(image), iterations=iterations)
