"""The camera that a view stands for."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from posegen.geometry.viewpoint import view_rotation
from posegen.types import Camera

CHEST_HEIGHT = 0.25
"""Metres that the camera stands above the pelvis at K = 0: about the chest, as in the public data sets."""


def frame(camera: Camera, points: Tensor, margin: float = 1.5, *, together: bool = False) -> Camera:
    """The same cameras, zoomed and shifted so that world ``points`` (N,P,3) fill the image up to ``margin``.

    together: one zoom and one shift for all of them, as the pictures of a film need.

    A crop of a picture is a change of its intrinsics alone; rendering the crop directly wastes no pixel and never cuts
    a raised arm off. Differentiable, so that the gradient of what an estimator sees is exact.
    """
    pixels = camera.project(points)
    low, high = pixels.amin(1), pixels.amax(1)
    if together:
        low, high = low.amin(0).expand_as(low), high.amax(0).expand_as(high)
    zoom = min(camera.width, camera.height) / ((high - low).amax(1) * margin).clamp(min=1e-6)
    middle = camera.intrinsics.new_tensor([camera.width / 2, camera.height / 2])
    focal = camera.intrinsics[:, :2, :2] * zoom[:, None, None]
    centre = (camera.intrinsics[:, :2, 2] - (low + high) / 2) * zoom[:, None] + middle
    top = torch.cat([focal, centre[..., None]], dim=2)
    return replace(camera, intrinsics=torch.cat([top, camera.intrinsics[:, 2:]], dim=1))


def orbit(view: Tensor, *, distance: float | Tensor = 4.0, focal: float | None = None, size: int = 256) -> Camera:
    """Cameras that look at the body from ``view`` (N,3): ``R = R0 Exp(K)^T``, ``t = (0, CHEST_HEIGHT, distance)``.

    distance: metres from the pelvis along the line of sight, a number or (N,).  focal: pixels; None is 1.5 * size,
    which at 4 m shows 2.7 m: a standing person with raised arms and a margin.  size: width and height in pixels.
    The graph of ``view`` is kept.
    """
    n = len(view)
    away = torch.as_tensor(distance, dtype=view.dtype, device=view.device).expand(n)
    translation = torch.stack([torch.zeros_like(away), torch.full_like(away, CHEST_HEIGHT), away], dim=-1)
    f, c = 1.5 * size if focal is None else focal, size / 2
    intrinsics = view.new_tensor([[f, 0.0, c], [0.0, f, c], [0.0, 0.0, 1.0]]).expand(n, 3, 3)
    return Camera(view_rotation(view), translation, intrinsics, width=size, height=size)


def distances(n: int, distance: float, spread: float, rng: torch.Generator) -> float | Tensor:
    """Metres from n cameras to the pelvis: all alike, or (n,) each a share of up to ``spread`` more or less."""
    if not spread:
        return distance
    return distance * (1 + spread * (2 * torch.rand(n, generator=rng, device=rng.device) - 1))
