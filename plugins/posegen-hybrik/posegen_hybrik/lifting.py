"""From places in the crop to metres in camera axes (x right, y down, z forward), relative to the pelvis."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from posegen_hybrik.skeleton import JOINTS, PARENTS

FOCAL, CROP = 1000.0, 256.0  # pixels; of the published camera heads, whatever the size of the crop here
EXTENT = CROP / FOCAL  # the crop's side at a metre's distance, metres


@dataclass(frozen=True, slots=True)
class Lifted:
    """skeleton: (N,J,3) metres, the pelvis at the origin.  root: (N,3), the pelvis in the camera's frame, metres."""

    skeleton: Tensor
    root: Tensor


def depth_of(scale: Tensor) -> Tensor:
    """Scale (N,), one over the crop's side in metres at the pelvis -> the pelvis's depth (N,), metres."""
    return FOCAL / (CROP * scale + 1e-9)


def scale_at(depth: Tensor) -> Tensor:
    """The other way round."""
    return FOCAL / (CROP * depth)


def lift(uvd: Tensor, depth: Tensor, depth_factor: float, centre: Tensor | None = None) -> Lifted:
    """Through a camera of focal length 1000 whose crop is 256 pixels wide (the camera variants).

    uvd: (N,J,3).  depth: (N,) of the pelvis, metres.  depth_factor: metres of one unit of d.  centre: (N,2), where the
    crop's middle is as seen from the picture's, in sides of the crop; None: the picture is the crop.
    """
    away = uvd[..., 2:] * depth_factor
    place = uvd[..., :2] if centre is None else uvd[..., :2] + centre[:, None]
    points = torch.cat([place * EXTENT * (away + depth[:, None, None]), away], dim=-1)
    root = points[:, 0]
    return Lifted(points - points[:, :1], torch.stack([root[:, 0], root[:, 1], root[:, 2] + depth], dim=-1))


def lift_known(uvd: Tensor, to_image: Tensor, inverse_intrinsics: Tensor, root: Tensor, depth_factor: float) -> Tensor:
    """Through a known camera with a known pelvis (the variants without a camera head, as upstream evaluates them).

    uvd: (N,J,3).  to_image: (N,2,3), the crop's pixels to the picture's.  inverse_intrinsics: (N,3,3).  root: (N,3),
    the pelvis in the camera's frame, metres. Returns the skeleton (N,J,3), metres, the pelvis at the origin.
    """
    pixels = torch.cat([(uvd[..., :2] + 0.5) * CROP, torch.ones_like(uvd[..., :1])], dim=-1)
    image = pixels @ to_image.transpose(1, 2)
    rays = torch.cat([image, torch.ones_like(image[..., :1])], dim=-1) @ inverse_intrinsics.transpose(1, 2)
    points = rays * (uvd[..., 2:] * depth_factor + root[:, None, 2:])
    return points - points[:, :1]


def depth_by_size(uvd: Tensor, rest: Tensor, depth_factor: float, centre: Tensor | None = None) -> Tensor:
    """The pelvis's depth (N,) at which the lifted skeleton is as large as the body: where nothing else says it.

    rest: (N,J,3) metres.  centre: as ``lift`` takes it.  All bones together have the squared length of the rest pose's:
    ``|a + depth b|^2`` summed over the bones is a quadratic equation in the depth.
    """
    away = uvd[..., 2:] * depth_factor
    place = EXTENT * (uvd[..., :2] if centre is None else uvd[..., :2] + centre[:, None])
    still = _bones(torch.cat([place * away, away], dim=-1))
    grows = _bones(torch.cat([place, torch.zeros_like(away)], dim=-1))
    size = _bones(rest).square().sum((1, 2))
    a, b = grows.square().sum((1, 2)) + 1e-9, (still * grows).sum((1, 2))
    c = still.square().sum((1, 2)) - size
    depth: Tensor = (-b + (b * b - a * c).clamp(min=1e-12).sqrt()) / a
    return depth.clamp(min=0.5)


def refined_scale(
    uvd: Tensor, scale: Tensor, joints: Tensor, sigma: Tensor, lifted: Lifted, centre: Tensor | None
) -> Tensor:
    """The scale (N,) at which the solved body's joints fall best on their places in the crop (HRNet, in evaluation).

    scale: (N,), the network's, kept where no joint is certain.  joints: (N,24,3), of the solved body, the pelvis at the
    origin.  sigma: (N,29).  lifted: at that scale.  One step of least squares, weighted by ``1 - 10 sigma``.
    """
    weight = (1 - 10 * sigma[:, :JOINTS, None]).clamp(min=0)
    place = uvd[:, :JOINTS, :2] if centre is None else uvd[:, :JOINTS, :2] + centre[:, None]
    root = torch.cat([lifted.root[:, :2], lifted.root[:, 2:] - depth_of(scale)[:, None]], dim=-1)
    points = joints + root[:, None]
    residual = (points[..., :2] - EXTENT * place * points[..., 2:]) * weight
    rows = place * weight
    norm, side = rows.square().sum((1, 2)), (rows * residual).sum((1, 2))
    certain = (norm > 1e-9) & (side.abs() > 1e-9)
    safe = torch.where(certain, side, torch.ones_like(side))  # so that no gradient divides by zero
    return torch.where(certain, norm / safe, scale)


def _bones(joints: Tensor) -> Tensor:
    return joints[:, 1:] - joints[:, PARENTS[1 : joints.shape[1]]]
