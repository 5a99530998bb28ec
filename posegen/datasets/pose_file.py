"""Poses to draw, from wherever a user has them: a motion's clip by its name, or a file of poses.

Files: ``.npy`` and ``.npz`` (key ``pose``, ``poses`` or ``theta``), and ``.bvh``. Shapes, with any number of frames in
front: (23,3) or (69,) without the root, (24,3) or (72,) with it, and AMASS's (T,156) of SMPL-H and (T,165) of SMPL-X.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen.datasets.amass import y_up
from posegen.datasets.amass_files import RELEASES, frame_rate, smpl_poses
from posegen.datasets.bvh import Bvh
from posegen.errors import AssetError, UsageError, nearest
from posegen.files import read_error
from posegen.npz_file import DAMAGED, REPAIR, NpzFile
from posegen.types import Clip

if TYPE_CHECKING:
    from posegen.protocols import Motion

KEYS = ("pose", "poses", "theta")
SHAPES = {(23, 3): 23, (69,): 23, (24, 3): 24, (72,): 24}
FPS = 25.0  # of files that do not say it
SPLITS = ("train", "validation", "test")


def read_poses(source: str, motions: Motion, rest: Tensor) -> Clip:
    """``rest``, the name of a clip of ``motions``, or a file -> (T,24,3) axis-angle, root first, the world's y up.

    rest: (24,3) rest joints of the body that takes a BVH file's poses. A pose without a root faces +Z, upright.
    Raises UsageError for a name that is none, AssetError, naming file and key, for a file that cannot be used.
    """
    if source == "rest":
        return _clip("rest", torch.zeros(1, 24, 3), FPS)
    path = Path(source)
    if path.suffix.lower() == ".bvh":
        return Bvh(path, rest=rest).clip(path)
    if path.suffix.lower() == ".npz":
        return _npz(path)
    if path.suffix.lower() == ".npy":
        return _clip(path.stem, _poses(_npy(path), str(path)), FPS)
    return _named(source, motions)


def _named(name: str, motions: Motion) -> Clip:
    clips = {clip.name: clip for split in SPLITS for clip in motions.clips(split)}
    if name not in clips:
        hint = nearest(name, tuple(clips)) or f"clips: {', '.join(sorted(clips))}; or a .npz, .npy or .bvh file"
        raise UsageError(f"there is no clip '{name}', and it is no file of poses", hint)
    return clips[name]


def _npz(path: Path) -> Clip:
    file = NpzFile(path)
    key = next((key for key in KEYS if key in file), None)
    if key is None:
        raise AssetError(f"{path} has none of the keys {', '.join(KEYS)}", f"it has {', '.join(file.keys[:8])}")
    shape = file.shape(key)
    for release in RELEASES:
        if key == "poses" and len(shape) == 2 and shape[1] == release.columns:
            if not shape[0]:
                raise AssetError(f"{path}: '{key}' holds no pose", "is it the right file?")
            fps = frame_rate(file, release) if release.rate in file else FPS
            poses = smpl_poses(file, release, slice(None), hands=False)
            return _clip(path.stem, y_up(poses), fps)
    return _clip(path.stem, _poses(file.read(key, *shape, kinds="f"), f"{path}: '{key}'"), FPS)


def _npy(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False, mmap_mode="r")
    except OSError as error:
        raise read_error(path, error, "check the path") from error
    except DAMAGED as error:
        raise AssetError(f"{path} is not a whole npy file of numbers: {error}", REPAIR) from error
    if not isinstance(array, np.ndarray):
        raise AssetError(f"{path} holds several arrays, as an npz file does", "call it .npz")
    return array


def _poses(array: NDArray[Any], where: str) -> Tensor:
    """(..., 24, 3) and its like -> (T,24,3), a root of zero put before poses that have none."""
    fits = [n for tail, n in SHAPES.items() if array.ndim - len(tail) in (0, 1) and array.shape[-len(tail) :] == tail]
    if not fits:
        raise AssetError(f"{where} has shape {array.shape}", "axis-angle is (T,24,3) or (T,72), without the root 23")
    if array.dtype.kind != "f":
        raise AssetError(f"{where} holds values of type {array.dtype}", "axis-angle is in radians")
    (joints,) = fits
    poses = torch.from_numpy(np.array(array, np.float32)).reshape(-1, joints, 3)
    if not len(poses):
        raise AssetError(f"{where} holds no pose", "is it the right file?")
    if not torch.isfinite(poses).all():
        raise AssetError(f"{where} holds values that are not finite", REPAIR)
    root = torch.zeros(len(poses), 24 - joints, 3)
    return torch.cat([root, poses], dim=1)


def _clip(name: str, poses: Tensor, fps: float) -> Clip:
    return Clip(name, "file", poses, torch.zeros(len(poses), 3), fps)


def frames(clip: Clip, text: str | None) -> Sequence[int]:
    """The frames that ``text`` chooses: one index, or ``FIRST:END:STEP`` as in Python; None is all.

    Raises UsageError where it is neither, or chooses nothing.
    """
    everything = range(len(clip.poses))
    if text is None:
        return everything
    try:
        numbers = [int(part) if part else None for part in text.split(":")]
        if len(numbers) > 3:
            raise ValueError
        chosen = everything[slice(*numbers)] if len(numbers) > 1 else [everything[numbers[0] or 0]]
        if not chosen:
            raise IndexError
    except (ValueError, IndexError) as error:
        hint = f"'{clip.name}' has frames 0 to {len(everything) - 1}: give one, or FIRST:END:STEP"
        raise UsageError(f"frames '{text}' chooses none", hint) from error
    return chosen
