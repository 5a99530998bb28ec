"""Eight clothed, textured people on the 24-joint skeleton, as plain arrays for whoever draws them."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load

from posegen.errors import UsageError, nearest
from posegen_starter import files

NAMES = ("s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7")


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One person in rest pose (T-pose, metres, facing +Z). V vertices, F triangles, C uv corners, P parts.

    vertices: (V,3).  weights_index, weights: (V,4) the joints that move a vertex, falling weights that sum to 1.
    faces: (F,3) vertex ids.  corners: (F,3) rows of ``uv``.  uv: (C,2) in [0,1], v up.
    part: (F,) index into ``parts`` and ``textures``.  parts: skin, suit, shoes, hair, eyes.
    textures: P images (H,W,4) uint8 RGBA, sizes differ.  joints: (24,3) rest joints.  betas: (10,) of the open body.
    """

    name: str
    vertices: NDArray[np.float32]
    weights_index: NDArray[np.uint8]
    weights: NDArray[np.float32]
    faces: NDArray[np.int32]
    corners: NDArray[np.int32]
    uv: NDArray[np.float32]
    part: NDArray[np.uint8]
    parts: tuple[str, ...]
    textures: tuple[NDArray[np.uint8], ...]
    joints: NDArray[np.float32]
    betas: NDArray[np.float32]


def subject(name: str) -> Subject:
    """The person ``s0`` .. ``s7``; decoded once, so treat the arrays as read-only.

    Raises UsageError for an unknown name and AssetError for a damaged file.
    """
    if name not in NAMES:
        raise UsageError(f"there is no subject '{name}'", nearest(name, NAMES) or f"subjects: {', '.join(NAMES)}")
    return _load(name, files.DATA)


@cache
def _load(name: str, folder: Path) -> Subject:
    about = json.loads(files.read("subjects/subjects.json"))[name]
    data = load(files.read(f"subjects/{name}.safetensors"))
    corners = data["faces"].astype(np.int32)
    ends = data["part_end"]
    return Subject(
        name=name,
        vertices=(data["v_offset"] + data["v_scale"] * data["v_q"]).astype(np.float32),
        weights_index=data["weights_index"],
        weights=data["weights_value"].astype(np.float32) / np.float32(255),
        faces=data["corner_vertex"].astype(np.int32)[corners],
        corners=corners,
        uv=data["corner_uv"].astype(np.float32) / np.float32(65535),
        part=np.searchsorted(ends, np.arange(len(corners)), side="right").astype(np.uint8),
        parts=tuple(about["parts"]),
        textures=tuple(_texture(about["textures"][part]) for part in about["parts"]),
        joints=data["joints"],
        betas=data["betas"],
    )


def _texture(name: str) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(files.read(f"subjects/{name}"))) as image:
        return np.asarray(image.convert("RGBA"))
