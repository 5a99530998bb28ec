"""How thick the capsules must be to hold the person that the masks show."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from posegen.types import Views
from posegen_anerf.fit.capsules import ray_distances, segments, typical_radii
from posegen_anerf.fit.pixels import rays_of

_IMAGES, _PIXELS = 256, 256
_LEAST, _MOST = 0.8, 2.0


def radii_of(views: Views, skts: Tensor, margin: float, rng: Generator) -> Tensor:
    """Radii (28,) in NeRF units: each typical one grown, or shrunk a little, until the capsule that a person's pixel is
    nearest to (in shares of its radius) holds it, and then by ``margin``. skts: (P,24,4,4)."""
    radii = typical_radii()
    share = torch.full_like(radii, _LEAST)
    learned = (~views.held_out).nonzero()[:, 0]
    for i in learned[torch.randperm(len(learned), generator=rng)[:_IMAGES]].tolist():
        person = (views.masks[i].flatten() > 127).nonzero()[:, 0]
        if len(person):
            place = person[torch.randint(len(person), (1, _PIXELS), generator=rng)]
            rays = rays_of(views, torch.tensor([i]), place, skts[views.pose_index[i]][None], codes=False)
            a, b = segments(rays.skts)
            reach = ray_distances(rays.origins, rays.directions, (a.expand(_PIXELS, -1, -1), b.expand(_PIXELS, -1, -1)))
            near = (reach / radii).min(1)
            share.scatter_reduce_(0, near.indices, near.values, "amax")
    return radii * share.clamp(max=_MOST) + margin
