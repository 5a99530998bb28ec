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
        self.backgrounds = backgrounds

    def compose(self, render: Render, rng: torch.Generator) -> Tensor:
        """The person before random backgrounds, photographed by a random camera: (N,3,H,W) in [0,1], differentiable."""
        gain = self._around_one(len(render.image), self.settings.brightness, rng, like=render.image)
        person = Render((render.image * gain).clamp(max=1), render.alpha)
        return self.photograph(person.over(self._backdrop(person.image, rng)), rng)

    def photograph(self, image: Tensor, rng: torch.Generator) -> Tensor:
        """Random brightness, contrast, colour, blur and noise: (N,3,H,W) in [0,1] -> the same, differentiable."""
        s, n = self.settings, len(image)
        mean = image.mean((1, 2, 3), keepdim=True)
        image = (image - mean) * self._around_one(n, s.contrast, rng, like=image) + mean
        image = image * self._around_one(n, s.brightness, rng, like=image)
        image = image * self._around_one(n, s.colour, rng, like=image, channels=3)
        if s.blur:
            image = _blur(image, s.blur * _uniform((n,), rng, image))
        if s.noise:
            sigma = s.noise * _uniform((n, 1, 1, 1), rng, image)
            noise = torch.randn(image.shape, generator=rng, device=rng.device).to(image)
            image = image + sigma * noise
        return image.clamp(0, 1)

    def _backdrop(self, image: Tensor, rng: torch.Generator) -> Tensor:
        n, _, height, width = image.shape
        choice = torch.randint(len(self.backgrounds), (n,), generator=rng, device=rng.device)
        flip = _uniform((n,), rng, image) < 0.5
        plain = _uniform((n, 3, 1, 1), rng, image).expand(-1, -1, height, width)
        photo = self.backgrounds.to(image)[choice.to(image.device)]
        photo = torch.where(flip[:, None, None, None], photo.flip(-1), photo)
        if photo.shape[-2:] != (height, width):
            photo = F.interpolate(photo, (height, width), mode="bilinear", antialias=True)
        photographed = _uniform((n, 1, 1, 1), rng, image) < self.settings.backgrounds
        return torch.where(photographed, photo, plain)

    def _around_one(self, n: int, spread: float, rng: torch.Generator, *, like: Tensor, channels: int = 1) -> Tensor:
        return 1 + spread * (2 * _uniform((n, channels, 1, 1), rng, like) - 1)


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
