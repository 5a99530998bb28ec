"""One image: skin, find what is seen, shade it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posegen_mesh.scene import Scene
from posegen_mesh.shade import shade
from posegen_mesh.skin import skin
from posegen_mesh.visibility import rasterise


def draw(
    scene: Scene,
    bones: NDArray[np.float64],
    intrinsics: NDArray[np.float64],
    light: NDArray[np.float64],
    samples: int,
    image: NDArray[np.float32],
    alpha: NDArray[np.float32],
) -> None:
    """Fills image (3,H,W) and alpha (H,W), both zero before.

    bones: (24,3,4) rest to camera axes.  intrinsics: (3,3), last row 0 0 1.  light: (7,) direction, ambient, colour.
    """
    person = scene.subject
    height, width = alpha.shape
    scaled = intrinsics.copy()
    scaled[:2] *= samples  # pixel centres are at half integers, so samples of samples need no shift
    homogeneous = np.empty_like(scene.rest)
    screen, lit = np.zeros((len(scene.rest), 2)), np.zeros((len(scene.rest), 2))
    box = skin(
        scene.rest, scene.normals, person.weights_index, person.weights, bones, scaled, light[:3],
        homogeneous, screen, lit,
    )  # fmt: skip
    low, high = np.floor(np.array(box[:2]) / samples), np.ceil(np.array(box[2:]) / samples)
    x0, y0 = np.clip(low, 0, (width, height)).astype(int)
    x1, y1 = np.clip(high, 0, (width, height)).astype(int)
    if x0 >= x1 or y0 >= y1:
        return
    buffer = ((y1 - y0) * samples, (x1 - x0) * samples)
    depth, owner = np.zeros(buffer, np.float32), np.full(buffer, -1, np.int32)
    level = np.zeros(len(person.faces), np.uint8)
    x_off, y_off = x0 * samples, y0 * samples
    texels, layout = scene.textures.texels, scene.textures.layout
    rasterise(
        homogeneous, screen, person.faces, scene.uv, scene.uv_area, person.part, scene.masked, texels, layout,
        x_off, y_off, depth, owner, level,
    )  # fmt: skip
    shade(
        homogeneous, lit, person.faces, scene.uv, person.part, texels, layout, level, owner,
        x_off, y_off, samples, light[3:], image, alpha,
    )  # fmt: skip
