"""HRNet (Sun et al. 2019, https://arxiv.org/abs/1902.09212) with its classification head and the published names.

Four branches, each at half the resolution and twice the width of the one before, exchange their features again and
again. The head gathers them into 2048 features: what CLIFF's and HybrIK's regressors read.
"""

from __future__ import annotations

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from posegen.nn.resnet import Basic, Bottleneck, stage

BLOCKS = 4  # residual blocks of a branch between two exchanges
EXCHANGES = (1, 4, 3)  # exchange modules of stages 2, 3 and 4
HEAD = (32, 64, 128, 256)  # bottleneck widths of the head, finest branch first
FEATURES = 2048


def _step(width_in: int, width_out: int, kernel: int, stride: int = 1, relu: bool = True) -> nn.Sequential:
    convolution = nn.Conv2d(width_in, width_out, kernel, stride, kernel // 2, bias=False)
    layers = [convolution, nn.BatchNorm2d(width_out), *([nn.ReLU(inplace=True)] if relu else [])]
    return nn.Sequential(*layers)


def _head_step(width_in: int, width_out: int, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(width_in, width_out, kernel, stride, kernel // 2)
    return nn.Sequential(convolution, nn.BatchNorm2d(width_out), nn.ReLU(inplace=True))


def _carry(widths: list[int], source: int, target: int) -> nn.Module:
    """From one branch's resolution to another's: up by repetition, down by strided convolutions, both to its width."""
    if source == target:
        return nn.Identity()
    if source > target:
        up = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(*_step(widths[source], widths[target], 1, relu=False), up)
    steps = [_step(widths[source], widths[source], 3, 2) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, _step(widths[source], widths[target], 3, 2, relu=False))


class Exchange(nn.Module):
    """Residual blocks on every branch; then each branch becomes the sum of all, brought to its resolution."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        every = range(len(widths))
        self.branches = nn.ModuleList(stage(Basic, width, width, BLOCKS) for width in widths)
        self.fuse_layers = nn.ModuleList(nn.ModuleList(_carry(widths, j, i) for j in every) for i in every)

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        seen = [branch(x) for branch, x in zip(self.branches, branches, strict=True)]
        fused = []
        for carriers in self.fuse_layers:
            assert isinstance(carriers, nn.ModuleList)
            total = carriers[0](seen[0])
            for carry, x in zip(carriers[1:], seen[1:], strict=True):
                total = total + carry(x)
            fused.append(F.relu(total))
        return fused


class HRNet(nn.Module):
    """image (N,3,H,W) -> features (N,2048,H/32,W/32), not pooled, and the finest branch (N,width,H/4,W/4).

    width: channels of the finest branch; 48 is HRNet-W48.  heatmaps: channels of a 1x1 convolution that then takes the
    place of the finest branch in the output, as HybrIK has it; None is none, as CLIFF has it.
    """

    def __init__(self, width: int = 48, heatmaps: int | None = None) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(4)]
        self.conv1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.layer1 = stage(Bottleneck, 64, 64, 4)
        self.transition1 = nn.ModuleList([_step(256, widths[0], 3), nn.Sequential(_step(256, widths[1], 3, 2))])
        self.stage2 = _exchanges(widths[:2], EXCHANGES[0])
        self.transition2 = _new_branch(widths, 2)
        self.stage3 = _exchanges(widths[:3], EXCHANGES[1])
        self.transition3 = _new_branch(widths, 3)
        self.stage4 = _exchanges(widths, EXCHANGES[2])
        outs = [width * Bottleneck.expansion for width in HEAD]
        self.incre_modules = nn.ModuleList(stage(Bottleneck, w, h, 1) for w, h in zip(widths, HEAD, strict=True))
        self.downsamp_modules = nn.ModuleList(_head_step(a, b, 3, 2) for a, b in itertools.pairwise(outs))
        gather = _head_step(outs[-1], FEATURES, 1, 1)
        self.final_layer: nn.Module = gather if heatmaps is None else nn.Conv2d(width, heatmaps, 1)
        self.final_feat_layer = gather if heatmaps is not None else None
        self.width_out = FEATURES
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.bn1(self.conv1(image)))
        x = self.layer1(F.relu(self.bn2(self.conv2(x))))
        branches = self.stage2([grow(x) for grow in self.transition1])
        branches = self.stage3([*branches, self.transition2[-1](branches[-1])])
        branches = self.stage4([*branches, self.transition3[-1](branches[-1])])
        y = self.incre_modules[0](branches[0])
        for down, widen, branch in zip(self.downsamp_modules, self.incre_modules[1:], branches[1:], strict=True):
            y = widen(branch) + down(y)
        if self.final_feat_layer is None:
            return self.final_layer(y), branches[0]
        return self.final_feat_layer(y), self.final_layer(branches[0])


def _exchanges(widths: list[int], count: int) -> nn.Sequential:
    return nn.Sequential(*(Exchange(widths) for _ in range(count)))


def _new_branch(widths: list[int], index: int) -> nn.ModuleList:
    """The step down to branch ``index``; the branches that exist stay as they are."""
    kept: list[nn.Module] = [nn.Identity() for _ in range(index)]
    return nn.ModuleList([*kept, nn.Sequential(_step(widths[index - 1], widths[index], 3, 2))])
