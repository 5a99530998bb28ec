"""From 3D heatmaps to joints in the crop: u and v of its side, and depth."""

from __future__ import annotations

import torch
from torch import Tensor

from posegen_hybrik.skeleton import mirrored


def soft_argmax(heatmaps: Tensor) -> Tensor:
    """Logits (N,J,D,H,W) -> expected place u, v, d (N,J,3), each index / size - 0.5.

    One softmax over all voxels; then one product with x, y and 1 of every pixel in a slice, so that neither grids nor
    marginals of the volume's size are made.
    """
    depth, height, width = heatmaps.shape[2:]
    p = heatmaps.flatten(2).float().softmax(dim=-1).unflatten(-1, (depth, height * width))
    x = torch.arange(width, dtype=p.dtype, device=p.device).expand(height, width) / width
    y = torch.arange(height, dtype=p.dtype, device=p.device)[:, None].expand(height, width) / height
    slices = p @ torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(-1, 3)  # (N,J,D,3)
    z = torch.arange(depth, dtype=p.dtype, device=p.device) / depth
    u, v = slices[..., :2].sum(2).unbind(-1)
    return torch.stack([u, v, slices[..., 2] @ z], dim=-1) - 0.5


def mirror(heatmaps: Tensor) -> Tensor:
    """Logits (N,J,D,H,W) of a mirrored crop -> of the crop: columns turned round and moved one to the right.

    Upstream moves them in place, from one part of a tensor onto another that overlaps it, which leaves most columns of
    a wide heatmap unmoved or repeated, depending on the processor; this is what is meant.
    """
    width = heatmaps.shape[-1]
    columns = [width - 1, *range(width - 1, 0, -1)]
    return heatmaps[:, mirrored(heatmaps.shape[1])][..., columns]
