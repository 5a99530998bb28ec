"""A subject, prepared once for the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from posegen_starter.subjects import Subject, subject

from posegen_mesh.texture import TexturePack, pack


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """rest, normals: (V,3) float64, the pelvis at the origin.  weights_index, weights: (V,4).  faces: (F,3) int32.

    uv: (F,3,2) float32.  uv_area: (F,) twice the area in texels of the full texture.  part: (F,) uint8.
    masked: (P,) whether the part's texture has holes.
    """

    subject: Subject
    rest: NDArray[np.float64]
    normals: NDArray[np.float64]
    uv: NDArray[np.float32]
    uv_area: NDArray[np.float64]
    masked: NDArray[np.bool_]
    textures: TexturePack


@cache
def scene(name: str) -> Scene:
    """The starter subject of that name. Raises UsageError for an unknown one, AssetError for a damaged file."""
    person = subject(name)
    rest = person.vertices.astype(np.float64) - person.joints[0].astype(np.float64)
    uv = person.uv[person.corners]
    size = np.array([texture.shape[0] * texture.shape[1] for texture in person.textures], np.float64)
    one, two = (uv[:, 1] - uv[:, 0]).astype(np.float64), (uv[:, 2] - uv[:, 0]).astype(np.float64)
    return Scene(
        subject=person,
        rest=rest,
        normals=_vertex_normals(rest, person.faces),
        uv=uv,
        uv_area=np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]) * size[person.part],
        masked=np.array([bool(texture[..., 3].min() < 255) for texture in person.textures]),
        textures=pack(person.textures),
    )


def _vertex_normals(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    """Unit normals (V,3): the sum of the face normals around a vertex, weighted by their areas."""
    corner = vertices[faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    total = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(total, faces[:, k], normal)
    length: NDArray[np.float64] = np.linalg.norm(total, axis=1, keepdims=True)
    return total / np.maximum(length, 1e-12)
