"""SKI-Pose PTZ (Spoerri 2016; Rhodin et al., CVPR 2018): alpine skiers in six turning cameras, 256x256 crops.

::

    ROOT/{train,test}/labels.h5
    ROOT/{train,test}/seq_000/cam_00/image_000001.png
    ROOT/ski_centers.csv                                    optional: seq frame x y z, the pelvis in the world

``3D`` is in camera axes from joint 0. That it is in metres is not written anywhere: a leg is measured, and a
length that no person has raises AssetError. ``2D``, focal length and principal point are shares of the image's side.
The joints (``ski17``) are VideoPose3D's order, RIGHT leg first; some are blends of markers, head and head top are one
point, and none is where SMPL or Human3.6M put it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen.datasets.checked import finite, rotations
from posegen.datasets.records import Record, box_in_crop
from posegen.errors import AssetError, UsageError, nearest
from posegen.hdf5_file import Hdf5File

SIDE = 256
LEG = (0.6, 1.1)  # metres from hip to ankle, over the knee
SPLITS = ("test", "train")
_REPAIR = "is it the released labels.h5? download it again"

Array = NDArray[np.float64]


class SkiPose:
    """One split. Its labels (4 MB) are read whole; images are left where they are.

    Raises UsageError for another split; AssetError, naming file and key, for labels that are missing or damaged, that
    are not in the units above, or whose numbers cannot name an image.
    """

    name = "ski"

    def __init__(self, root: Path, split: str) -> None:
        if split not in SPLITS:
            raise UsageError(f"SKI-Pose has no split '{split}'", nearest(split, SPLITS) or f"splits: {SPLITS}")
        self.split, self.folder = split, root / split
        self._path = self.folder / "labels.h5"
        column, matrix = ((None,), (None, 1)), ((None, 9), (None, 3, 3))
        labels = Hdf5File(self._path).columns(
            {
                **dict.fromkeys(("seq", "cam", "frame", "subj"), column),
                "3D": ((None, 51), (None, 17, 3)),
                "2D": ((None, 34), (None, 17, 2)),
                "cam_intrinsic": matrix,
                "cam_position": ((None, 3),),
                "R_cam_2_world": matrix,
            },
        )
        for key, values in labels.items():
            finite(values, f"{self._path}: '{key}'")
        self._numbers = {key: self._whole(key, labels[key]) for key in ("seq", "cam", "frame", "subj")}
        self._joints = labels["3D"].reshape(-1, 17, 3)
        self._points = labels["2D"].reshape(-1, 17, 2)
        self._intrinsics = labels["cam_intrinsic"].reshape(-1, 3, 3)
        self._rotation = labels["R_cam_2_world"].reshape(-1, 3, 3)
        self._position = labels["cam_position"]
        self._check()
        self._centres = _read_centres(root / "ski_centers.csv")

    def __len__(self) -> int:
        return len(self._joints)

    def __getitem__(self, index: int) -> Record:
        seq, cam, frame, subject = (int(self._numbers[key][index]) for key in ("seq", "cam", "frame", "subj"))
        intrinsics = self._intrinsics[index] * SIDE
        intrinsics[2] = (0, 0, 1)  # some rows of the file scale this as well
        return Record(
            key=f"seq_{seq:03d}/cam_{cam:02d}/{frame:06d}",
            image=self.folder / f"seq_{seq:03d}" / f"cam_{cam:02d}" / f"image_{frame:06d}.png",
            box=box_in_crop(torch.full((2,), SIDE / 2), torch.tensor(float(SIDE))),  # the published crop is the picture
            joints=_float(self._joints[index]),
            joint_set="ski17",
            keypoints=_float(self._points[index] * SIDE),
            translation=self._root(index, seq, frame),
            intrinsics=_float(intrinsics),
            groups={"sequence": str(seq), "camera": str(cam), "subject": str(subject)},
        )

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def _root(self, index: int, seq: int, frame: int) -> Tensor | None:
        """Joint 0 from the camera, in its axes; None where ski_centers.csv does not tell where the skier was."""
        centre = self._centres.get((seq, frame))
        return None if centre is None else _float((centre - self._position[index]) @ self._rotation[index])

    def _check(self) -> None:
        if not len(self):
            raise self._error("it has no rows")
        if np.abs(self._joints[:, 0]).max() > 1e-4:
            raise self._error("'3D' is not relative to joint 0: are these world coordinates?")
        bones = np.linalg.norm(np.diff(self._joints[:, [1, 2, 3]], axis=1), axis=-1).sum(1)
        leg = float(np.median(bones))
        if not LEG[0] <= leg <= LEG[1]:
            raise self._error(f"'3D' has legs of {leg:.3g}, which are no metres: in which unit is it?")
        if np.median(np.abs(self._points)) > 1.5:
            raise self._error("'2D' is not in shares of the image: are these pixels?")
        if np.median(np.abs(self._intrinsics[:, 0, 0])) > SIDE / 4:
            raise self._error("'cam_intrinsic' is not in shares of the image: are these pixels?")
        rotations(self._rotation, f"{self._path}: 'R_cam_2_world'")

    def _whole(self, key: str, values: Array) -> NDArray[np.int64]:
        values = values.reshape(-1)
        if (values < 0).any() or (values > 1e6).any() or (values != np.round(values)).any():
            raise self._error(f"'{key}' is not a whole number in every row")
        return values.astype(np.int64)

    def _error(self, what: str) -> AssetError:
        return AssetError(f"{self._path}: {what}", _REPAIR)


def _float(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _read_centres(path: Path) -> dict[tuple[int, int], Array]:
    """(sequence, frame) -> pelvis in the world, metres. Without the file, nothing."""
    centres = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise AssetError(f"{path} cannot be read: {error}", "delete it, or download it again") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            seq, frame, *place = (float(word) for word in line.split())
            if len(place) != 3 or not np.isfinite([seq, frame, *place]).all():
                raise ValueError("not: seq frame x y z")
        except ValueError as error:
            raise AssetError(
                f"{path}: line {number} is not 'seq frame x y z'", "delete it, or download it again"
            ) from error
        centres[int(seq), int(frame)] = np.array(place)
    return centres
