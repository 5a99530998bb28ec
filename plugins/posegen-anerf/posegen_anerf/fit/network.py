"""The field as it is trained: samples packed image by image, densities first, colours where they count."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posegen_anerf.field import Field, waves

GAIN = 40.0
"""Raw densities are this many times what the layer under training gives: a wall needs hundreds, and Adam's steps are
small. It is multiplied into the weights when the field is saved."""


BLOCK = 1024
"""Samples come in multiples of this, filled up with zeros: each new number of rows would have its own matrix products
prepared, which takes longer than computing them."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """M samples as the networks see them, and zeros up to a multiple of ``BLOCK``.

    count: M.  points: (B,point_size).  weight: (B,24) of each joint.  view: (R,blocks,72) of each ray, before the
    weights.
    """

    count: int
    points: Tensor
    weight: Tensor
    view: Tensor

    def chosen(self, keep: Tensor) -> Encoded:
        """The samples where ``keep`` (M,) holds."""
        index = keep.nonzero()[:, 0]
        filled = F.pad(index, (0, -len(index) % BLOCK))
        return Encoded(len(index), self.points[filled], self.weight[filled], self.view)


def encode(
    field: Field, points: Tensor, directions: Tensor, skts: Tensor, counts: list[int], rays: int, bf16: bool = False
) -> Encoded:
    """Points (M,3), ``counts[i]`` of them in the pose ``skts[i]`` (I,24,4,4), whose images have ``rays`` rays each,
    of directions (I*rays,3). The same numbers as ``posegen_anerf.field.encode``, some of them by recurrence.

    bf16: what the trunk sees is rounded to bfloat16; nothing before it is.
    """
    with torch.autocast(points.device.type, enabled=False):
        return _encode(field, points, directions, skts, counts, rays, bf16)


def _encode(
    field: Field, points: Tensor, directions: Tensor, skts: Tensor, counts: list[int], rays: int, bf16: bool
) -> Encoded:
    images = len(skts)
    turn = skts[:, :, :3, :3].reshape(images, 72, 3)
    move = skts[:, :, :3, 3].reshape(images, 1, 72)
    local = torch.cat(
        [part @ turn[i].T + move[i] for i, part in enumerate(points.split(counts))]
    ).view(-1, 24, 3)  # fmt: skip
    distance = local.square().sum(-1).clamp(min=1e-24).sqrt()
    weight = torch.sigmoid(field.tau * (field.cutoff_dist - distance))
    blocks = [distance * weight]
    sine, cosine = distance.sin(), distance.cos()
    for k in range(field.config.multires):
        blocks += [sine * weight, cosine * weight]
        if k + 1 < field.config.multires:
            sine, cosine = 2 * sine * cosine, 1 - 2 * sine * sine  # of the doubled angle
    blocks.append((local / distance[..., None]).flatten(1))
    seen = (directions.view(images, rays, 3) @ turn.transpose(1, 2)).view(-1, 24, 3)
    if bf16:
        blocks = [block.bfloat16() for block in blocks]
    view = waves(F.normalize(seen, dim=-1).view(-1, 1, 72), field.config.multires_views)
    fill = (0, 0, 0, -len(points) % BLOCK)
    return Encoded(len(points), F.pad(torch.cat(blocks, 1), fill), F.pad(weight, fill), view)


def trunk(field: Field, points: Tensor) -> Tensor:
    """(M,point_size) -> hidden units (M,width)."""
    h = points
    for i, layer in enumerate(field.pts_linears):
        if i == field.config.skip + 1:
            h = torch.cat([points, h], dim=-1)
        h = F.relu(layer(h))
    return h


def density(field: Field, seen: Encoded, h: Tensor) -> Tensor:
    """Hidden units (B,width) -> raw densities (M,)."""
    raw: Tensor = GAIN * field.alpha_linear(h)[: seen.count, 0].float()
    return raw


def colours(field: Field, seen: Encoded, h: Tensor, ray: Tensor, frames: Tensor | None) -> Tensor:
    """Hidden units (B,width) of samples on rays ``ray`` (M,) -> raw colours (M,3). frames: (R,) of each ray."""
    ray = F.pad(ray, (0, len(h) - len(ray)))
    weight = seen.weight.to(h.dtype).repeat_interleave(3, dim=1)
    late = [field.feature_linear(h), (seen.view.to(h.dtype)[ray] * weight[:, None]).flatten(1)]
    if field.framecodes is not None:
        late.append(field.framecodes(frames, len(seen.view)).to(h.dtype)[ray])
    raw: Tensor = field.rgb_linear(F.relu(field.views_linears[0](torch.cat(late, dim=-1))))[: seen.count].float()
    return raw


def hidden(field: Field) -> list[nn.Linear]:
    """The layers whose output is seen by other layers alone."""
    layers = (*field.pts_linears, field.feature_linear, *field.views_linears)
    return [layer for layer in layers if isinstance(layer, nn.Linear)]


@torch.no_grad()
def finished(field: Field) -> Field:
    """A copy of a field under training as others use it, without gradients."""
    copy = Field(field.config)
    copy.load_state_dict(field.state_dict())
    copy.alpha_linear.weight.mul_(GAIN)
    copy.alpha_linear.bias.mul_(GAIN)
    return copy.eval().requires_grad_(False)


@torch.no_grad()
def restart(field: Field, finished: Field) -> None:
    """What ``finished`` made of a field, or any drawn one of its shape, under training again."""
    field.load_state_dict(finished.state_dict())
    field.alpha_linear.weight.div_(GAIN)
    field.alpha_linear.bias.div_(GAIN)
