"""The BlazePose GHUM landmark network (Bazarevsky et al. 2020, https://arxiv.org/abs/2006.10204).

A MobileNet-like trunk shrinks 256x256 to 8x8, a small residual head shrinks that to 2x2, and one 2x2 convolution per
output reads the points. Batch norm is folded into the published weights. Points 0-32 are BlazePose's landmarks, the
last six are auxiliary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

POINTS = 39
SIZE = 256

# stem filters, stem width, trunk rows (kernel, stride, width), width of the head, blocks in each half of the head
LITE = (
    (24, 8),
    ((3, 2, 16), (3, 1, 16), (5, 2, 24), (5, 1, 24), (3, 2, 40), (3, 1, 40), (3, 1, 40), (5, 1, 56), (5, 1, 56),
     (5, 1, 56), (5, 2, 96), (5, 1, 96), (5, 1, 96), (5, 1, 96)),
    192, (3, 4),
)  # fmt: skip
FULL = (
    (24, 16),
    ((3, 2, 24), (3, 1, 24), (5, 2, 32), (5, 1, 32), (3, 2, 64), (3, 1, 64), (3, 1, 64), (5, 1, 88), (5, 1, 88),
     (5, 1, 88), (5, 2, 144), (5, 1, 144), (5, 1, 144), (5, 1, 144)),
    288, (5, 6),
)  # fmt: skip
VARIANTS = {"lite": LITE, "full": FULL}


class Points(NamedTuple):
    """screen: (N,39,5) x, y, z in crop pixels, visibility and presence logits.  world: (N,39,3) metres, origin between
    the hips, x right, y down, z away from the camera.  person: (N,1) logit that the crop shows a person."""

    screen: Tensor
    world: Tensor
    person: Tensor


def _relu6(x: Tensor) -> Tensor:
    return F.relu6(x, inplace=not x.requires_grad)  # in place under autograd would copy x first


def _depthwise(width: int, kernel: int, stride: int = 1, padding: int | None = None) -> nn.Conv2d:
    return nn.Conv2d(width, width, kernel, stride, kernel // 2 if padding is None else padding, groups=width)


class Inverted(nn.Module):
    """Inverted residual: widen, filter each channel, narrow; the sum only where the shape stays."""

    def __init__(self, width_in: int, width: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(width_in, width_in * expansion, 1)
        self.depthwise = _depthwise(width_in * expansion, kernel, stride)
        self.project = nn.Conv2d(width_in * expansion, width, 1)
        self.keeps_shape = stride == 1 and width_in == width

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(_relu6(self.depthwise(_relu6(self.expand(x)))))
        return x + y if self.keeps_shape else y


class Neck(nn.Module):
    """From the trunk's features to the head's, on the 8x8 grid."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        wide = width_in * 6
        self.expand = nn.Conv2d(width_in, wide, 1)
        self.depthwise1 = _depthwise(wide, 3)
        self.depthwise2 = _depthwise(wide, 3)
        self.reduce = nn.Conv2d(wide, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = _relu6(self.depthwise2(_relu6(self.depthwise1(_relu6(self.expand(x))))))
        return _relu6(self.reduce(x))


class Residual(nn.Module):
    """Depthwise separable residual block; ``shrink`` halves the grid, padded right and bottom as published."""

    def __init__(self, width: int, shrink: bool) -> None:
        super().__init__()
        self.shrink = shrink
        self.depthwise = _depthwise(width, 3, 2, 0) if shrink else _depthwise(width, 3)
        self.pointwise = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.pointwise(_relu6(self.depthwise(F.pad(x, (0, 1, 0, 1)) if self.shrink else x)))
        return _relu6((F.max_pool2d(x, 2) if self.shrink else x) + y)


class BlazePoseNet(nn.Module):
    """crop (N,3,256,256) RGB in [0,1] -> ``Points``. Convolutions are defined in the order of the published graph."""

    def __init__(self, variant: str) -> None:
        super().__init__()
        (filters, width), rows, head, halves = VARIANTS[variant]
        self.stem = nn.Conv2d(3, filters, 3, 2, 1)
        self.stem_depthwise = _depthwise(filters, 3)
        self.stem_project = nn.Conv2d(filters, width, 1)
        self.trunk = nn.Sequential()
        for index, (kernel, stride, width_out) in enumerate(rows):
            self.trunk.append(Inverted(width, width_out, kernel, stride, expansion=6 if index else 4))
            width = width_out
        self.neck = Neck(width, head)
        self.head = nn.Sequential(*(Residual(head, shrink=i == 0) for blocks in halves for i in range(blocks)))
        self.screen = nn.Conv2d(head, POINTS * 5, 2)
        self.world = nn.Conv2d(head, POINTS * 3, 2)
        self.person = nn.Conv2d(head, 1, 2)

    def forward(self, crop: Tensor) -> Points:
        x = _relu6(self.stem_depthwise(_relu6(self.stem(crop))))
        x = self.head(self.neck(self.trunk(self.stem_project(x))))
        return Points(
            self.screen(x).flatten(1).unflatten(1, (POINTS, 5)),
            self.world(x).flatten(1).unflatten(1, (POINTS, 3)),
            self.person(x).flatten(1),
        )
