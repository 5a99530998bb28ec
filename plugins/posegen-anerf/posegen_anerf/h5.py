"""The official training files (.h5), read and written: what ``process_spin.py`` writes and ``dataset.py`` reads.

Their world is the field's: NeRF units, y down, cameras as in OpenGL, rays through corners of pixels. h5py is needed.
"""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen.errors import AssetError, UsageError
from posegen.geometry import rotvec_to_rotmat
from posegen.hdf5_file import Hdf5File, Shape, h5py_for
from posegen.types import Camera, Views
from posegen_anerf import rest_pose
from posegen_anerf.bounds import EXTENSION
from posegen_anerf.fit.hull import dilated
from posegen_anerf.skeleton import EXT_SCALE, FLIP, UNIT, bones_to_world, joints_of

_LARGEST = 2**34  # bytes of pictures
_ABOVE, _BELOW = 1.0, 0.25  # of the cylinder while training; drawing has larger ones
_SAMPLED = 5  # pixels around the person that rays are drawn from
_GL = np.array([1.0, -1.0, -1.0])  # camera axes of OpenCV to those of OpenGL
_REPAIR = "is it a training file of A-NeRF, and whole?"
_EVERY = 10  # poses of which one is held out, where the file does not say which


def read_views(path: Path) -> Views:
    """An official .h5 -> views. Images that show the same pose share it, poses keep the file's order; every tenth is
    held out. They follow each other in time where each image has a pose of its own: a video.

    Raises AssetError, naming file and key, for what is missing, damaged or does not fit, PosegenError without h5py.
    """
    file = Hdf5File(path)
    shape = _finite(file, "img_shape", (4,)).astype(np.int64)
    n, height, width, _ = shape.tolist()
    if min(n, height, width) < 1 or math.prod(shape.tolist()) > _LARGEST:
        raise AssetError(f"{path}: 'img_shape' is {shape.tolist()}", "1 image or more, of at most 16 GB in all")
    bones = _finite(file, "bones", (None, 24, 3))
    count = len(bones)
    if not count or n % count:
        raise AssetError(f"{path} has {n} images and {count} poses", "one pose for each image, or camera by camera")
    each = np.arange(n) % count
    pelvis = _finite(file, "kp3d", (count, 24, 3))[:, 0]
    rest = rest_pose.metres(torch.from_numpy(_finite(file, "rest_pose", (24, 3))).float(), path)
    placed = np.concatenate([bones.reshape(count, 72), pelvis], 1)
    _, first, same = np.unique(placed, axis=0, return_index=True, return_inverse=True)  # sorted by value
    kept = np.sort(first)
    index = np.searchsorted(kept, first[same.reshape(-1)])[each]
    masks = torch.from_numpy(file.pixels("masks", (n, height * width, 1)).reshape(n, height, width))
    if not masks.any():
        raise AssetError(f"{path}: 'masks': no mask shows a person", "1 where the person is, 0 elsewhere")
    masks.clamp_(max=1)
    images = torch.from_numpy(file.pixels("imgs", (n, height * width, 3)).reshape(n, height, width, 3))
    images *= masks[..., None]
    masks *= 255
    held_out = _finite(file, "held_out", (n,)) > 0 if "held_out" in file else index % _EVERY == _EVERY - 1
    if held_out.all():
        raise AssetError(f"{path}: 'held_out': all images are held out, nothing is left to learn from", "mark fewer")
    return Views(
        images=images,
        masks=masks,
        cameras=_cameras(file, bones[each], pelvis[each], width, height),
        poses=torch.from_numpy(bones[kept, 1:]).float(),
        pose_index=torch.from_numpy(index),
        held_out=torch.from_numpy(held_out),
        clip=torch.zeros(n, dtype=torch.long) if len(kept) == n else torch.arange(len(kept)),
        rest_joints=rest,
        body="skeleton",
        betas=None,
        names=tuple(f"{i:05d}" for i in range(n)),
    )


def write_views(path: Path, views: Views) -> None:
    """Views -> an official .h5: one pose for each image, masks of 0 and 1, one white background.

    Raises UsageError for cameras that the format cannot say, AssetError for a file that cannot be written,
    PosegenError without h5py.
    """
    h5py = h5py_for(path)
    arrays = _arrays(views)
    n, height, width = views.masks.shape
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(part, "w") as file:
            for key, value in arrays.items():
                file.create_dataset(key, data=value)
            chunk = min(4096, height * width)
            for key, depth in (("imgs", 3), ("masks", 1), ("sampling_masks", 1)):
                rows = height * width if key == "sampling_masks" else chunk
                file.create_dataset(
                    key, (n, height * width, depth), np.uint8, chunks=(1, rows, depth), compression="gzip"
                )
            for i in range(n):
                mask = views.masks[i : i + 1]
                over = views.images[i].int() + (255 - mask[0].int())[..., None]
                file["imgs"][i] = over.clamp(0, 255).byte().reshape(-1, 3).numpy()
                file["masks"][i] = (mask > 127).byte().reshape(-1, 1).numpy()
                file["sampling_masks"][i] = dilated(mask, _SAMPLED).byte().reshape(-1, 1).numpy()
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise AssetError(f"{path} cannot be written: {error}", "choose another place") from error


