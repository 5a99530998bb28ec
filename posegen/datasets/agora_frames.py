"""AGORA's data frames (``*_withjv.pkl``): of each the few numbers that records need, small enough for an index.

A file of the frame's kind can be gigabytes, nearly all of it vertices. It is read once, in some three times as much
memory; pandas is not needed.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posegen.datasets.agora_camera import camera_of, intrinsics
from posegen.datasets.checked import REPAIR, Array, finite, numbers
from posegen.errors import AssetError, nearest
from posegen.pickled_frames import FRAMES
from posegen.pickles import load_pickle

COLUMNS = ("imgPath", "camYaw", "Yaw", "gender", "kid", "occlusion", "isValid", "gt_joints_2d", "gt_joints_3d")
GENDERS = ("male", "female", "neutral")
STORED = {"smpl": (45, 24), "smplx": (127, 22)}
"""Joints that a frame holds of each person, and how many of the first of them are the body's."""
BYTES = 800  # that each person takes at least: a file cannot hold more people, but it can point to one many times
_NAME = re.compile(r"[\w .()+-]{1,200}\.(png|jpg)")
_PART = re.compile(r"[\w .()+-]{1,200}")
_SMALL = "_1280x720"


@dataclass(frozen=True, slots=True)
class Person:
    """A person in an image. index: k of the evaluation's ``personId``.  yaw, camera_yaw: degrees.  occlusion: percent,
    negative where undefined.  fit: the path in the column ``gt_path_smpl`` or ``gt_path_smplx``, or empty."""

    image: str
    index: int
    valid: bool
    occlusion: float
    kid: bool
    gender: str
    yaw: float
    camera_yaw: float
    fit: str


def scan(path: Path, model: str) -> dict[str, Any]:
    """A frame as JSON's types: ``people``, ``joints_3d`` and ``joints_2d`` for ``unpack``.

    Raises AssetError naming the file and the column.
    """
    frame = load_pickle(path, FRAMES)
    if not isinstance(frame, dict):
        raise AssetError(f"{path} holds a {type(frame).__name__} where pandas' data frame is needed", REPAIR)
    missing = [column for column in COLUMNS if not isinstance(frame.get(column), np.ndarray)]
    if missing and missing[0] in ("gt_joints_2d", "gt_joints_3d"):
        raise AssetError(
            f"{path} has no column '{missing[0]}'",
            "download the frames with joints (*_withjv.pkl), or add them with the evaluation tool's project_joints",
        )
    if missing:
        hint = nearest(missing[0], [key for key in frame if isinstance(key, str)]) or REPAIR
        raise AssetError(f"{path} has no column '{missing[0]}'", hint)
    people: list[list[Any]] = []
    most = path.stat().st_size // BYTES + 1
    solid, flat = [], []
    for row in range(len(frame["imgPath"])):
        cells = {column: values[row] for column, values in frame.items()}
        for person, joints, points in _people(path, row, cells, model, most - len(people)):
            people.append([getattr(person, name) for name in Person.__dataclass_fields__])
            solid.append(joints)
            flat.append(points)
    body = STORED[model][1]
    return {
        "people": people,
        "joints_3d": _pack(np.array(solid).reshape(-1, body, 3)),
        "joints_2d": _pack(np.array(flat).reshape(-1, body, 2)),
    }


def unpack(found: dict[str, Any], model: str) -> tuple[list[Person], NDArray[np.float32], NDArray[np.float32]]:
    """-> people, joints (P,J,3) metres in camera axes, joints (P,J,2) pixels of the full image."""
    body = STORED[model][1]
    solid, flat = (np.frombuffer(base64.b64decode(found[key]), "<f4") for key in ("joints_3d", "joints_2d"))
    return [Person(*values) for values in found["people"]], solid.reshape(-1, body, 3), flat.reshape(-1, body, 2)


def full_name(image: str) -> str:
    """The name without what marks the small images."""
    return image.replace(_SMALL, "")


