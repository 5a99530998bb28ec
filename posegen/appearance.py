"""What surrounds and colours the rendered person: background photographs, light, noise and blur."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from posegen.settings import AppearanceSettings
from posegen.types import Render

BLUR_RADIUS = 3  # pixels; enough for a standard deviation of 1.5


class Appearance:
    """Draws a new appearance for every render; poses, views and labels stay as they are.

    backgrounds: (B,3,H,W) images without people.
    """

    def __init__(self, settings: AppearanceSettings, backgrounds: Tensor) -> None:
        self.settings = settings
        self.backgrounds = torch.cat([backgrounds, backgrounds.flip(-1)])

    def compose(self, render: Render, rng: torch.Generator) -> Tensor:
        """The person before random backgrounds, photographed by a random camera: (N,3,H,W) in [0,1], differentiable."""
        light = self._around_one((len(render.image), 1, 1, 1), self.settings.brightness, rng, render.image)
        backdrop = self._backdrop(render.image, rng)
        return self.photograph(torch.addcmul(backdrop, render.alpha, backdrop, value=-1) + light * render.image, rng)

    def photograph(self, image: Tensor, rng: torch.Generator) -> Tensor:
        """Random brightness, contrast, colour, haze, blur and noise: (N,3,H,W) in [0,1] -> the same, differentiable."""
        s, n = self.settings, len(image)
        gain = self._around_one((n, 1, 1, 1), s.brightness, rng, image)
        gain = gain * self._around_one((n, 3, 1, 1), s.colour, rng, image)
        contrast = self._around_one((n, 1, 1, 1), s.contrast, rng, image)
        clear = 1 - s.haze * _uniform((n, 1, 1, 1), rng, image)
        mean = image.mean((1, 2, 3), keepdim=True)
        image = torch.addcmul(gain * mean * (1 - contrast) * clear + (1 - clear), image, gain * contrast * clear)
        if s.blur:
            image = _blur(image, s.blur * _uniform((n,), rng, image))
        if s.noise:
            sigma = s.noise * _uniform((n, 1, 1, 1), rng, image)
            image = torch.addcmul(image, sigma, torch.randn(image.shape, generator=rng, device=rng.device).to(image))
        return image.clamp(0, 1)

    def _backdrop(self, image: Tensor, rng: torch.Generator) -> Tensor:
        """A photograph, mirrored or not, for most; a plain colour for the rest: (N,3,H,W)."""
        n, _, height, width = image.shape
        chosen = torch.randint(len(self.backgrounds), (n,), generator=rng, device=rng.device).to(
            self.backgrounds.device
        )
        photographed = _uniform((n, 1, 1, 1), rng, image) < self.settings.backgrounds
        plain = _uniform((n, 3, 1, 1), rng, image)
        photo = self.backgrounds[chosen].to(image)
        if photo.shape[-2:] != (height, width):
            photo = F.interpolate(photo, (height, width), mode="bilinear", antialias=True)
        return torch.where(photographed, photo, plain)

    @staticmethod
    def _around_one(shape: tuple[int, ...], spread: float, rng: torch.Generator, like: Tensor) -> Tensor:
        return 1 + spread * (2 * _uniform(shape, rng, like) - 1)


def _uniform(shape: tuple[int, ...], rng: torch.Generator, like: Tensor) -> Tensor:
    return torch.rand(shape, generator=rng, device=rng.device).to(like)


def _blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with one standard deviation (N,) in pixels for each image."""
    n, c, h, w = image.shape
    offset = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1).to(image)
    kernel = torch.exp(-offset.square() / (2 * sigma.clamp(min=0.05)[:, None].square()))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(c, 0)
    flat = F.pad(image, [BLUR_RADIUS] * 4, mode="replicate").reshape(1, n * c, h + 2 * BLUR_RADIUS, -1)
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=n * c)
    return F.conv2d(flat, kernel[:, None, :, None], groups=n * c).reshape(n, c, h, w)
