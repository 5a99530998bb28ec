"""What surrounds and colours the rendered person: background photographs, light, noise and blur."""

from __future__ import annotations

from copy import copy
from math import ceil

import torch
from torch import Tensor
from torch.nn import functional as F

from posegen.geometry import box_from_alpha, rotvec_to_rotmat
from posegen.settings import AppearanceSettings
from posegen.types import Render

SHADE_POWER = 1.5  # most people stand in the light, a few against it
OCCLUDER_LEAST, OCCLUDER_MOST = 0.2, 0.5  # its sides, as shares of the longer side of the person's box
BLUR_RADIUS = 3  # pixels, at least; twice the standard deviation where that is more


class Appearance:
    """Draws a new appearance for every render; poses, views and labels stay as they are.

    backgrounds: (B,3,H,W) images without people.
    """

    def __init__(self, settings: AppearanceSettings, backgrounds: Tensor) -> None:
        self.settings = settings
        self.backgrounds = torch.cat([backgrounds, backgrounds.flip(-1)])

    def reduced(self, share: float) -> Appearance:
        """The same looks in pictures whose sides are this share of what the settings are meant for."""
        s = self.settings
        made = copy(self)
        made.settings = s.model_copy(update={"blur": share * s.blur, "noise": share * s.noise})
        return made

    def compose(self, render: Render, rng: torch.Generator) -> Tensor:
        """The person before random backgrounds, photographed by a random camera: (N,3,H,W) in [0,1], differentiable."""
        person = self._person(render, rng)
        backdrop = self._backdrop(person, rng)
        image = torch.addcmul(person, 1 - render.alpha, backdrop)
        if self.settings.occlude:
            image = self._partly_hidden(image, render.alpha, rng)
        return self.photograph(image, rng)

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
            image = _blur(image, s.blur * _uniform((n,), rng, image), max(BLUR_RADIUS, ceil(2 * s.blur)))
        if s.noise:
            sigma = s.noise * _uniform((n, 1, 1, 1), rng, image)
            image = torch.addcmul(image, sigma, torch.randn(image.shape, generator=rng, device=rng.device).to(image))
        return image.clamp(0, 1)

    def _person(self, render: Render, rng: torch.Generator) -> Tensor:
        """The person in other colours and another light: premultiplied (N,3,H,W)."""
        s, image = self.settings, render.image
        n = len(image)
        light = self._around_one((n, 1, 1, 1), s.brightness, rng, image)
        light = light * (1 - s.shade * _uniform((n, 1, 1, 1), rng, image) ** SHADE_POWER)
        turned = _uniform((n, 1), rng, image) < s.hue
        angle = torch.pi * (2 * _uniform((n, 1), rng, image) - 1)
        mix = rotvec_to_rotmat(torch.where(turned, angle, 0) * image.new_full((1, 3), 3**-0.5))  # about the grey axis
        coloured = torch.einsum("nij,njhw->nihw", mix * light[..., 0], image)
        return torch.minimum(coloured.clamp(min=0), render.alpha)

    def _partly_hidden(self, image: Tensor, alpha: Tensor, rng: torch.Generator) -> Tensor:
        """A piece of another backdrop, a fifth to a half of the person's size, before some people: (N,3,H,W)."""
        n, _, height, width = image.shape
        box = box_from_alpha(alpha)
        low, size = box[:, :2], box[:, 2:] - box[:, :2]
        middle = low + size * _uniform((n, 2), rng, image)
        share = OCCLUDER_LEAST + (OCCLUDER_MOST - OCCLUDER_LEAST) * _uniform((n, 2), rng, image)
        half = size.amax(1, keepdim=True) * share / 2
        chosen = _uniform((n, 1, 1), rng, image) < self.settings.occlude
        x, y = (torch.arange(side, device=image.device) + 0.5 for side in (width, height))
        across = (x - middle[:, :1]).abs() < half[:, :1]
        along = (y - middle[:, 1:]).abs() < half[:, 1:]
        hidden = (along[:, :, None] & across[:, None, :] & chosen)[:, None]
        return torch.where(hidden, self._backdrop(image, rng), image)

    def _backdrop(self, image: Tensor, rng: torch.Generator) -> Tensor:
        """A photograph, mirrored or not, for most; a plain wall for the rest: (N,3,H,W)."""
        n, _, height, width = image.shape
        chosen = torch.randint(len(self.backgrounds), (n,), generator=rng, device=rng.device).to(
            self.backgrounds.device
        )
        photographed = _uniform((n, 1, 1, 1), rng, image) < self.settings.backgrounds
        plain = _uniform((n, 3, 1, 1), rng, image)
        if self.settings.wall == "white":
            plain = torch.ones_like(plain)
        photo = self.backgrounds[chosen].to(image)
        if photo.shape[-2:] != (height, width):
            photo = F.interpolate(photo, (height, width), mode="bilinear", antialias=True)
        return torch.where(photographed, photo, plain)

    @staticmethod
    def _around_one(shape: tuple[int, ...], spread: float, rng: torch.Generator, like: Tensor) -> Tensor:
        return 1 + spread * (2 * _uniform(shape, rng, like) - 1)


def _uniform(shape: tuple[int, ...], rng: torch.Generator, like: Tensor) -> Tensor:
    return torch.rand(shape, generator=rng, device=rng.device).to(like)


def _blur(image: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Gaussian blur with one standard deviation (N,) in pixels for each image, cut at ``radius`` pixels."""
    n, c, h, w = image.shape
    offset = torch.arange(-radius, radius + 1).to(image)
    kernel = torch.exp(-offset.square() / (2 * sigma.clamp(min=0.05)[:, None].square()))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(c, 0)
    flat = F.pad(image, [radius] * 4, mode="replicate").reshape(1, n * c, h + 2 * radius, -1)
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=n * c)
    return F.conv2d(flat, kernel[:, None, :, None], groups=n * c).reshape(n, c, h, w)
