"""From cameras and bones to rays: which pixels are worth a ray, and where its nodes lie."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen.types import Camera
from posegen_anerf.fast import nodes
from posegen_anerf.fast.capsules import Capsules
from posegen_anerf.fast.march import Rays
from posegen_anerf.rays import sight
from posegen_anerf.skeleton import in_camera

STRIP = 4096
"""Rays that are marched together, at most: enough to keep batches full, few enough to share between threads."""


def frames(skts: Tensor, camera: Camera) -> Tensor:
    """skts (N,24,4,4) and N cameras -> (N,3,4,24) float32: what carries pixels into each bone's axes, see ``nodes``.

    A point at depth t on the ray of pixel (x,y) is ``t * frames[:, :3] @ (x,y,1) + frames[:, 3]`` in the axes of a
    bone: of pose and camera a field depends on nothing else. Differentiable.
    """
    exact = Camera(
        camera.rotation.double(), camera.translation.double(), camera.intrinsics.double(), camera.width, camera.height
    )
    bones = in_camera(skts.double(), exact)
    corners = sight(exact, exact.intrinsics.new_tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    columns = torch.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], corners[:, 0]], dim=-1)
    into = torch.cat([bones[..., :3, :3] @ columns[:, None], bones[..., :3, 3:]], dim=-1)  # (N,24,3,4)
    return into.permute(0, 2, 3, 1).float()


def strips(
    frame: NDArray[np.float32], capsules: Capsules, width: int, height: int, step: float
) -> Iterator[tuple[NDArray[np.int64], Rays]]:
    """One image's frames (3,4,24) -> its rays that meet a capsule, and which pixels (y * width + x) they are."""
    exact = frame.astype(np.float64)
    table, room = nodes.place(exact, capsules, step)
    counts = np.zeros((height, width), np.int32)
    nodes.count_nodes(table, capsules.profile, width, height, step, room, counts)
    index = np.flatnonzero(counts)
    for i in np.array_split(index, -(-len(index) // STRIP) or 1):
        pixels = np.stack([i % width, i // width], axis=1).astype(np.float32) + np.float32(0.5)
        first = np.concatenate([[0], np.cumsum(counts.reshape(-1)[i])])
        listed = np.empty(first[-1], np.int32)
        nodes.list_nodes(table, capsules.profile, pixels.astype(np.float64), step, room, first, listed)
        direction = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1) @ exact[:, :3, 0].T
        length = (step * np.linalg.norm(direction, axis=1)).astype(np.float32)
        yield i, Rays(frame, pixels, first, listed, step, length)
