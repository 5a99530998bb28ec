"""Rays of many images -> colours and opacities, with the graph that a fit needs or without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from posegen_anerf.field import Field
from posegen_anerf.fit import network
from posegen_anerf.fit.hull import Hull
from posegen_anerf.fit.sampling import Samples, sample
from posegen_anerf.volume import colour

_SHORT, _HIDDEN, _SOME = 0.02, 0.05, 0.05


@dataclass(frozen=True, slots=True)
class Rays:
    """I images with S rays each. origins, directions: (I*S,3), NeRF units and world.  skts: (I,24,4,4).

    images: (I,) which they are, where the hull is to be asked.  person: (I*S,) the opacity that is wanted.
    frames: (I,) whose code an image has, or None.
    """

    origins: Tensor
    directions: Tensor
    skts: Tensor
    images: Tensor | None = None
    person: Tensor | None = None
    frames: Tensor | None = None

    @property
    def each(self) -> int:
        return len(self.origins) // len(self.skts)


@dataclass(frozen=True, slots=True)
class March:
    """How a ray is sampled. threshold: samples of less weight are left out of the graph; 0 keeps all.

    noise: standard deviation of what is added to raw densities.  bf16: networks in bfloat16.  hull: what the masks
    leave, or None.
    """

    radii: Tensor
    step: float
    threshold: float = 0.0
    noise: float = 0.0
    bf16: bool = False
    hull: Hull | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """rgb: (R,3) over black.  alpha: (R,) opacity.  empty: (E,3) points that the masks say are empty, image by image.

    counts: how many of them each image has.
    """

    rgb: Tensor
    alpha: Tensor
    empty: Tensor
    counts: list[int]


def draw(field: Field, rays: Rays, march: March, rng: Generator | None = None) -> Drawn:
    """What R rays see.  rng: random places in the bins, and noise; None is neither."""
    with torch.no_grad():
        skts = rays.skts.detach().repeat_interleave(rays.each, 0)
        samples = sample(rays.origins, rays.directions, skts, march.radii, march.step, rng)
        points = rays.origins[samples.ray] + samples.depth[:, None] * rays.directions[samples.ray]
        counts = _per_image(samples, rays)
        empty, beside = points[:0], [0] * len(rays.skts)
        if march.hull is not None and rays.images is not None:
            kept = march.hull.holds(points, counts, rays.images)
            empty = points[~kept]
            samples, points = samples.chosen(kept), points[kept]
            left = _per_image(samples, rays)
            beside, counts = [a - b for a, b in zip(counts, left, strict=True)], left
    with torch.autocast(points.device.type, torch.bfloat16, enabled=march.bf16):
        rgb, alpha = _shade(field, rays, march, samples, points, counts, rng)
    return Drawn(rgb, alpha, empty, beside)


def _shade(
    field: Field,
    rays: Rays,
    march: March,
    samples: Samples,
    points: Tensor,
    counts: list[int],
    rng: Generator | None,
) -> tuple[Tensor, Tensor]:
    """Points (M,3) of the samples -> rgb (R,3) and opacity (R,)."""
    count = len(rays.origins)
    seen = network.encode(field, points, rays.directions, rays.skts, counts, rays.each, march.bf16)
    if march.threshold and samples.widest and torch.is_grad_enabled():
        with torch.no_grad():
            raw = network.density(field, seen, network.trunk(field, seen.points))
            keep = _matters(samples, _weights(samples, raw, march.step, count), rays, march.threshold, rng)
        samples, seen = samples.chosen(keep), seen.chosen(keep)
    h = network.trunk(field, seen.points)
    raw = network.density(field, seen, h)
    frames = None if rays.frames is None else rays.frames.repeat_interleave(rays.each)
    rgb = network.colours(field, seen, h, samples.ray, frames)
    if march.noise and rng is not None:
        raw = raw + march.noise * torch.randn(raw.shape, generator=rng).to(raw)
    weights = _weights(samples, raw, march.step, count)
    out = rgb.new_zeros(count, 3).index_add(0, samples.ray, weights[:, None] * colour(rgb))
    return out, rgb.new_zeros(count).index_add(0, samples.ray, weights)


def _per_image(samples: Samples, rays: Rays) -> list[int]:
    counts: list[int] = torch.bincount(samples.ray // rays.each, minlength=len(rays.skts)).tolist()
    return counts


def _matters(samples: Samples, weights: Tensor, rays: Rays, threshold: float, rng: Generator | None) -> Tensor:
    """Which samples get a gradient (M,): those that are seen; on rays that let too much through also those that
    nothing hides, which may have to fill; and some of the others that nothing hides."""
    sums = samples.padded(weights, len(rays.origins)).cumsum(1)
    through = 1 - sums[samples.ray, samples.rank] + weights
    keep = weights > threshold
    if rays.person is not None:
        short = rays.person - sums[:, -1] > _SHORT
        keep = keep | (short[samples.ray] & (through > _HIDDEN))
    if rng is not None:
        keep = keep | ((torch.rand(len(keep), generator=rng).to(weights) < _SOME) & (through > _HIDDEN))
    return keep


class _Density(torch.autograd.Function):
    """relu, but where it is 0 a gradient that asks for more density passes: otherwise what is empty stays so."""

    @staticmethod
    def forward(ctx: Any, raw: Tensor) -> Tensor:
        ctx.save_for_backward(raw)
        return raw.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (raw,) = ctx.saved_tensors
        return torch.where((raw > 0) | (grad < 0), grad, 0)


def _weights(samples: Samples, raw: Tensor, length: float, rays: int) -> Tensor:
    """Raw densities (M,) -> each sample's share in its ray's colour (Eq 12), bins of one length."""
    density: Tensor = _Density.apply(raw)  # type: ignore[no-untyped-call]
    thick = density * length
    passed = samples.padded(thick, rays).cumsum(1)
    before = passed[samples.ray, samples.rank] - thick
    return torch.exp(-before) * -torch.expm1(-thick)
