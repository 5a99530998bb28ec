"""What fine-tuning draws its batches from: crops with target joints, in appearances drawn once or anew every time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from posegen.appearance import Appearance
from posegen.datasets.generated import Samples, to_bytes
from posegen.datasets.photos import photo_box
from posegen.geometry import resample, rotvec_to_rotmat, view_rotation
from posegen.labels import Labels
from posegen.nn.device import device_of

if TYPE_CHECKING:
    from posegen.protocols import PoseEstimator

CHUNK = 16  # pictures looked at together when a bank is filled: 32 no longer stay in a cache
PHOTO_COPIES = 6  # times that every photograph is cut out anew
GREY = 0.5
UPRIGHT = 0.3  # share of these that are nearly upright; the others are turned by any angle

Look = Callable[[Tensor, torch.Generator], Tensor]


class Bank:
    """n crops and what is true of them, or what they are to be held to.

    look: indices (k,) -> crops (k,3,S,S) in an appearance drawn from the generator.  copies: appearances that are drawn
    once for every picture and kept, in bytes where they are pictures in [0,1]; 0 draws a new one every time.
    """

    def __init__(self, look: Look, labels: Labels, copies: int, rng: torch.Generator) -> None:
        self.labels = labels
        order = torch.split(torch.arange(len(labels)), CHUNK)
        self.kept = [_together([_packed(look(chunk, rng)) for chunk in order]) for _ in range(copies)]
        self.look = None if self.kept else look  # it holds pictures, which nobody needs any more

    def __len__(self) -> int:
        return len(self.labels)

    def draw(self, index: Tensor, rng: torch.Generator) -> tuple[Tensor, Labels]:
        """indices (k,) -> crops and labels."""
        if self.look is not None:
            return self.look(index, rng), self.labels[index]
        copy = torch.randint(len(self.kept), (), generator=rng)
        return _unpacked(self.kept[int(copy)][index]), self.labels[index]

    def order(self, k: int, rng: torch.Generator) -> Tensor:
        """k indices at random, of which none comes again before all the others came."""
        rounds = math.ceil(k / len(self))
        return torch.cat([torch.randperm(len(self), generator=rng) for _ in range(rounds)])[:k]

    def pick(self, k: int, rng: torch.Generator) -> tuple[Tensor, Labels]:
        """k random ones."""
        return self.draw(torch.randint(len(self), (k,), generator=rng), rng)


def _packed(crops: Tensor) -> Tensor:
    """What an estimator's crop holds is its affair: outside [0,1] it stays in half precision."""
    return (to_bytes(crops) if crops.min() >= 0 and crops.max() <= 1 else crops.half()).cpu()


def _together(parts: list[Tensor]) -> Tensor:
    """In half precision if one part is."""
    alike = len({part.dtype for part in parts}) == 1
    return torch.cat(parts if alike else [_unpacked(part).half() for part in parts])


def _unpacked(kept: Tensor) -> Tensor:
    return kept.float().div_(255) if kept.dtype == torch.uint8 else kept.float()


@torch.no_grad()
def labelled(
    samples: Samples,
    estimator: PoseEstimator,
    appearance: Appearance,
    copies: int,
    rng: torch.Generator,
    chosen: Tensor | None = None,
) -> Bank:
    """Rendered samples and all that is true of them.

    chosen: (n,) which of them, in this order; a copy of pictures would often be gigabytes.
    """
    chosen = torch.arange(len(samples)) if chosen is None else chosen
    return Bank(_rendered(samples, chosen, estimator, appearance), _truth(samples, estimator)[chosen], copies, rng)


@torch.no_grad()
def recalled(
    samples: Samples,
    estimator: PoseEstimator,
    appearance: Appearance,
    copies: int,
    rng: torch.Generator,
    chosen: Tensor | None = None,
) -> Bank:
    """Rendered samples and what the estimator sees in them now, before a grey wall in even light; as ``labelled``."""
    chosen = torch.arange(len(samples)) if chosen is None else chosen
    seen = torch.cat(list(plainly(samples, chosen, estimator)))
    return Bank(_rendered(samples, chosen, estimator, appearance), Labels.of_joints(seen), copies, rng)


