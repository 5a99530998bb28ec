"""From where a dataset's cameras see its people: azimuth, elevation and roll (the paper's Figure 4).

The paper does not define its axes. Here ``R`` (body to camera, OpenCV) has the body's left, up and front as its columns
in camera axes, and ``d = -R^T [0,0,1]`` is the direction from the body to the camera:

- azimuth ``atan2(d_x, d_z)``: 0 the camera is in front, +90 at the body's left, 180 behind;
- elevation ``asin(d_y)``: +90 the camera is above;
- roll ``atan2(R_xy, -R_yy)``: 0 the body is upright in the picture.

Datasets compare only where R is found in one way for all of them: ``joints`` (the trunk, from hips to shoulders) is in
every dataset, ``pelvis`` (SMPL's root) only where SMPL was fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen.body.joints import JOINT_SETS, LIMBS
from posegen.checkpoint import save_arrays
from posegen.datasets.records import Dataset, Record
from posegen.errors import UsageError
from posegen.geometry import rotvec_to_rotmat

Axes = Literal["joints", "pelvis"]
Angles = NDArray[np.float64]
AZIMUTHS, ELEVATIONS = 24, 12
"""Bins of a histogram: of azimuth, and of the sine of elevation, so that all of them cover the same area."""
_SHORT = 1e-4  # metres: hips that coincide have no axis


@dataclass(frozen=True, slots=True)
class Viewpoints:
    """Degrees, one value a person. skipped: people without a body that could be looked at."""

    name: str
    axes: Axes
    keys: tuple[str, ...]
    azimuth: Angles
    elevation: Angles
    roll: Angles
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.azimuth)


def angles(rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """R (N,3,3) body to camera -> azimuth, elevation, roll in degrees, (N,) each."""
    d = -rotation[:, 2]
    azimuth, elevation = torch.atan2(d[:, 0], d[:, 2]), torch.asin(d[:, 1].clamp(-1, 1))
    roll = torch.atan2(rotation[:, 0, 1], -rotation[:, 1, 1])
    return torch.rad2deg(azimuth), torch.rad2deg(elevation), torch.rad2deg(roll)


def trunk_axes(joints: Tensor, joint_set: str) -> Tensor:
    """Joints (N,J,3) in camera axes -> R (N,3,3): up is from the hips to the shoulders, left from hip to hip.

    NaN where the hips, or hips and shoulders, coincide.
    """
    point = {name: joints[:, i] for name, i in _places(joint_set).items()}
    up = point["left_shoulder"] + point["right_shoulder"] - point["left_hip"] - point["right_hip"]
    up = _unit(up)
    left = point["left_hip"] - point["right_hip"]
    left = _unit(left - (left * up).sum(-1, keepdim=True) * up)
    return torch.stack([left, up, torch.linalg.cross(left, up)], dim=-1)


def body_to_camera(record: Record, axes: Axes) -> Tensor | None:
    """R (3,3) of one person, float64; None where the record has nothing to find it from."""
    if axes == "pelvis":
        motion = record.image is None and record.joints is None and record.keypoints is None  # turned in the world
        return None if record.pose is None or motion else rotvec_to_rotmat(record.pose[0].double())
    if record.joints is None or record.joint_set is None or not _trunk_is_seen(record.visible, record.joint_set):
        return None
    return trunk_axes(record.joints[None].double(), record.joint_set)[0]


def collect(
    dataset: Dataset, axes: Axes = "joints", *, every: int = 1, advance: Callable[[], object] = lambda: None
) -> Viewpoints:
    """The viewpoints of every n-th record; no image is read. Raises UsageError for a dataset without cameras."""
    keys, turns, skipped = [], [], 0
    for record in _every(dataset, every):
        turn = body_to_camera(record, axes)
        if turn is None or not bool(turn.isfinite().all()):
            skipped += 1
        else:
            keys.append(record.key)
            turns.append(turn)
        advance()
    if not turns:
        other = "pelvis" if axes == "joints" else "joints"
        raise UsageError(
            f"no record of {dataset.name} has {axes} in a camera's axes: motion without images has no viewpoints",
            f"give a dataset with images, or --axes {other} where its pictures have those",
        )
    azimuth, elevation, roll = (a.numpy() for a in angles(torch.stack(turns)))
    return Viewpoints(f"{dataset.name} {dataset.split}", axes, tuple(keys), azimuth, elevation, roll, skipped)


def histogram(azimuth: Angles, elevation: Angles) -> NDArray[np.int64]:
    """Counts (ELEVATIONS, AZIMUTHS) in bins of equal area; rows from below to above, columns from -180 to 180."""
    row = np.floor((np.sin(np.radians(elevation)) + 1) / 2 * ELEVATIONS).astype(np.int64)
    column = np.floor((azimuth + 180) / 360 * AZIMUTHS).astype(np.int64)
    counts = np.zeros((ELEVATIONS, AZIMUTHS), dtype=np.int64)
    np.add.at(counts, (row.clip(0, ELEVATIONS - 1), column % AZIMUTHS), 1)  # 180 and -180 are one place
    return counts


def summary(viewpoints: Viewpoints) -> dict[str, float]:
    """People, median and 5 to 95 % range of elevation (degrees), and the shares from above and below 30 degrees."""
    low, middle, high = np.percentile(viewpoints.elevation, [5, 50, 95])
    return {
        "people": len(viewpoints),
        "elevation_5": float(low),
        "elevation_50": float(middle),
        "elevation_95": float(high),
        "above_30": float((viewpoints.elevation > 30).mean()),
        "below_30": float((viewpoints.elevation < -30).mean()),
        "behind": float((np.abs(viewpoints.azimuth) > 90).mean()),
        "skipped": viewpoints.skipped,
    }


def save(viewpoints: Viewpoints, path: Path) -> None:
    """An npz with ``key``, ``azimuth``, ``elevation``, ``roll`` (degrees), ``counts`` and how they came about."""
    arrays = {
        "key": np.array(viewpoints.keys),
        "azimuth": viewpoints.azimuth,
        "elevation": viewpoints.elevation,
        "roll": viewpoints.roll,
        "counts": histogram(viewpoints.azimuth, viewpoints.elevation),
        "dataset": np.array(viewpoints.name),
        "axes": np.array(viewpoints.axes),
        "skipped": np.array(viewpoints.skipped),
    }
    save_arrays(path, arrays)


def bin_name(azimuth: float, elevation: float) -> str:
    """A viewpoint in words, for tables: front, left, back, right within 45 degrees; above and below from 30 on."""
    if abs(elevation) >= 30:
        return "above" if elevation > 0 else "below"
    names: Sequence[str] = ("front", "left", "back", "right")
    return names[int((azimuth + 45) // 90) % 4]


def roll_name(roll: float) -> str:
    """How a body lies in the picture, in words, for tables: upright within 45 degrees, upside down from 135 on."""
    return "upright" if abs(roll) < 45 else "tilted" if abs(roll) < 135 else "upside down"


def _trunk_is_seen(visible: Tensor | None, joint_set: str) -> bool:
    """Whether hips and shoulders have a place: one that was not found lies anywhere."""
    trunk = [place for name, place in _places(joint_set).items() if name.endswith(("hip", "shoulder"))]
    return visible is None or bool(visible[trunk].all())


def _places(joint_set: str) -> dict[str, int]:
    """Limb joint -> its place in a joint set."""
    return dict(zip(LIMBS, JOINT_SETS[joint_set].limbs, strict=True))


def _every(dataset: Dataset, every: int) -> Iterator[Record]:
    return (dataset[i] for i in range(0, len(dataset), every))


def _unit(vector: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(vector, dim=-1, keepdim=True)
    return torch.where(length > _SHORT, vector / length, torch.full_like(vector, torch.nan))
