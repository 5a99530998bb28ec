"""A clip of SURREAL (``*_info.mat``, MATLAB v5), mirrored so that its labels fit its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posegen.body.joints import JOINT_SETS
from posegen.datasets.checked import REPAIR, Array, finite
from posegen.datasets.matlab_v5 import read_v5
from posegen.datasets.poses import mirror
from posegen.errors import AssetError
from posegen.geometry import rotmat_to_rotvec, rotvec_to_rotmat

KEYS = ("joints2D", "joints3D", "pose", "shape", "zrot", "camLoc", "gender")
LONGEST = 100
GENDERS = ("female", "male")
INTRINSICS = np.array([[600.0, 0, 160], [0, 600, 120], [0, 0, 1]])
WORLD_TO_CAMERA = np.array([[0.0, 0, -1], [0, 1, 0], [-1, 0, 0]])
"""The published extrinsics: a reflection. The world's -y is up."""
MIRROR = np.diag([-1.0, 1, 1])
ABOUT_X = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


@dataclass(frozen=True, slots=True)
class SurrealClip:
    """T frames. joints: (T,24,3) metres and pose: (T,24,3) axis-angle, camera axes.  keypoints: (T,24,2) pixels."""

    joints: Array
    keypoints: Array
    pose: NDArray[np.float32]
    betas: Array
    gender: str


def read_clip(path: Path) -> SurrealClip:
    """Raises AssetError naming file and key."""
    content = read_v5(path, *KEYS)
    pose = _values(path, content, "pose", 72)
    frames = len(pose)
    if not 1 <= frames <= LONGEST:
        raise AssetError(f"{path}: 'pose' is of {frames} frames where 1 to {LONGEST} are needed", REPAIR)
    world = _values(path, content, "joints3D", 3, 24).swapaxes(1, 2)
    pixels = _values(path, content, "joints2D", 2, 24).swapaxes(1, 2)
    betas, zrot = _values(path, content, "shape", 10), _values(path, content, "zrot")
    gender, place = _values(path, content, "gender"), _values(path, content, "camLoc", 3)
    for key, values in (
        ("joints3D", world),
        ("joints2D", pixels),
        ("shape", betas),
        ("zrot", zrot),
        ("gender", gender),
    ):
        if len(values) != frames:
            raise AssetError(f"{path}: '{key}' is of {len(values)} frames, 'pose' of {frames}", REPAIR)
    if len(place) != 1:
        raise AssetError(f"{path}: 'camLoc' holds {place.size} numbers where 3 are needed", REPAIR)
    if not np.isin(gender, (0, 1)).all() or (gender != gender[0]).any():
        raise AssetError(f"{path}: 'gender' is not one of 0 (female) and 1 (male)", REPAIR)
    camera = (world - place[0]) @ WORLD_TO_CAMERA.T
    _check_projection(path, camera, pixels)
    order = JOINT_SETS["smpl24"].opposite
    return SurrealClip(
        camera[:, order], pixels[:, order], _mirrored(pose.reshape(-1, 24, 3), zrot), betas, GENDERS[int(gender[0])]
    )


def _mirrored(pose: Array, zrot: Array) -> NDArray[np.float32]:
    """The pose of the mirror image in camera axes: where the picture shows the left hand, SMPL's was the right one.

    A body with mirrored joints, seen by a camera that mirrors, is a body seen by a camera: both reflections cancel.
    """
    about_z = rotvec_to_rotmat(torch.from_numpy(np.stack([0 * zrot, 0 * zrot, zrot], axis=-1))).numpy()
    root = ABOUT_X @ about_z @ rotvec_to_rotmat(torch.from_numpy(pose[:, 0].copy())).numpy()
    seen = rotmat_to_rotvec(torch.from_numpy(WORLD_TO_CAMERA @ root @ MIRROR))
    body = mirror(torch.from_numpy(pose[:, 1:].copy()))
    out: NDArray[np.float32] = torch.cat([seen[:, None], body], dim=1).float().numpy()
    return out


def _values(path: Path, content: dict[str, Any], key: str, *shape: int) -> Array:
    """MATLAB's (*shape, T) -> (T, *shape). With one frame, MATLAB drops the last axis; vectors may lie or stand."""
    array = content[key]
    size = int(np.prod(shape)) if shape else 1
    if array.dtype.kind not in "fiub":
        raise AssetError(f"{path}: '{key}' holds values of type {array.dtype} where numbers are needed", REPAIR)
    fits = array.shape[: len(shape)] == shape and array.ndim <= len(shape) + 1 if shape else array.size in array.shape
    if not fits or not array.size:
        wanted = ", ".join(map(str, (*shape, "T"))) if shape else "T, 1"
        raise AssetError(f"{path}: '{key}' has shape {array.shape} where ({wanted}) is needed", REPAIR)
    values = np.moveaxis(array.astype(np.float64).reshape(*shape, -1), -1, 0)
    return finite(values.reshape(array.size // size, *shape), f"{path}: '{key}'")


def _check_projection(path: Path, camera: Array, pixels: Array) -> None:
    """Pixels are whole numbers in the files, and exactly those of the published camera."""
    if (camera[..., 2] < 0.1).any():
        raise AssetError(f"{path}: 'joints3D' lies behind the camera at 'camLoc'", REPAIR)
    seen = camera @ INTRINSICS.T
    off = np.abs(seen[..., :2] / seen[..., 2:] - pixels).max()
    if off > 1:
        raise AssetError(
            f"{path}: 'joints2D' lies {off:.0f} pixels from where the published camera sees 'joints3D'",
            "was the clip mirrored or made with another camera?",
        )