def _people(path: Path, row: int, cells: dict[str, Any], model: str, most: int) -> list[tuple[Person, Array, Array]]:
    where = f"{path}: row {row}: "
    image = cells["imgPath"]
    if not isinstance(image, str) or not _NAME.fullmatch(image):
        raise AssetError(f"{where}'imgPath' is not the name of an image", REPAIR)
    count = _length(where + "'isValid'", cells["isValid"])
    if count > most:
        raise AssetError(f"{where}'isValid' is of more people than the file holds", REPAIR)
    for key in ("Yaw", "gender", "kid", "occlusion", "gt_joints_2d", "gt_joints_3d"):
        if _length(f"{where}'{key}'", cells[key]) != count:
            raise AssetError(f"{where}'{key}' is of {len(cells[key])} people, 'isValid' of {count}", REPAIR)
    camera = camera_of(image)
    camera_yaw = camera.yaw if camera.yaw is not None else _number(where + "'camYaw'", cells["camYaw"])
    out = []
    for k in range(count):
        stored, body = STORED[model]
        solid, flat = (
            numbers(cells[key][k], f"{where}'{key}'", stored, n)[:body]
            for key, n in (("gt_joints_3d", 3), ("gt_joints_2d", 2))
        )
        gender, fit = cells["gender"][k], _path(f"{where}'gt_path_{model}'", cells.get(f"gt_path_{model}"), k)
        if gender not in GENDERS:
            raise AssetError(f"{where}'gender' is none of {', '.join(GENDERS)}", REPAIR)
        person = Person(
            full_name(image),
            k,
            bool(_number(where + "'isValid'", cells["isValid"][k])),
            _number(where + "'occlusion'", cells["occlusion"][k]),
            bool(_number(where + "'kid'", cells["kid"][k])),
            str(gender),
            _number(where + "'Yaw'", cells["Yaw"][k]),
            camera_yaw,
            fit,
        )
        finite(solid, f"{where}'gt_joints_3d'")
        finite(flat, f"{where}'gt_joints_2d'")
        _check_projection(where, image, solid, flat)
        out.append((person, solid, flat))
    return out


def _check_projection(where: str, image: str, solid: Array, flat: Array) -> None:
    """The camera is known by the image's name alone: whether it is the right one, the two kinds of joints tell."""
    if (solid[:, 2] < 0.1).any():
        return  # behind the camera or beside it
    points = solid @ intrinsics(camera_of(image)).T
    off = np.abs(points[:, :2] / points[:, 2:] - flat).max()
    if off >= 1 and np.abs(points[:, :2] / points[:, 2:] / 3 - flat).max() < 1:
        raise AssetError(
            f"{where}'gt_joints_2d' are pixels of 1280x720", "are these the official frames? theirs are of 3840x2160"
        )
    if off >= 1:
        raise AssetError(
            f"{where}'gt_joints_2d' lies {off:.0f} pixels from where the camera of '{image}' sees 'gt_joints_3d'",
            "which camera took it? this release has another than the published evaluation tool",
        )


def _length(where: str, cell: Any) -> int:
    """Of a cell with something for each person; of an image without people the tool leaves an empty text."""
    if not isinstance(cell, list | tuple | str) and not (isinstance(cell, np.ndarray) and cell.ndim):
        raise AssetError(f"{where} holds a {type(cell).__name__} where a list of people is needed", REPAIR)
    if isinstance(cell, str) and cell:
        raise AssetError(f"{where} is no list of people", REPAIR)
    return len(cell)


def _number(where: str, value: Any) -> float:
    return float(finite(numbers([value], where, 1), where)[0])


def _path(where: str, cell: Any, k: int) -> str:
    """The path of a person's fit, with forward slashes; empty where there is none."""
    held = cell[k] if isinstance(cell, list | tuple | np.ndarray) and len(cell) > k else ""
    if not isinstance(held, str):
        return ""
    parts = held.replace("\\", "/").split("/")
    if held and (len(held) > 500 or not all(_PART.fullmatch(part) and part.strip(".") for part in parts)):
        raise AssetError(f"{where} is not the path of a file below the data set's folder", REPAIR)
    return "/".join(parts)


def _pack(values: Array) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()
