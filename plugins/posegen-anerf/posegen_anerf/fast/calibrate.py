"""How thick the capsules must be: found once for each checkpoint, by looking."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from posegen.errors import AssetError
from posegen.geometry import orbit, uniform_sphere
from posegen_anerf.fast.capsules import ALONG, AROUND, COUNT, RADIUS, capsules, cells
from posegen_anerf.fast.draw import FastMarch, Settings
from posegen_anerf.fast.march import Marched, Rays
from posegen_anerf.fast.scene import frames
from posegen_anerf.fast.threads import each
from posegen_anerf.skeleton import UNIT, bones_to_world
from posegen_anerf.subject import NerfSubject

VISIBLE = 2e-3
"""What takes less than this share of a ray's light is nothing."""
_LIMIT = 1.8  # NeRF units: a person is not thicker
_SIZE, _DISTANCE, _STEP = 40, 4.0, 0.05
_MARGIN = 0.025


def calibrate(subject: NerfSubject, poses: Tensor | None = None, views: int = 192, seed: int = 0) -> Tensor:
    """-> ``margins`` (28*ALONG*AROUND,): profiles, NeRF units, outside of which nothing of the subject is visible.

    The subject is drawn from all around in capsules of 0.3 m, in ``poses`` (P,23,3) and in random ones, and each
    visible point is given to the bone that it is nearest to. Where something still reaches the capsules' surface, they
    grow and all is done again. Raises AssetError for a field that is dense everywhere.
    """
    generator = torch.Generator().manual_seed(seed)
    scale = 0.5 * torch.rand(views, 1, 1, generator=generator)
    drawn = scale * torch.randn(views, 23, 3, generator=generator)
    if poses is not None:
        given = poses[torch.randint(len(poses), (views // 2,), generator=generator)]
        drawn[: views // 2] = given.to(drawn)
    camera = orbit(uniform_sphere(views, generator), distance=_DISTANCE, size=_SIZE)
    into = frames(bones_to_world(drawn, subject.rest_joints.cpu()), camera)
    radius = RADIUS
    while radius <= _LIMIT:
        found = _visible(subject, radius, into, camera.width, camera.height)
        if float(found.max()) < radius - _STEP:
            return _widened(found).flatten()
        radius *= 1.5
    raise AssetError(
        f"the field is dense {_LIMIT / UNIT:.1f} m away from the bones", "it is no person, or hangs on another skeleton"
    )


def _visible(subject: NerfSubject, radius: float, into: Tensor, width: int, height: int) -> Tensor:
    """How far visible points are from the axis that they are nearest to: (28,ALONG,AROUND), 0 where there is none."""
    fast = FastMarch(subject, Settings(step=_STEP, stop=VISIBLE), torch.device("cpu"))
    fast.capsules = around = capsules(subject.rest_joints, torch.full((COUNT,), radius))
    far = torch.zeros(COUNT * ALONG * AROUND, dtype=torch.float64)

    def one(strip: tuple[int, NDArray[np.int64], Rays]) -> tuple[Tensor, Tensor]:
        nearest, cell, distance = cells(_points(strip[2], fast.march(strip)), around)
        return nearest * ALONG * AROUND + cell, distance

    for cell, distance in each(one, fast.strips(into, width, height), fast.threads):
        far.scatter_reduce_(0, cell, distance, "amax")
    return far.reshape(COUNT, ALONG, AROUND).float()


def _widened(found: Tensor) -> Tensor:
    """Each cell has at least the mean of its neighbours', along and around, that are not empty, and a margin."""
    around = torch.cat([found[..., -1:], found, found[..., :1]], dim=-1)
    padded = F.pad(around, (0, 0, 1, 1))[:, None]
    total, count = (9 * F.avg_pool2d(x, 3, stride=1)[:, 0] for x in (padded, (padded > 0).float()))
    smooth = torch.maximum(found, total / count.clamp(min=1))
    return torch.where(smooth > 0, smooth + _MARGIN, 0.0)


def _points(rays: Rays, seen: Marched) -> Tensor:
    """Visible nodes in bone axes, (P,24,3)."""
    node = np.flatnonzero(seen.weights > VISIBLE)
    ray = np.searchsorted(rays.first, node, side="right") - 1
    pixels = np.concatenate([rays.pixels[ray], np.ones((len(node), 1), np.float32)], axis=1)
    depth = rays.depth(node)[:, None, None]
    points = np.einsum("abj,nb->nja", rays.frames[:, :3], pixels) * depth + rays.frames[:, 3].T
    return torch.from_numpy(points.astype(np.float32))
