"""The training set of MPI-INF-3DHP: annot.mat, camera.calibration, and the frames of the videos."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen.datasets.checked import finite
from posegen.datasets.index import indexed
from posegen.datasets.matlab_v5 import read_v5
from posegen.datasets.records import Record
from posegen.errors import AssetError

Array = NDArray[np.float64]
STUDIO = (2048, 2048)  # width, height
CAMERAS = 14
CHEST = (0, 1, 2, 4, 5, 6, 7, 8)
"""The cameras at the height of chest and eyes, which SPIN trains on."""
STEP = 10
"""SPIN trains on every tenth frame."""
USED = (4, 18, 19, 20, 23, 24, 25, 3, 5, 6, 7, 9, 10, 11, 14, 15, 16)
"""The joints of ``3dhp28`` that SPIN uses: they make the box, and decide whether a person is inside."""
RIGHT_LEG = (23, 24, 25)
SHORT = {("S6", "Seq2", 2): 3911}
"""A video that ends before its annotations do: frames."""
REPAIR = "is it the released file? download it again"


class TrainSequence:
    """One sequence of one person in the training set."""

    def __init__(self, folder: Path, key: str, cameras: tuple[int, ...], step: int) -> None:
        self.folder, self.path, self.key, self.step = folder, folder / "annot.mat", key, step
        if not self.path.is_file():
            raise AssetError(f"{self.path} does not exist", "posegen assets set mpi-inf-3dhp FOLDER")
        counts = indexed("3dhp-1", [self.path], lambda: [len(a) for a in _cells(self.path, "annot2", 2)])
        person, sequence = folder.parent.name, folder.name
        self.cameras = read_calibration(folder / "camera.calibration")
        self.images = {c for c in cameras if (folder / "imageFrames" / f"video_{c}").is_dir()}
        self.places = []
        for camera in cameras:
            if not 0 <= camera < CAMERAS or camera not in self.cameras:
                raise AssetError(f"{folder / 'camera.calibration'} has no block whose 'name' is {camera}", REPAIR)
            count = min(counts[camera], SHORT.get((person, sequence, camera), counts[camera]))
            self.places += [(camera, frame) for frame in range(0, count, step)]

    def __len__(self) -> int:
        return len(self.places)

    def record(self, index: int) -> Record:
        camera, frame = self.places[index]
        person, sequence = self.folder.parent.name, self.folder.name
        status = self.path.stat()
        points, joints = _sequence(self.path, self.key, status.st_size, status.st_mtime_ns)
        point, joint = points[camera][frame].reshape(28, 2), joints[camera][frame].reshape(28, 3) / 1000
        where = f"of camera {camera}, frame {frame + 1}"
        finite(point, f"{self.path}: 'annot2' {where}")
        finite(joint, f"{self.path}: '{self.key}' {where}")
        intrinsics, size = self.cameras[camera]
        image = self.folder / "imageFrames" / f"video_{camera}" / f"frame_{frame + 1:06d}.jpg"
        return Record(
            key=f"{person}/{sequence}/video_{camera}/{frame + 1:06d}",
            image=image if camera in self.images else None,
            box=box(point[list(USED)]),
            joints=tensor(joint),
            joint_set="3dhp28",
            keypoints=tensor(point),
            intrinsics=tensor(intrinsics),
            groups={
                "subject": person,
                "sequence": f"{person}/{sequence}",
                "camera": str(camera),
                "inside": "yes" if inside(point[list(USED)], size) else "no",
            },
        )


def read_calibration(path: Path) -> dict[int, tuple[Array, tuple[int, int]]]:
    """camera.calibration: camera -> intrinsics (3,3) pixels and (width, height).

    Read by the words that lines start with, for their columns are not the same in all files. Raises AssetError.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AssetError(f"{path} cannot be read: {error}", REPAIR) from error
    blocks: list[dict[str, str]] = []
    for line in lines[1:]:
        word, _, rest = line.strip().partition(" ")
        if word == "name":
            blocks.append({})
        if blocks and word:
            blocks[-1][word] = rest
    cameras = {}
    for number, block in enumerate(blocks, 1):
        key = ""
        try:
            key = "name"
            name = int(block[key])
            key = "size"
            width, height = (int(word) for word in block[key].split())
            key = "intrinsic"
            matrix = np.array([float(word) for word in block[key].split()]).reshape(4, 4)[:3, :3]
        except (ValueError, KeyError) as error:
            raise AssetError(f"{path}: block {number} lacks '{key}', or cannot read it: {error}", REPAIR) from error
        cameras[name] = (finite(matrix, f"{path}: 'intrinsic' of block {number}"), (width, height))
    if not cameras:
        raise AssetError(f"{path} has no block with a 'name': it describes no camera", REPAIR)
    return cameras


@lru_cache(maxsize=1)
def _sequence(path: Path, key: str, size: int, time: int) -> tuple[list[Array], list[Array]]:
    """The points and joints of every camera; size and time of the file, for when it changes."""
    points, joints = _cells(path, "annot2", 2), _cells(path, key, 3)
    for camera in range(CAMERAS):
        if len(points[camera]) != len(joints[camera]):
            raise AssetError(f"{path}: 'annot2' and '{key}' of camera {camera} have different lengths", REPAIR)
    if any(len(j) for j in joints):
        some = next(j for j in joints if len(j))
        check_unit(path, key, some.reshape(-1, 28, 3)[:, RIGHT_LEG] / 1000)
    return points, joints


def _cells(path: Path, key: str, width: int) -> list[Array]:
    """A cell array of 14 cameras, each (F, 28 * width)."""
    cells: NDArray[Any] = read_v5(path, key)[key]
    if cells.dtype != object or cells.size != CAMERAS:
        raise AssetError(f"{path}: '{key}' is not a cell array of {CAMERAS} cameras", REPAIR)
    for camera, cell in enumerate(cells.flat):
        numeric = isinstance(cell, np.ndarray) and cell.dtype.kind in "fiu" and cell.ndim == 2
        if not numeric or cell.shape[1] != 28 * width:
            raise AssetError(f"{path}: '{key}' of camera {camera} is not (F,{28 * width}) numbers", REPAIR)
    return [np.asarray(cell, dtype=np.float64) for cell in cells.flat]


def check_unit(path: Path, key: str, leg: Array) -> None:
    """Raises AssetError unless hip, knee, ankle (N,3,3) are those of a person in metres."""
    leg = leg[(np.abs(leg) < 1e6).all((1, 2))]  # the others are refused when they are asked for
    length = float(np.median(np.linalg.norm(np.diff(leg, axis=1), axis=-1).sum(1))) if len(leg) else 0.0
    if not 0.5 < length < 1.2:
        raise AssetError(
            f"{path}: '{key}' has legs of {length * 1000:.3g}, which are no millimetres: in which unit is it?", REPAIR
        )


def inside(points: Array, size: tuple[int, int]) -> bool:
    """Whether all points (J,2) lie in an image of this width and height."""
    return bool(((points >= 0) & (points < size)).all())


def box(points: Array) -> Tensor:
    """The tight box (4,) around points (J,2)."""
    return tensor(np.concatenate([points.min(0), points.max(0)]))


def tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
