"""MPI-INF-3DHP (Mehta et al., 3DV 2017): eight people in a studio, six test sequences indoors and outdoors.

::

    ROOT/S1..S8/Seq1,Seq2/annot.mat, camera.calibration           MATLAB v5: 14 cameras
    ROOT/S1/Seq1/imageFrames/video_0/frame_000001.jpg             the videos' frames, from 1, as SPIN extracts them
    ROOT/[mpi_inf_3dhp_test_set/]TS1..TS6/annot_data.mat          MATLAB v7.3
    ROOT/[mpi_inf_3dhp_test_set/]TS1/imageSequence/img_000001.jpg

Two skeletons: ``annot3`` has the person's own bone lengths, ``univ_annot3`` those of one universal person; both are
millimetres in camera axes. The official metric and SPIN take ``universal`` for the test set, SPIN takes ``real`` for
training: so do we, unless ``skeleton`` says otherwise. Joints: ``3dhp28`` in training files, ``3dhp17`` in test files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posegen.datasets.checked import finite
from posegen.datasets.mpi_inf_3dhp_train import (
    CHEST,
    REPAIR,
    STEP,
    STUDIO,
    TrainSequence,
    box,
    check_unit,
    inside,
    tensor,
)
from posegen.datasets.records import Record, part_of
from posegen.errors import AssetError, UsageError, nearest
from posegen.hdf5_file import Hdf5File

Array = NDArray[np.float64]
SPLITS = ("test", "train")
SKELETONS = {"universal": "univ_annot3", "real": "annot3"}
ACTIVITIES = (
    "standing/walking",
    "exercising",
    "sitting",
    "reaching/crouching",
    "on the floor",
    "sports",
    "miscellaneous",
)
SCENES = {**dict.fromkeys(("TS1", "TS2"), "green screen"), **dict.fromkeys(("TS3", "TS4"), "studio"),
          **dict.fromkeys(("TS5", "TS6"), "outdoor")}  # fmt: skip
SIZES = {**dict.fromkeys(("TS1", "TS2", "TS3", "TS4"), STUDIO), **dict.fromkeys(("TS5", "TS6"), (1920, 1080))}


class Mpi3DHP:
    """One split, lazily. ``test``: every valid frame of TS1..TS6.  ``train``: every ``step``-th frame of ``cameras``.

    A training file holds 14 cameras and is read whole when one of its records is asked for, and kept until another is:
    go through records in order. Raises UsageError for another split or skeleton, AssetError naming file and key.
    """

    name = "3dhp"

    def __init__(
        self,
        root: Path,
        split: str,
        *,
        skeleton: str | None = None,
        cameras: tuple[int, ...] = CHEST,
        step: int = STEP,
    ) -> None:
        if split not in SPLITS:
            raise UsageError(f"MPI-INF-3DHP has no split '{split}'", nearest(split, SPLITS) or f"splits: {SPLITS}")
        skeleton = skeleton or ("universal" if split == "test" else "real")
        if skeleton not in SKELETONS:
            raise UsageError(f"there is no skeleton '{skeleton}'", f"skeletons: {', '.join(SKELETONS)}")
        if step < 1:
            raise UsageError(f"3dhp: step = {step}", "every frame is step=1")
        self.split, self._key = split, SKELETONS[skeleton]
        if split == "test":
            inside = root / "mpi_inf_3dhp_test_set"
            self._sequences: list[_Test | TrainSequence] = _found(inside if inside.is_dir() else root, self._key)
        else:
            self._sequences = [
                TrainSequence(folder, self._key, tuple(cameras), step)
                for folder in sorted(root.glob("S[1-8]/Seq[12]"))
                if folder.is_dir()
            ]
        if not self._sequences:
            what = "TS1..TS6" if split == "test" else "S1..S8"
            raise AssetError(f"{root} has no {what}", "posegen assets set mpi-inf-3dhp FOLDER")
        self.incomplete = part_of(len(self._sequences), len(SIZES)) if split == "test" else ""
        self._ends = np.cumsum([len(sequence) for sequence in self._sequences])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Record:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        which = int(np.searchsorted(self._ends, index, side="right"))
        sequence = self._sequences[which]
        return sequence.record(index - int(self._ends[which]) + len(sequence))

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))


class _Test:
    """TS1..TS6."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.path = folder, folder / "annot_data.mat"
        labels = Hdf5File(self.path).columns(
            {
                "annot2": ((None, 1, 17, 2),),
                key: ((None, 1, 17, 3),),
                "valid_frame": ((None, 1), (None,)),
                "activity_annotation": ((None, 1), (None,)),
            },
        )
        valid = labels["valid_frame"].reshape(-1)
        if not np.isin(valid, (0, 1)).all():
            raise AssetError(f"{self.path}: 'valid_frame' has values beside 0 and 1", REPAIR)
        self.frames = np.flatnonzero(valid)
        self.points, self.joints = labels["annot2"][:, 0], labels[key][:, 0] / 1000
        self.activity = labels["activity_annotation"].reshape(-1)
        for name, values in (("annot2", self.points), (key, self.joints), ("activity_annotation", self.activity)):
            finite(values[self.frames], f"{self.path}: '{name}' of a valid frame")
        if not np.isin(self.activity[self.frames], range(1, 8)).all():
            raise AssetError(f"{self.path}: 'activity_annotation' is not 1 to 7 in every valid frame", REPAIR)
        if len(self.frames):
            check_unit(self.path, key, self.joints[self.frames][:, [8, 9, 10]])

    def __len__(self) -> int:
        return len(self.frames)

    def record(self, index: int) -> Record:
        frame, name = int(self.frames[index]), self.folder.name
        points = self.points[frame]
        shown = inside(points, SIZES[name])
        return Record(
            key=f"{name}/{frame + 1:06d}",
            image=self.folder / "imageSequence" / f"img_{frame + 1:06d}.jpg",
            box=box(points),
            joints=tensor(self.joints[frame]),
            joint_set="3dhp17",
            keypoints=tensor(points),
            groups={
                "sequence": name,
                "action": ACTIVITIES[int(self.activity[frame]) - 1],
                "scene": SCENES[name],
                "inside": "yes" if shown else "no",  # SPIN's protocol leaves frames out that are cut off
            },
        )


def _found(folder: Path, key: str) -> list[_Test | TrainSequence]:
    return [_Test(folder / name, key) for name in SIZES if (folder / name).is_dir()]
