"""CLIFF's networks (Li et al. 2022, https://arxiv.org/abs/2208.00571) with the published names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from posegen.nn.hrnet import HRNet
from posegen.nn.regressor import DROPOUT, ITERATIONS, Regressed, Regressor
from posegen.nn.resnet import ResNet

WHERE = 3
"""Numbers of context: where the box lies in the whole picture, and how large it is (``camera.box_info``)."""


@dataclass(frozen=True, slots=True)
class Variant:
    """encoder: makes the backbone.  hidden: units of the regressor.  size: height and width of the crop, pixels.

    dropout: of the regressor; none where the pictures are never known by heart.
    """

    encoder: Callable[[], ResNet | HRNet]
    hidden: int
    size: tuple[int, int]
    dropout: float = DROPOUT


VARIANTS = {
    "res50": Variant(lambda: ResNet((3, 4, 6, 3)), hidden=1024, size=(256, 192)),
    "hr48": Variant(HRNet, hidden=1024, size=(256, 192)),
    "compact": Variant(
        lambda: ResNet((2, 2, 2, 2), bottleneck=False, width=32), hidden=512, size=(128, 96), dropout=0.0
    ),
}
FIRST: dict[tuple[int, ...], str] = {(64, 3, 7, 7): "res50", (64, 3, 3, 3): "hr48", (32, 3, 7, 7): "compact"}
"""Shape of ``encoder.conv1.weight`` -> variant."""


class CliffNet(Regressor):
    """standardised RGB (N,3,H,W) and context (N,3) -> SMPL's parameters."""

    def __init__(self, variant: str) -> None:
        super().__init__()
        parts = VARIANTS[variant]
        self.encoder = parts.encoder()
        self.add_heads(self.encoder.width_out, parts.hidden, WHERE, parts.dropout)

    def pooled(self, image: Tensor) -> Tensor:
        """-> features (N,C), float32 whatever the convolutions run in."""
        seen = self.encoder(image)
        features: Tensor = seen[0] if isinstance(seen, tuple) else seen
        return features.float().mean(dim=(2, 3))

    def forward(self, image: Tensor, context: Tensor, iterations: int = ITERATIONS) -> Regressed:
        return self.regress(self.pooled(image), context, iterations)