@torch.no_grad()
def plainly(samples: Samples, chosen: Tensor, estimator: PoseEstimator) -> Iterator[Tensor]:
    """What the estimator sees now in those chosen (n,), before a grey wall in even light: joints (k,J,3), in chunks."""
    for (index,) in _chunks(chosen):
        part = samples[index].to(device_of(estimator.module))
        yield estimator.predict(estimator.crop(part.render().over(GREY), part.box)).joints.cpu()


@torch.no_grad()
def photographs(
    photos: Tensor, estimator: PoseEstimator, appearance: Appearance, copies: int, rng: torch.Generator
) -> Bank:
    """Photographs of people (N,3,S,S) and what the estimator sees in them now, when they stand upright.

    Each is cut out anew several times: mirrored or not, nearer or farther, turned by any angle, what was seen too.
    Real pictures of tilted people come from this for nothing.
    """
    which = torch.arange(len(photos)).repeat(PHOTO_COPIES)
    window, angle = 2 * torch.rand(len(which), 4, generator=rng) - 1, _angles(len(which), rng)
    seen, parts = [], []
    for i, w, a in _chunks(which, window, angle):
        image = _cut_out(photos[i].cpu(), w)
        seen.append(_see(estimator, image))
        parts.append(to_bytes(_turned(image, a)))
    turned, n = torch.cat(parts), len(angle)
    labels = Labels.of_joints(torch.cat(seen)).moved(-angle, torch.ones(n), torch.zeros(n, 2))

    def look(index: Tensor, rng: torch.Generator) -> Tensor:
        picture = appearance.photograph(turned[index].to(device_of(estimator.module)).float() / 255, rng)
        return estimator.crop(picture, photo_box(picture))

    return Bank(look, labels, copies, rng)


def _rendered(samples: Samples, chosen: Tensor, estimator: PoseEstimator, appearance: Appearance) -> Look:
    def look(index: Tensor, rng: torch.Generator) -> Tensor:
        part = samples[chosen[index]].to(device_of(estimator.module))
        return estimator.crop(appearance.compose(part.render(), rng), part.box)

    return look


def _truth(samples: Samples, estimator: PoseEstimator) -> Labels:
    """Places in the crop are known of estimators that say which square they cut (``square``)."""
    labels = Labels.of_joints(samples.truth)
    rotations = torch.cat([view_rotation(samples.view)[:, None], rotvec_to_rotmat(samples.theta)], dim=1)
    square = getattr(estimator, "square", None)
    if square is None:
        return replace(labels, rotations=rotations)
    centre, height = square(samples.box)
    return replace(labels, rotations=rotations, place=(samples.points - centre[:, None]) / height[:, None, None])


def _cut_out(photos: Tensor, window: Tensor) -> Tensor:
    """Photographs (n,3,S,S), mirrored or not, a little shifted, nearer or farther: window (n,4) in [-1,1]."""
    size = photos.shape[-1]
    image = torch.where((window[:, 0] > 0)[:, None, None, None], photos.flip(-1), photos)
    return resample(image, size / 2 + 0.06 * size * window[:, 1:3], size * (1 + 0.15 * window[:, 3]), size)


def _see(estimator: PoseEstimator, photos: Tensor) -> Tensor:
    photos = photos.to(device_of(estimator.module))
    return estimator.predict(estimator.crop(photos, photo_box(photos))).joints.cpu()


def _turned(image: Tensor, angle: Tensor) -> Tensor:
    """Square images (N,3,S,S), their content turned counter-clockwise by angle (N,) radians."""
    size = image.shape[-1]
    middle, side = torch.full((len(image), 2), size / 2), torch.full((len(image),), float(size))
    return resample(image, middle, side, size, angle=angle)


def _angles(n: int, rng: torch.Generator) -> Tensor:
    angle = torch.pi * (2 * torch.rand(n, generator=rng) - 1)
    upright = torch.rand(n, generator=rng) < UPRIGHT
    return torch.where(upright, 0.06 * angle, angle)


def _chunks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(torch.split(x, CHUNK) for x in tensors), strict=True)
