"""The field: colour and density of a point, seen from a posed skeleton (Su et al. 2021, official parameter names)."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from posegen.errors import UsageError
from posegen_anerf.config import FieldConfig

TAU = 20.0
"""Sharpness of the cutoff at the start of training; it grows to 2000."""


def encode(
    points: Tensor, directions: Tensor, skts: Tensor, cutoff: Tensor, tau: Tensor, multires: int, multires_views: int
) -> tuple[Tensor, Tensor, Tensor]:
    """What the networks see of points (R,S,3) on rays of directions (R,3), NeRF units and world.

    skts: (24,4,4) of one pose for all rays, or (R,24,4,4).  cutoff: (24,) and tau: (), see ``Field``.
    Returns distances (R,S,24*(1+2*multires)), block-major (raw, sin 2^0, cos 2^0, ...); directions to the joints
    (R,S,72); directions of view (R,S,72*(1+2*multires_views)), block-major. The first and the last vanish beyond the
    cutoff.
    """
    turn, move = skts[..., :3, :3], skts[..., :3, 3]
    if skts.ndim == 3:
        local = torch.einsum("jab,rsb->rsja", turn, points) + move
        view = torch.einsum("jab,rb->rja", turn, directions)
    else:
        local = torch.einsum("rjab,rsb->rsja", turn, points) + move[:, None]
        view = torch.einsum("rjab,rb->rja", turn, directions)
    distance = local.norm(dim=-1)
    weight = 1 - torch.sigmoid(tau * (distance - cutoff))
    view = waves(F.normalize(view, dim=-1).flatten(1)[..., None, :], multires_views)  # (R,blocks,72)
    seen = view[:, None] * weight.repeat_interleave(3, dim=-1)[:, :, None]
    near = waves(distance[..., None, :], multires) * weight[..., None, :]
    return near.flatten(2), F.normalize(local, dim=-1).flatten(2), seen.flatten(2)


def waves(x: Tensor, frequencies: int) -> Tensor:
    """(...,1,C) -> (...,1+2*frequencies,C): x, sin x, cos x, sin 2x, cos 2x, sin 4x ..."""
    blocks = [x]
    for k in range(frequencies):
        blocks += [torch.sin(x * 2**k), torch.cos(x * 2**k)]
    return torch.cat(blocks, dim=-2)


class FrameCodes(nn.Module):
    """A learned code for each frame, where light or exposure change from frame to frame."""

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        self.codes = nn.Embedding(count, size, device="meta").to_empty(device="cpu")

    def forward(self, index: Tensor | None, rays: int) -> Tensor:
        """index (R,) of frames, or None or all negative for the mean code -> (R,size)."""
        if index is None or bool((index < 0).all()):
            return self.codes.weight.mean(0).expand(rays, -1)
        return F.embedding(index, self.codes.weight)


class Field(nn.Module):
    """Point, direction of view and skeleton -> raw colour and density.

    Buffers: tau () and cutoff_dist (24,), the sharpness and the distance (NeRF units) of each joint's cutoff.
    The weights are undefined until ``initialise`` or ``load_state_dict``.
    """

    tau: Tensor
    cutoff_dist: Tensor

    def __init__(self, config: FieldConfig) -> None:
        """Raises UsageError for frame codes of no frame."""
        super().__init__()
        if config.framecode_size and not config.framecodes:
            raise UsageError("a field with frame codes needs to know of how many frames", "set framecodes to 1 or more")
        self.config = config
        width, size = config.width, config.point_size
        sizes = [size] + [width + size if i == config.skip else width for i in range(config.depth - 1)]
        self.pts_linears = nn.ModuleList(_linear(n, width) for n in sizes)
        self.alpha_linear = _linear(width, 1)
        self.feature_linear = _linear(width, width)
        self.views_linears = nn.ModuleList(
            [_linear(width + config.view_size + config.framecode_size, config.view_width)]
        )
        self.rgb_linear = _linear(config.view_width, 3)
        self.framecodes = FrameCodes(config.framecodes, config.framecode_size) if config.framecode_size else None
        self.register_buffer("tau", torch.tensor(TAU))
        self.register_buffer("cutoff_dist", torch.full((24,), config.cutoff))

    def initialise(self, generator: Generator) -> Field:
        """Draw weights as ``nn.Linear`` does, from an explicit generator. Returns itself."""
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    bound = 1 / math.sqrt(module.in_features)
                    module.weight.uniform_(-bound, bound, generator=generator)
                    module.bias.uniform_(-bound, bound, generator=generator)
                elif isinstance(module, nn.Embedding):
                    module.weight.normal_(0, math.sqrt(2 / sum(module.weight.shape)), generator=generator)
        return self

    def encode(self, points: Tensor, directions: Tensor, skts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See ``posegen_anerf.field.encode``."""
        config = self.config
        return encode(points, directions, skts, self.cutoff_dist, self.tau, config.multires, config.multires_views)

    def forward(self, points: Tensor, directions: Tensor, skts: Tensor, frames: Tensor | None = None) -> Tensor:
        """points (R,S,3) on rays of directions (R,3); skts (24,4,4) or (R,24,4,4) -> raw [r,g,b,density] (R,S,4).

        frames: (R,) index of each ray's frame code; None or negative is the mean code.
        """
        return self.decode(*self.encode(points, directions, skts), frames)

    def decode(self, near: Tensor, bones: Tensor, seen: Tensor, frames: Tensor | None = None) -> Tensor:
        """What ``encode`` returned -> raw (R,S,4)."""
        x = torch.cat([near, bones], dim=-1)
        h = x
        for i, layer in enumerate(self.pts_linears):
            if i == self.config.skip + 1:
                h = torch.cat([x, h], dim=-1)
            h = F.relu(layer(h))
        late = [self.feature_linear(h), seen]
        if self.framecodes is not None:
            late.append(self.framecodes(frames, len(x))[:, None].expand(-1, x.shape[1], -1))
        colour = self.rgb_linear(F.relu(self.views_linears[0](torch.cat(late, dim=-1))))
        return torch.cat([colour, self.alpha_linear(h)], dim=-1)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """Without drawing from torch's global generator."""
    return nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
