"""Which pixels a fit learns from."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from posegen.types import Views
from posegen_anerf.fit.draw import Rays
from posegen_anerf.fit.hull import dilated
from posegen_anerf.rays import rays

_REACH = 8  # pixels around the mask that are always looked at, of images 256 pixels wide
_ELSEWHERE = 0.1  # share of rays anywhere in the image
_BATCH = 256


class Pixels:
    """Draws pixels of the images to learn from: mostly on the person and around it."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.images = (~views.held_out).nonzero()[:, 0]
        height, width = views.masks.shape[1:]
        reach = max(1, round(_REACH * max(height, width) / 256))
        place, count = [], []
        for part in self.images.split(_BATCH):
            near = dilated(views.masks[part], reach).flatten(1)
            place.append(near.nonzero()[:, 1].int())
            count.append(near.sum(1))
        self._place, self._count = torch.cat(place), torch.cat(count)  # of all images, one after the other
        self._first = self._count.cumsum(0) - self._count

    def draw(self, images: int, each: int, rng: Generator) -> tuple[Tensor, Tensor]:
        """-> images (I,) and places (I,each) of pixels in them, row by row."""
        pick = torch.randint(len(self.images), (images,), generator=rng)
        height, width = self.views.masks.shape[1:]
        anywhere = torch.randint(height * width, (images, each), generator=rng)
        count = self._count[pick][:, None]
        near = self._first[pick][:, None] + (torch.rand(images, each, generator=rng) * count).long()
        near = self._place[near.clamp(max=max(len(self._place) - 1, 0))].long() if len(self._place) else anywhere
        far = (torch.rand(images, each, generator=rng) < _ELSEWHERE) | (count == 0)
        return self.images[pick], torch.where(far, anywhere, near)

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
    return Rays(origins.repeat_interleave(each, 0), directions.flatten(0, 1), skts, image, frames)
