"""Textures: packed with their smaller copies (mip levels) in one array, and sampled bilinearly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posegen_mesh.compile import kernel

LEVELS = 5


@dataclass(frozen=True, slots=True, eq=False)
class TexturePack:
    """texels: (T,4) uint8 RGBA of all levels.  layout: (P,LEVELS,3) int64: first texel, height, width."""

    texels: NDArray[np.uint8]
    layout: NDArray[np.int64]


def pack(textures: Sequence[NDArray[np.uint8]]) -> TexturePack:
    """P images (H,W,4) uint8 -> one array. A level averages 2x2 texels of the one before, weighted by their alpha."""
    texels, layout, start = [], np.zeros((len(textures), LEVELS, 3), np.int64), 0
    for part, texture in enumerate(textures):
        level = texture
        for k in range(LEVELS):
            height, width = level.shape[:2]
            layout[part, k] = start, height, width
            texels.append(level.reshape(-1, 4))
            start += height * width
            level = _half(level)
    return TexturePack(np.concatenate(texels), layout)


def _half(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[0] // 2, image.shape[1] // 2
    if height == 0 or width == 0:
        return image
    block = image[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 4).astype(np.float32)
    alpha = block[..., 3:] + 1e-3  # where all four are transparent their plain mean is taken
    colour = (block[..., :3] * alpha).sum((1, 3)) / alpha.sum((1, 3))
    return np.concatenate([colour, block[..., 3:].mean((1, 3))], -1).round().astype(np.uint8)


@kernel
def clamp(value, low, high):  # type: ignore[no-untyped-def]
    """Into [low, high]. NaN gives ``low``: numbers that overflowed must not become addresses."""
    raised = value if value > low else low
    return raised if raised < high else high


@kernel
def address(u, v, height, width):  # type: ignore[no-untyped-def]
    """uv in [0,1] (v up) -> row and column of the upper left of four texels, and the weights of its neighbours."""
    x = clamp(u * width - 0.5, 0.0, width - 1.0)
    y = clamp((1.0 - v) * height - 0.5, 0.0, height - 1.0)
    column, row = int(x), int(y)
    return row, column, x - column, y - row
