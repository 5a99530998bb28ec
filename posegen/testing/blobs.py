"""The smallest differentiable renderer and estimator: Gaussian blobs at the joints, and the blobs' centroids.

They make the method's gradients checkable by finite differences, and give plugin authors a partner for their tests.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from posegen.body import Body
from posegen.geometry import resample, square
from posegen.types import Camera, Estimate, Render


class BlobRenderer:
    """Draws every joint of smpl24 as a Gaussian blob of its own colour. Smooth in the pose and in the camera."""

    differentiable = True

    def __init__(self, body: Body, radius: float = 0.12) -> None:
        """radius: standard deviation of a blob, metres."""
        self.body, self.radius = body, radius
        hue = torch.linspace(0, 2, 24, dtype=body.dtype)
        self.colour = torch.stack([hue.sub(k).abs().mul(-1).add(1).clamp(0.05, 1) for k in (0, 1, 2)], dim=1)

    def render(self, pose: Tensor, camera: Camera) -> Render:
        """theta (N,23,3) -> images of the camera's size."""
        joints = self.body.joints(pose)
        centre, depth = camera.project(joints), camera.to_camera(joints)[..., 2]
        sigma = camera.intrinsics[:, 0, 0, None] * self.radius / depth
        y, x = (torch.arange(n, dtype=pose.dtype) + 0.5 for n in (camera.height, camera.width))
        distance = (x - centre[..., None, :1]).square() + (y[:, None] - centre[..., 1:, None]).square()
        blobs = torch.exp(-distance / (2 * sigma.square())[..., None, None])
        alpha = 1 - (1 - 0.9 * blobs).prod(1, keepdim=True)
        colour = torch.einsum("njhw,jc->nchw", blobs, self.colour.to(pose)) / blobs.sum(1, keepdim=True).clamp(min=1e-6)
        return Render(colour * alpha, alpha)


class BlobEstimator:
    """A fixed random linear map from the shrunken crop to the joints of smpl24: differentiable, trainable, wrong."""

    joint_set = "smpl24"
    input_size = 16
    differentiable = True
    lr = 1e-3
    frozen: tuple[str, ...] = ()

    def __init__(self, rng: torch.Generator, dtype: torch.dtype = torch.float32) -> None:
        self.module: nn.Module | None = nn.Linear(3 * self.input_size**2, 24 * 3).to(dtype)
        for p in self.module.parameters():
            nn.init.normal_(p, std=0.05, generator=rng)

    def crop(self, image: Tensor, box: Tensor) -> Tensor:
        centre, side = square(box, 1.2)
        return resample(image, centre, side, self.input_size)

    def predict(self, crop: Tensor) -> Estimate:
        module: Any = self.module
        return Estimate(module(crop.flatten(1)).tanh().view(-1, 24, 3))
