"""What the masks alone say about space: a point that one image shows beside the person is empty (visual hull).

Images of one pose share one world, so each sample on a ray is looked up in the masks of all of them. What is left is
a third of the samples, near the surface, and what is thrown away is known to be empty.
"""

from __future__ import annotations

import torch
from torch import Tensor

from posegen.types import Views
from posegen_anerf.skeleton import FLIP, UNIT

_MOST = 12  # images of a pose that are asked
_BATCH = 256


class Hull:
    """The masks of the images to learn from, ``reach`` pixels larger, and their cameras in NeRF units and world."""

    def __init__(self, views: Views, reach: int = 2) -> None:
        camera = views.cameras
        turn = camera.intrinsics @ camera.rotation * (camera.rotation.new_tensor(FLIP) / UNIT)
        self._turn, self._move = turn, (camera.intrinsics @ camera.translation[..., None])[..., 0]
        self._person = torch.cat([dilated(part, reach) for part in views.masks.split(_BATCH)])
        self._others = _by_pose(views)[views.pose_index]

    def holds(self, points: Tensor, counts: list[int], images: Tensor) -> Tensor:
        """Points (M,3), ``counts[i]`` of them on rays of image ``images[i]`` -> (M,) false where they are empty."""
        kept = [self._ask(part, self._others[i]) for part, i in zip(points.split(counts), images.tolist(), strict=True)]
        return torch.cat(kept)

    def _ask(self, points: Tensor, images: Tensor) -> Tensor:
        images = images[images >= 0]
        seen = torch.einsum("mb,vab->vma", points, self._turn[images]) + self._move[images, None]
        depth = seen[..., 2].clamp(min=1e-6)
        height, width = self._person.shape[1:]
        x, y = (seen[..., 0] / depth).floor().long(), (seen[..., 1] / depth).floor().long()
        framed = (seen[..., 2] > 1e-6) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
        place = (images[:, None] * height + y.clamp(0, height - 1)) * width + x.clamp(0, width - 1)
        return (self._person.view(-1)[place] | ~framed).all(0)


def dilated(masks: Tensor, reach: int) -> Tensor:
    """(N,H,W) uint8 -> bool, larger by ``reach`` pixels on every side."""
    grown = masks > 0
    for dim in (1, 2):
        wide = grown.clone()
        for step in range(1, min(reach, masks.shape[dim] - 1) + 1):
            inner = masks.shape[dim] - step
            wide.narrow(dim, 0, inner).logical_or_(grown.narrow(dim, step, inner))
            wide.narrow(dim, step, inner).logical_or_(grown.narrow(dim, 0, inner))
        grown = wide
    return grown


def _by_pose(views: Views) -> Tensor:
    """Images to learn from, by the pose they show: (P,V), -1 where a pose has fewer."""
    learned = (~views.held_out).nonzero()[:, 0]
    pose = views.pose_index[learned]
    order = torch.argsort(pose, stable=True)
    learned, pose = learned[order], pose[order]
    count = torch.bincount(pose, minlength=len(views.poses))
    rank = torch.arange(len(pose)) - (count.cumsum(0) - count)[pose]
    some = rank < _MOST
    table = torch.full((len(views.poses), min(int(count.max()), _MOST)), -1)
    table[pose[some], rank[some]] = learned[some]
    return table
