"""Samples only where the person can be: bins of one length inside the capsules."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from posegen_anerf.fit.capsules import crossings, segments


@dataclass(frozen=True, slots=True)
class Samples:
    """M samples of R rays, ray by ray and front to back.

    ray: (M,) whose it is.  rank: (M,) its place among that ray's.  depth: (M,).  widest: the most on one ray.
    """

    ray: Tensor
    rank: Tensor
    depth: Tensor
    widest: int

    def padded(self, values: Tensor, rays: int) -> Tensor:
        """(M,...) -> (rays,widest,...), zero where a ray has no more samples. Differentiable."""
        out = values.new_zeros((rays * self.widest, *values.shape[1:]))
        return out.index_put((self.ray * self.widest + self.rank,), values).view(rays, self.widest, *values.shape[1:])

    def chosen(self, keep: Tensor) -> Samples:
        """Those where ``keep`` (M,) holds, in their order."""
        ray = self.ray[keep]
        count = torch.bincount(ray, minlength=1)
        rank = torch.arange(len(ray), device=ray.device) - (count.cumsum(0) - count)[ray]
        return Samples(ray, rank, self.depth[keep], int(count.max()) if len(ray) else 0)


def sample(
    origins: Tensor, directions: Tensor, skts: Tensor, radii: Tensor, step: float, rng: Generator | None = None
) -> Samples:
    """Rays (R,3), (R,3) among the capsules of the poses (R,24,4,4).

    radii: (28,).  step: length of a bin, NeRF units.  rng: places in the bins; None is their middle.
    """
    near, far = crossings(origins, directions, segments(skts), radii)
    stride = step / directions.norm(dim=-1)  # depths are measured along the optical axis
    hit = near < far
    first = torch.where(hit, near, torch.inf).amin(1)
    first = torch.where(first.isfinite(), first, 0.0)
    start = ((near - first[:, None]) / stride[:, None]).floor()
    end = ((far - first[:, None]) / stride[:, None]).ceil()
    bins = int(torch.where(hit, end, 0).amax()) if len(origins) else 0
    change = torch.zeros(len(origins), bins + 1, device=origins.device)
    one = hit.to(change.dtype)
    change.scatter_add_(1, torch.where(hit, start, 0).long(), one)
    change.scatter_add_(1, torch.where(hit, end, 0).long(), -one)
    inside = change.cumsum(1)[:, :bins] > 0
    ray, place = inside.nonzero(as_tuple=True)
    offset = 0.5 if rng is None else torch.rand(len(ray), generator=rng).to(origins)
    depth = first[ray] + (place + offset) * stride[ray]
    rank = inside.cumsum(1)[ray, place] - 1
    return Samples(ray, rank, depth, int(inside.sum(1).amax()) if len(ray) else 0)
