"""From a camera to rays, in the field's units and world (see ``skeleton``)."""

from __future__ import annotations

import torch
from torch import Tensor

from posegen.types import Camera
from posegen_anerf.skeleton import FLIP, UNIT


def pixel_centres(camera: Camera) -> Tensor:
    """All pixels of an image, row by row: (H*W,2), x and y at half integers.

    The official code looks through the corners of pixels instead: there the principal point must be moved by half a
    pixel for the same picture.
    """
    device, dtype = camera.intrinsics.device, camera.intrinsics.dtype
    x = torch.arange(camera.width, device=device, dtype=dtype) + 0.5
    y = torch.arange(camera.height, device=device, dtype=dtype) + 0.5
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)


def sight(camera: Camera, pixels: Tensor) -> Tensor:
    """N cameras and pixels (R,2) or (N,R,2) -> directions (N,R,3) in camera axes, of length 1 along the optical axis.

    What is measured along such a ray is depth.
    """
    u, v = pixels[..., 0], pixels[..., 1]
    k = camera.intrinsics
    y = (v - k[:, 1, 2, None]) / k[:, 1, 1, None]
    x = (u - k[:, 0, 2, None] - k[:, 0, 1, None] * y) / k[:, 0, 0, None]
    return torch.stack([x, y, torch.ones_like(x)], dim=-1)


def rays(camera: Camera, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """N cameras and pixels (R,2) or (N,R,2) -> origins (N,3) and directions (N,R,3), NeRF units and world.

    Directions as those of ``sight``. Differentiable with respect to the camera.
    """
    to_world = camera.rotation * camera.rotation.new_tensor(FLIP)  # its rows are the camera's axes in that world
    return -UNIT * (camera.translation[:, None] @ to_world)[:, 0], sight(camera, pixels) @ to_world
