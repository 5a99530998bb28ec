"""Which pixels a fit learns from."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Generator, Tensor

from posegen.types import Views
from posegen_anerf.fit.draw import Rays
from posegen_anerf.fit.hull import dilated
from posegen_anerf.rays import rays

_REACH, _BAND = 6, 3  # pixels around the mask, and on either side of its edge, of images 256 pixels wide
_NEAR, _OUTLINE = 0.9, 0.35  # shares of rays; those of _NEAR that are not _OUTLINE's are on the person or around it
_BATCH = 256


class Pixels:
    """Draws pixels of the images to learn from: on the person and around it, twice as often along its outline."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.images = (~views.held_out).nonzero()[:, 0]
        scale = max(views.masks.shape[1:]) / 256
        parts = [views.masks[part] for part in self.images.split(_BATCH)]
        self._near = _Places(dilated(part, round(_REACH * scale)) for part in parts)
        self._outline = _Places(_outline(part, max(1, round(_BAND * scale))) for part in parts)

    def draw(self, images: int, each: int, rng: Generator) -> tuple[Tensor, Tensor]:
        """-> images (I,) and places (I,each) of pixels in them, row by row."""
        pick = torch.randint(len(self.images), (images,), generator=rng)
        height, width = self.views.masks.shape[1:]
        place = torch.randint(height * width, (images, each), generator=rng)
        for share, places in ((_NEAR, self._near), (_OUTLINE, self._outline)):
            place = torch.where(torch.rand(images, each, generator=rng) < share, places.draw(pick, place, rng), place)
        return self.images[pick], place

    def target(self, image: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """What the images show at places (I,S): rgb (I*S,3) over black and opacity (I*S,), in [0,1]."""
        return target(self.views, image, place)


def target(views: Views, image: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Images (I,), places (I,S) -> rgb (I*S,3) over black and opacity (I*S,), in [0,1]."""
    row, column = place // views.masks.shape[2], place % views.masks.shape[2]
    rgb, mask = views.images[image[:, None], row, column], views.masks[image[:, None], row, column]
    return rgb.reshape(-1, 3).float() / 255, mask.reshape(-1).float() / 255


def rays_of(views: Views, image: Tensor, place: Tensor, skts: Tensor, codes: bool) -> Rays:
    """The rays through pixel centres. skts: (I,24,4,4) of the images' poses."""
    width = views.masks.shape[2]
    pixel = torch.stack([place % width, place // width], dim=-1) + 0.5
    origins, directions = rays(views.cameras[image], pixel)
    each = place.shape[1]
    frames = image if codes else None
    return Rays(origins.repeat_interleave(each, 0), directions.flatten(0, 1), skts, image, frames=frames)


class _Places:
    """Where each image's chosen pixels are: all images in one list."""

    def __init__(self, chosen: Iterable[Tensor]) -> None:
        """chosen: batches of (N,H,W) bool."""
        place, count = [], []
        for part in chosen:
            flat = part.flatten(1)
            place.append(flat.nonzero()[:, 1].int())
            count.append(flat.sum(1))
        self._place, self._count = torch.cat(place), torch.cat(count)
        self._first = self._count.cumsum(0) - self._count

    def draw(self, images: Tensor, otherwise: Tensor, rng: Generator) -> Tensor:
        """A place in each of ``images`` (I,) for each entry of ``otherwise`` (I,S), which stays where there is none."""
        count = self._count[images][:, None]
        index = self._first[images][:, None] + (torch.rand(otherwise.shape, generator=rng) * count).long()
        if not len(self._place):
            return otherwise
        return torch.where(count > 0, self._place[index.clamp(max=len(self._place) - 1)].long(), otherwise)


def _outline(masks: Tensor, reach: int) -> Tensor:
    return dilated(masks, reach) & dilated(255 - masks, reach)
