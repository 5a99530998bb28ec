"""Similarity alignment of point sets (Umeyama 1991), rows are points whatever their number."""

from __future__ import annotations

import torch
from torch import Tensor


def similarity(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The s, R, t that minimise ``|s R x + t - y|^2`` over points x of ``source`` and y of ``target``, (N,J,3) each.

    Returns scale (N,), rotation (N,3,3) with determinant +1 (a mirror image is never used) and translation (N,3).
    A source whose points coincide has scale 0: it lands on the target's centroid.
    """
    source_mean, target_mean = source.mean(dim=1), target.mean(dim=1)
    x, y = source - source_mean[:, None], target - target_mean[:, None]
    u, stretch, vh = torch.linalg.svd(y.transpose(1, 2) @ x)
    flip = torch.ones_like(stretch)
    flip[:, 2] = torch.where(torch.linalg.det(u @ vh) < 0, -1.0, 1.0)
    rotation = (u * flip[:, None]) @ vh
    spread = x.square().sum(dim=(1, 2))
    scale = (stretch * flip).sum(dim=1) / spread.clamp_min(torch.finfo(x.dtype).tiny)
    translation = target_mean - scale[:, None] * (rotation @ source_mean[..., None])[..., 0]
    return scale, rotation, translation


def align(source: Tensor, target: Tensor) -> Tensor:
    """``source`` (N,J,3) moved onto ``target`` (N,J,3) by the best similarity."""
    scale, rotation, translation = similarity(source, target)
    return scale[:, None, None] * source @ rotation.transpose(1, 2) + translation[:, None]
