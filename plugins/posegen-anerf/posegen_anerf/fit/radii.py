"""How thick the capsules must be to hold the person that the masks show."""

from __future__ import annotations

import warnings

import torch
from torch import Generator, Tensor

from posegen.body import JOINT_SETS
from posegen.types import Views
from posegen_anerf.fast.capsules import TIPS
from posegen_anerf.fit.capsules import ray_distances, segments, typical_radii
from posegen_anerf.fit.pixels import rays_of
from posegen_anerf.skeleton import UNIT

_IMAGES, _PIXELS = 256, 256
_LEAST, _MOST = 0.8, 2.0


def radii_of(views: Views, skts: Tensor, margin: float, rng: Generator) -> Tensor:
    """Radii (28,) in NeRF units: each typical one grown, or shrunk a little, until the capsule that a person's pixel is
    nearest to (in shares of its radius) holds it, and then by ``margin``. skts: (P,24,4,4).

    Looked at are 256 pixels of each of 256 images at most. Warns where a pixel is too far away for any of them."""
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
    grown = radii * share.clamp(max=_MOST) + margin
    _tell(radii * share, grown)
    return grown


def _tell(reach: Tensor, radii: Tensor) -> None:
    """Warn of the capsule that the masks reach farthest out of, of those they do. Both (28,), NeRF units."""
    beyond = reach - radii
    worst = int(beyond.argmax())
    if beyond[worst] > 0:
        names = JOINT_SETS["smpl24"].joints
        bone = [*names[1:], *(f"{names[tip]}'s tip" for tip in TIPS)][worst]
        warnings.warn(
            f"the masks reach {float(reach[worst]) / UNIT:.2f} m away from the bone to {bone}, and what is more than "
            f"{float(radii[worst]) / UNIT:.2f} m away is not learned: a skirt, coat or bag is cut off, or a mask "
            "or pose is wrong",
            stacklevel=2,
        )
