"""3DPW (von Marcard et al., ECCV 2018): people in the wild, SMPL fitted with the help of inertial sensors.

::

    ROOT/sequenceFiles/{train,validation,test}/SEQUENCE.pkl     pickles of Python 2
    ROOT/imageFiles/SEQUENCE/image_00000.jpg                    the number is the row of the arrays

A record is a person in a frame whose camera is valid for that person (``campose_valid``) and in whom OpenPose found
somebody (``poses2d`` with a confidence above 0): the rule of SPIN, 35,515 of them in the test split. VIBE's 34,561 come
from another filter, which is not known well enough to be offered here.

Frames and units: ``poses`` and ``jointPositions`` are in the world and turned into the camera's axes here; metres.
Ground truth is that of the person's own gender; SMPL's 24 joints. ``box`` is tight around OpenPose's points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posegen.datasets.checked import REPAIR, Array
from posegen.datasets.index import indexed
from posegen.datasets.recent import Recent
from posegen.datasets.records import Record, part_of
from posegen.datasets.threedpw_sequence import read_sequence
from posegen.errors import AssetError, UsageError, nearest
from posegen.geometry import rotmat_to_rotvec, rotvec_to_rotmat

SPLITS = {"test": 24, "validation": 12, "train": 24}  # and how many sequences each has


class ThreeDPW:
    """One split, lazily: a scan of its sequences is kept between runs, and four sequences are held at a time.

    skipped: how many person-frames are left out, for ``campose_valid`` and for want of a detection.  incomplete: which
    part of the published split is there, where some is missing.
    progress: called with the number of files that were scanned and of all files.
    Raises UsageError for another split; AssetError, naming file and key, for a folder or file that is not 3DPW's.
    """

    name = "3dpw"

    def __init__(self, root: Path, split: str, *, progress: Callable[[int, int], None] | None = None) -> None:
        if split not in SPLITS:
            raise UsageError(
                f"3DPW has no split '{split}'", nearest(split, tuple(SPLITS)) or f"splits: {', '.join(SPLITS)}"
            )
        self.split, self._images = split, Path(root) / "imageFiles"
        folder = Path(root) / "sequenceFiles" / split
        self._files = sorted(folder.glob("*.pkl"))
        if not self._files:
            raise AssetError(
                f"{folder} holds no .pkl file", "posegen assets set 3dpw PATH, the folder that holds sequenceFiles"
            )
        self.incomplete = part_of(len(self._files), SPLITS[split])
        self._sequences = Recent(read_sequence)

        def scan() -> list[Any]:
            found = []
            for i, path in enumerate(self._files):
                sequence = read_sequence(path)
                found.append([[p.kept.tolist() for p in sequence.people], sequence.invalid, sequence.undetected])
                if progress:
                    progress(i + 1, len(self._files))
            return found

        found = indexed("3dpw-1", self._files, scan)
        self._rows = [
            (file, person, row)
            for file, (people, _, _) in enumerate(found)
            for person, kept in enumerate(people)
            for row in kept
        ]
        self.skipped = {"camera": sum(f[1] for f in found), "detection": sum(f[2] for f in found)}
        if not self._rows:
            raise AssetError(f"{folder}: no person in any frame has 'campose_valid' and 'poses2d'", REPAIR)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Record:
        file, which, row = self._rows[index]
        path = self._files[file]
        sequence = self._sequences[path]
        person = sequence.people[which]
        turn = torch.from_numpy(sequence.rotation[row])
        pose = torch.from_numpy(person.poses[row].reshape(24, 3).copy())
        pose[0] = rotmat_to_rotvec(turn @ rotvec_to_rotmat(pose[0]))
        joints = person.joints[row] @ sequence.rotation[row].T + sequence.translation[row]
        points = joints @ sequence.intrinsics.T
        name = path.stem  # not the file's own 'sequence', which could name any folder
        return Record(
            key=f"{name}/{row:05d}/{which}",
            image=self._images / name / f"image_{row:05d}.jpg",
            box=_float(person.boxes[row]),
            joints=_float(joints),
            joint_set="smpl24",
            keypoints=_float(points[:, :2] / points[:, 2:]) if (points[:, 2] > 0).all() else None,
            pose=pose.float(),
            betas=_float(person.betas),
            gender=person.gender,
            translation=_float(joints[0]),
            intrinsics=_float(sequence.intrinsics),
            groups={"sequence": name, "subject": f"{name}/{which}", "gender": person.gender},
        )

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))


def _float(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
