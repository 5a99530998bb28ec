"""How well a field shows what it has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from posegen.types import Views
from posegen_anerf.field import Field
from posegen_anerf.fit.draw import March, Rays, draw
from posegen_anerf.fit.pixels import rays_of, target

_CHUNK = 2048


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over images, over white. psnr: of the whole frame, decibels.  box_psnr, box_ssim: in the person's box."""

    psnr: float
    box_psnr: float
    box_ssim: float


@torch.no_grad()
def measure(
    field: Field, views: Views, images: Tensor, skts: Tensor, march: March, stride: int = 1, codes: bool = False
) -> Quality:
    """Draw images (I,) of the views, every ``stride``-th pixel of each axis, and compare. skts: (P,24,4,4)."""
    rows = []
    for index in images:
        drawn, wanted, person = _pair(field, views, index[None], skts, march, stride, codes)
        error = (drawn - wanted).square()
        y, x = (person.any(dim).nonzero()[:, 0] for dim in (1, 0))
        if len(y):
            box = slice(int(y[0]), int(y[-1]) + 1), slice(int(x[0]), int(x[-1]) + 1)
            rows.append(
                torch.stack([psnr(error), psnr(error[box]), ssim(drawn, wanted)[box].mean()])
            )  # fmt: skip
    mean = torch.stack(rows).mean(0).tolist() if rows else [float("nan")] * 3
    return Quality(*mean)


def _pair(
    field: Field, views: Views, image: Tensor, skts: Tensor, march: March, stride: int, codes: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """What is drawn and what was photographed, over white, (H,W,3) each, and where the person is (H,W)."""
    height, width = views.masks.shape[1:]
    row, column = torch.meshgrid(torch.arange(0, height, stride), torch.arange(0, width, stride), indexing="ij")
    place = (row * width + column).flatten()[None]
    rays = rays_of(views, image, place, skts[views.pose_index[image]], codes=False)
    frames = torch.tensor([-1]) if codes else None  # the mean code: this image's own was never learned
    parts = []
    for start in range(0, place.shape[1], _CHUNK):
        part = slice(start, start + _CHUNK)
        drawn = draw(field, Rays(rays.origins[part], rays.directions[part], rays.skts, frames=frames), march)
        parts.append((drawn.rgb + (1 - drawn.alpha)[:, None]).clamp(0, 1))
    rgb, alpha = target(views, image, place)
    wanted = rgb + (1 - alpha)[:, None]
    return torch.cat(parts).view(*row.shape, 3), wanted.view(*row.shape, 3), alpha.view(row.shape) > 0.5


def psnr(squared: Tensor) -> Tensor:
    """Squared errors of colours in [0,1] -> decibels."""
    return -10 * torch.log10(squared.mean().clamp(min=1e-10))


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004) of images (H,W,3) in [0,1] -> (H,W), the mean of the channels.

    The usual window: a Gaussian of 1.5 pixels over 11.
    """
    window = torch.exp(-(torch.arange(-5, 6.0).square()) / (2 * 1.5**2))
    window = (window / window.sum()).to(a)

    def blur(x: Tensor) -> Tensor:
        x = torch.nn.functional.pad(x, (5, 5, 5, 5), mode="replicate")
        x = torch.nn.functional.conv2d(x, window.view(1, 1, -1, 1))
        return torch.nn.functional.conv2d(x, window.view(1, 1, 1, -1))

    a, b = (image.permute(2, 0, 1)[:, None] for image in (a, b))
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    both = blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    map_ = (2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return map_[:, 0].mean(0)
