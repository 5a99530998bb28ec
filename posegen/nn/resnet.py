"""ResNet (He et al. 2016, https://arxiv.org/abs/1512.03385) with torchvision's parameter names and no classifier.

The stride of a bottleneck is in its 3x3 convolution, as in torchvision and in the published SPIN and CLIFF.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Basic(nn.Module):
    """Two 3x3 convolutions and the shortcut: the block of ResNet-18 and ResNet-34."""

    expansion = 1

    def __init__(self, width_in: int, width: int, stride: int = 1, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and the shortcut: the block of ResNet-50; four times ``width`` leaves it."""

    expansion = 4

    def __init__(self, width_in: int, width: int, stride: int = 1, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


Block = type[Basic] | type[Bottleneck]


def stage(block: Block, width_in: int, width: int, blocks: int, stride: int = 1) -> nn.Sequential:
    """``blocks`` residual blocks, the first of which changes stride and width."""
    width_out = width * block.expansion
    downsample = None
    if stride != 1 or width_in != width_out:
        downsample = nn.Sequential(nn.Conv2d(width_in, width_out, 1, stride, bias=False), nn.BatchNorm2d(width_out))
    layers: list[nn.Module] = [block(width_in, width, stride, downsample)]
    layers += [block(width_out, width) for _ in range(1, blocks)]
    return nn.Sequential(*layers)


class ResNet(nn.Module):
    """image (N,3,H,W) -> features (N,C,H/32,W/32), not pooled; C is ``self.width_out``.

    blocks: residual blocks in each of the four stages, (2,2,2,2), (3,4,6,3).  bottleneck: ResNet-50's block instead of
    ResNet-34's.  width: filters of the first stage, doubled by every further one; 64 is the published network.
    """

    def __init__(self, blocks: tuple[int, int, int, int], bottleneck: bool = True, width: int = 64) -> None:
        super().__init__()
        block: Block = Bottleneck if bottleneck else Basic
        expansion = block.expansion
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = stage(block, width, width, blocks[0])
        self.layer2 = stage(block, width * expansion, width * 2, blocks[1], 2)
        self.layer3 = stage(block, width * 2 * expansion, width * 4, blocks[2], 2)
        self.layer4 = stage(block, width * 4 * expansion, width * 8, blocks[3], 2)
        self.width_out = width * 8 * expansion
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(image))), 3, 2, 1)
        features: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return features
