"""A sequence file of 3DPW: a pickle of Python 2, read without running it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posegen.datasets.checked import REPAIR, Array, finite, numbers, rotations
from posegen.errors import AssetError, nearest
from posegen.pickles import NUMPY, load_pickle

GENDERS = {"m": "male", "f": "female"}
MOST_PEOPLE = 16  # the data set has two; each costs memory


@dataclass(frozen=True, slots=True)
class Person:
    """poses: (N,72) world.  betas: (10,).  joints: (N,24,3) metres, world.  boxes: (N,4).  kept: rows that count."""

    poses: Array
    betas: Array
    gender: str
    joints: Array
    boxes: Array
    kept: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sequence3DPW:
    """rotation: (N,3,3) and translation: (N,3), world to camera.  intrinsics: (3,3) pixels."""

    rotation: Array
    translation: Array
    intrinsics: Array
    people: tuple[Person, ...]
    invalid: int
    undetected: int


def read_sequence(path: Path) -> Sequence3DPW:
    """One sequence file, checked. Raises AssetError naming the file and the key."""
    content = load_pickle(path, NUMPY)
    if not isinstance(content, dict):
        raise AssetError(f"{path} holds a {type(content).__name__} where a dictionary is needed", REPAIR)
    cameras = numbers(_get(path, content, "cam_poses"), f"{path}: 'cam_poses'", None, 4, 4)
    intrinsics = finite(
        numbers(_get(path, content, "cam_intrinsics"), f"{path}: 'cam_intrinsics'", 3, 3), f"{path}: 'cam_intrinsics'"
    )
    people, invalid, undetected = [], 0, 0
    count = len(_people(path, content, "poses"))
    if not 1 <= count <= MOST_PEOPLE:
        raise AssetError(f"{path}: 'poses' is of {count} people", REPAIR)
    for i in range(count):
        person, bad, unseen = _person(path, content, i, len(cameras))
        people.append(person)
        invalid, undetected = invalid + bad, undetected + unseen
    kept = np.unique(np.concatenate([p.kept for p in people]))
    rotations(cameras[kept, :3, :3], f"{path}: 'cam_poses'")
    finite(cameras[kept], f"{path}: 'cam_poses'")
    return Sequence3DPW(cameras[:, :3, :3], cameras[:, :3, 3], intrinsics, tuple(people), invalid, undetected)


def _person(path: Path, content: dict[str, Any], i: int, frames: int) -> tuple[Person, int, int]:
    def of(*keys: str) -> tuple[Any, str]:
        people = _people(path, content, *keys)
        if len(people) <= i:
            raise AssetError(f"{path}: '{keys[0]}' has {len(people)} people, 'poses' has more", REPAIR)
        return people[i], f"{path}: '{keys[0]}' of person {i}"

    poses, betas = numbers(*of("poses"), frames, 72), numbers(*of("betas"), None)
    joints = numbers(*of("jointPositions"), frames, 72)
    points = numbers(*of("poses2d", "poses2D"), frames, 3, 18)
    valid = numbers(*of("campose_valid"), frames) > 0
    gender, where = of("genders", "gender")
    if not isinstance(gender, str) or gender not in GENDERS:
        raise AssetError(f"{where} is neither 'm' nor 'f'", REPAIR)
    if len(betas) < 10:
        raise AssetError(f"{of('betas')[1]} has {len(betas)} numbers where at least 10 are needed", REPAIR)
    seen = points[:, 2] > 0  # all zero is how the files say that nobody was found
    detected = seen.any(axis=1)
    kept = np.flatnonzero(valid & detected)
    for key, values in (("poses", poses), ("jointPositions", joints), ("poses2d", points)):
        finite(values[kept], f"{path}: '{key}' of person {i}")
    finite(betas[:10], f"{path}: 'betas' of person {i}")
    low = np.where(seen[:, None], points[:, :2], np.inf).min(axis=2)
    high = np.where(seen[:, None], points[:, :2], -np.inf).max(axis=2)
    person = Person(
        poses, betas[:10], GENDERS[gender], joints.reshape(-1, 24, 3), np.concatenate([low, high], axis=1), kept
    )
    return person, int((~valid).sum()), int((valid & ~detected).sum())


def _get(path: Path, content: dict[str, Any], *keys: str) -> Any:
    for key in keys:
        if key in content:
            return content[key]
    raise AssetError(
        f"{path} has no key '{keys[0]}'", nearest(keys[0], [key for key in content if isinstance(key, str)]) or REPAIR
    )


def _people(path: Path, content: dict[str, Any], *keys: str) -> Sequence[Any]:
    """What a key holds for each person: a list, or an array whose first axis is the person."""
    value = _get(path, content, *keys)
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
        return value  # type: ignore[return-value]  # numpy's arrays are no Sequence
    raise AssetError(f"{path}: '{keys[0]}' holds a {type(value).__name__} where a list of people is needed", REPAIR)
