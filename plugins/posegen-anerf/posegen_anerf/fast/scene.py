"""From cameras and bones to rays: which pixels are worth a ray, and where its nodes lie."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen.types import Camera
from posegen_anerf.fast import nodes
from posegen_anerf.fast.capsules import Capsules
from posegen_anerf.fast.march import Ints, Rays
from posegen_anerf.rays import sight
from posegen_anerf.skeleton import in_camera

USUAL = 16
"""Nodes that there is room for at first, for each pixel of the image."""
STRIP = 8192
"""Rays that are marched together, at most: enough to keep batches full, few enough to share between threads."""


def frames(skts: Tensor, camera: Camera) -> Tensor:
    """skts (N,24,4,4) and N cameras -> (N,3,4,24) float32: what carries pixels into each bone's axes, see ``nodes``.

    A point at depth t on the ray of pixel (x,y) is ``t * frames[:, :3] @ (x,y,1) + frames[:, 3]`` in the axes of a
    bone: of pose and camera a field depends on nothing else. Differentiable.
    """
    turn, move, intrinsics = (part.cpu().double() for part in (camera.rotation, camera.translation, camera.intrinsics))
    exact = Camera(turn, move, intrinsics, camera.width, camera.height)
    bones = in_camera(skts.cpu().double(), exact)  # on the CPU: MPS has no double precision
    corners = sight(exact, exact.intrinsics.new_tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    columns = torch.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], corners[:, 0]], dim=-1)
    into = torch.cat([bones[..., :3, :3] @ columns[:, None], bones[..., :3, 3:]], dim=-1)  # (N,24,3,4)
    return into.permute(0, 2, 3, 1).float().to(skts.device)


def strips(
    frame: NDArray[np.float32], capsules: Capsules, width: int, height: int, step: float, cut: int, stop: float
) -> Iterator[tuple[NDArray[np.int64], Rays]]:
    """One image's frames (3,4,24) -> its rays that meet a capsule, and which pixels (y * width + x) they are.

    step: depth between listed nodes.  cut: nodes in place of one, between two that are neighbours.
    stop: see ``Rays``.
    """
    exact = frame.astype(np.float64)
    table, room = nodes.place(exact, capsules, step)
    pixel, begin = (np.empty(width * height + n, np.int64) for n in (0, 1))
    listed, count = np.empty(0, np.int32), USUAL * width * height
    while count > len(listed):
        listed = np.empty(count, np.int32)
        rays, count = nodes.list_nodes(table, capsules.profile, width, height, step, room, pixel, begin, listed)
    ends = np.linspace(0, rays, 1 + max(1, -(-rays // STRIP))).astype(int)
    for a, b in pairwise(ends):
        i, first = pixel[a:b], begin[a : b + 1]
        pixels = np.stack([i % width, i // width], axis=1).astype(np.float32) + np.float32(0.5)
        direction = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1) @ exact[:, :3, 0].T
        length = (step / cut * np.linalg.norm(direction, axis=1)).astype(np.float32)
        own = _divided(first - first[0], listed[first[0] : first[-1]], cut)
        yield i, Rays(frame, pixels, *own, step / cut, length, cut, stop)


def _divided(first: NDArray[np.int64], nodes: Ints, cut: int) -> tuple[NDArray[np.int64], Ints]:
    """The same runs of nodes, ``cut`` times as densely: node k becomes k * cut."""
    if cut == 1:
        return first, nodes
    joined = np.zeros(len(nodes), np.bool_)
    joined[:-1] = nodes[1:] == nodes[:-1] + 1
    joined[first[1:][first[1:] > first[:-1]] - 1] = False  # the last of a ray
    start = np.concatenate([[0], np.cumsum(np.where(joined, cut, 1))])
    within = np.arange(start[-1]) - np.repeat(start[:-1], np.diff(start))
    return start[first], (np.repeat(nodes * cut, np.diff(start)) + within).astype(np.int32)
