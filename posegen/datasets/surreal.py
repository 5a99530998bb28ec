"""SURREAL (Varol et al., CVPR 2017): rendered people of motion capture, clips of up to 100 frames.

::

    ROOT/cmu/{train,val,test}/run{0,1,2}/SEQUENCE/SEQUENCE_c0001_info.mat       also ROOT/data/cmu, or ROOT = cmu
    ROOT/cmu/.../SEQUENCE_c0001.mp4                                             320x240

The published camera reflects: SURREAL's videos show the mirror image of its SMPL labels. Here the labels are mirrored,
all of them: left and right exchanged in joints, pixels and pose, so that they fit the videos as they lie on disk, and
the camera is a rotation as everywhere. ``zrot``, a turn that ``pose`` leaves out, is put in. The world of ``joints3D``
has -y up. All of this was checked on the clip that is published with SURREAL's code.

``image`` is None: a frame lies in a video, which nothing here reads; ``groups`` name the video and the frame.
Clips of sequence 143_21 are known to be broken and are left out. So are the shapes that SURREAL's authors number 18 and
19, but the files do not say which number a shape has: whether a body is one of those two cannot be told.
A-NeRF's render of SURREAL (``surreal_*_h5py.h5``) is training data of a renderer, and no data set of records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posegen.datasets.checked import Array
from posegen.datasets.index import indexed
from posegen.datasets.recent import Recent
from posegen.datasets.records import Record
from posegen.datasets.surreal_clip import INTRINSICS, read_clip
from posegen.errors import AssetError, UsageError, nearest

FOLDERS = {"test": "test", "validation": "val", "train": "train"}
BROKEN = ("143_21",)
_INFO = "_info.mat"


class Surreal:
    """One split: a scan of its clips is kept between runs, and a few clips are held at a time.

    progress: called with the number of clips that were scanned and of all.  skipped: how many clips are known to be
    broken. Raises UsageError for another split; AssetError, naming file and key, for what is not SURREAL's.
    """

    name = "surreal"

    def __init__(self, root: Path, split: str, *, progress: Callable[[int, int], None] | None = None) -> None:
        if split not in FOLDERS:
            hint = nearest(split, tuple(FOLDERS)) or f"splits: {', '.join(FOLDERS)}"
            raise UsageError(f"SURREAL has no split '{split}'", hint)
        self.split, self._folder = split, _folder(Path(root), split)
        files = sorted(self._folder.glob(f"run*/*/*{_INFO}"))
        self._files = [path for path in files if path.parent.name.removeprefix("ung_") not in BROKEN]
        self.skipped = len(files) - len(self._files)
        if not self._files:
            raise AssetError(
                f"{self._folder} holds no run0/SEQUENCE/*{_INFO}",
                "posegen assets set surreal PATH, the folder with cmu",
            )

        def scan() -> list[Any]:
            found = []
            for i, path in enumerate(self._files):
                found.append(len(read_clip(path).pose))
                if progress:
                    progress(i + 1, len(self._files))
            return found

        self._frames = indexed("surreal-1", self._files, scan)
        self._ends = np.cumsum(self._frames)
        self._clips = Recent(read_clip)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Record:
        index = range(len(self))[index]
        which = int(np.searchsorted(self._ends, index, side="right"))
        t = index - int(self._ends[which]) + self._frames[which]
        path = self._files[which]
        clip, name = self._clips[path], path.name.removesuffix(_INFO)
        points = _float(clip.keypoints[t])
        return Record(
            key=f"{path.parent.parent.name}/{name}/{t:03d}/0",
            box=torch.cat([points.min(dim=0).values, points.max(dim=0).values]),
            joints=_float(clip.joints[t]),
            joint_set="smpl24",
            keypoints=points,
            pose=torch.from_numpy(clip.pose[t].copy()),
            betas=_float(clip.betas[t]),
            gender=clip.gender,
            translation=_float(clip.joints[t, 0]),
            intrinsics=_float(INTRINSICS),
            groups={
                "sequence": path.parent.name,
                "run": path.parent.parent.name,
                "gender": clip.gender,
                "video": str(path.with_name(f"{name}.mp4")),
                "frame": str(t),
            },
        )

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))


def _folder(root: Path, split: str) -> Path:
    for base in ("cmu", "data/cmu", "SURREAL/data/cmu", "."):
        if (root / base / FOLDERS[split]).is_dir():
            return root / base / FOLDERS[split]
    if any(root.glob("surreal*.h5")):
        raise UsageError(
            f"{root} holds A-NeRF's render of SURREAL, which is no data set of records", "give the folder with cmu"
        )
    raise AssetError(f"{root} has no cmu/{FOLDERS[split]}", "posegen assets set surreal PATH, the folder with cmu")


def _float(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