def _arrays(views: Views) -> dict[str, Any]:
    """Everything but the pictures."""
    n, height, width = views.masks.shape
    camera = views.cameras
    k = camera.intrinsics.double().numpy()
    if np.abs(k[:, 0, 1]).max(initial=0) > 1e-6:
        raise UsageError("an official .h5 has no place for skewed cameras", "write a folder instead")
    flip = np.array(FLIP)
    turn = camera.rotation.double().numpy() * flip  # the field's world to camera axes
    c2w = np.tile(np.eye(4), (n, 1, 1))
    c2w[:, :3, :3] = turn.transpose(0, 2, 1) * _GL
    c2w[:, :3, 3] = -(turn.transpose(0, 2, 1) @ (UNIT * camera.translation.double().numpy())[..., None])[..., 0]
    theta = views.poses[views.pose_index]
    skts = bones_to_world(theta, views.rest_joints)
    joints = joints_of(skts).numpy()
    upright = np.tile(np.array([[[math.pi, 0.0, 0.0]]]), (n, 1, 1))  # y down: a person stands by half a turn about x
    square = np.allclose(k[:, 0, 0], k[:, 1, 1], rtol=1e-6)
    rest = views.rest_joints - views.rest_joints[:1]
    return {
        "img_shape": np.array([n, height, width, 3], np.int32),
        "bkgds": np.full((1, height * width, 3), 255, np.uint8),
        "bkgd_idxs": np.zeros(n, np.int64),
        "kp3d": joints.astype(np.float32),
        "gt_kp3d": joints.astype(np.float32),
        "bones": np.concatenate([upright, theta.numpy()], 1).astype(np.float32),
        "skts": skts.numpy().astype(np.float32),
        "cyls": _cylinders(joints).astype(np.float32),
        "rest_pose": (UNIT * rest).numpy().astype(np.float32),
        "betas": np.zeros((1, 10), np.float32) if views.betas is None else views.betas[None].numpy(),
        "c2ws": c2w.astype(np.float32),
        "focals": (k[:, 0, 0] if square else k[:, [0, 1], [0, 1]]).astype(np.float32),
        "centers": (k[:, :2, 2] - 0.5).astype(np.float32),  # theirs are rays through the corners of pixels
        "ext_scale": np.float64(EXT_SCALE),
        "img_paths": np.array([name.encode() for name in views.names]),
        "held_out": views.held_out.byte().numpy(),
    }


def _cylinders(joints: NDArray[np.float32]) -> NDArray[np.float64]:
    """Joints (N,24,3) -> x, z, radius, top and bottom (N,5) of the cylinders that training looks in."""
    root = joints[:, 0]
    radius = np.linalg.norm((joints - root[:, None])[..., [0, 2]], axis=-1).max(1) + EXTENSION
    top, bottom = joints[..., 1].min(1) - EXTENSION * _ABOVE, joints[..., 1].max(1) + EXTENSION * _BELOW
    return np.stack([root[:, 0], root[:, 2], radius, top, bottom], axis=1).astype(np.float64)


def _cameras(
    file: Hdf5File, bones: NDArray[np.float64], pelvis: NDArray[np.float64], width: int, height: int
) -> Camera:  # fmt: skip
    """Each image's camera of the body without its root, metres."""
    n = len(bones)
    c2w = _finite(file, "c2ws", (n, 4, 4))
    axes = c2w[:, :3, :3] * _GL
    if np.abs(axes @ axes.transpose(0, 2, 1) - np.eye(3)).max(initial=0) > 1e-3:
        raise AssetError(f"{file.path}: 'c2ws' holds matrices that are not rotations", _REPAIR)
    turn = axes.transpose(0, 2, 1)
    root = rotvec_to_rotmat(torch.from_numpy(bones[:, 0])).numpy()
    move = (turn @ (pelvis - c2w[:, :3, 3])[..., None])[..., 0] / UNIT
    focal = _finite(file, "focals", (n,), (n, 2))
    if not (focal > 0).all():
        raise AssetError(f"{file.path}: 'focals' are not all positive", _REPAIR)
    centre = _finite(file, "centers", (n, 2)) if "centers" in file else np.tile([width / 2, height / 2], (n, 1))
    k = np.tile(np.eye(3), (n, 1, 1))
    k[:, [0, 1], [0, 1]] = focal.reshape(n, -1)
    k[:, :2, 2] = centre + 0.5
    return Camera(_float(turn @ root), _float(move), _float(k), width, height)


def _finite(file: Hdf5File, key: str, *shapes: Shape) -> NDArray[np.float64]:
    values = file.numbers(key, *shapes)
    if not np.isfinite(values).all():
        raise AssetError(f"{file.path}: '{key}' holds values that are not finite", _REPAIR)
    return values


def _float(array: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(array).float()
