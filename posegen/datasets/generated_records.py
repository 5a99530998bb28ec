"""What ``posegen generate`` wrote, as records: for viewpoints, and to measure another estimator on.

A folder of ``posegen.datasets.generated``; its conventions are in its ``dataset.json``. The pictures have alpha: who
reads them puts a background behind the person.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from posegen.body.joints import JOINT_SETS
from posegen.datasets.generated import REPAIR, describe, image_file, read_labels
from posegen.datasets.records import Record
from posegen.errors import AssetError
from posegen.geometry import rotmat_to_rotvec
from posegen.geometry.viewpoint import view_rotation


class Generated:
    """The samples of one folder; the labels are read at once, pictures by who wants them.

    Raises AssetError, naming the file, where the folder is no whole dataset.
    """

    name, cut = "generated", True

    def __init__(self, root: Path, split: str = "all") -> None:
        self.split, self.root = split, root
        _, joint_set = describe(root, prefix="generated:")
        if joint_set not in JOINT_SETS:
            raise AssetError(f"{root / 'dataset.json'}: joint set '{joint_set}' is not known here", REPAIR)
        self.joint_set = joint_set
        self._labels = read_labels(root, joint_set=joint_set)

    def __len__(self) -> int:
        return len(self._labels["view"])

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(index)
        theta, view, box, truth = (self._labels[name][index] for name in ("theta", "view", "box", "truth"))
        pose = torch.cat([rotmat_to_rotvec(view_rotation(view[None])), theta]).float()
        return Record(
            key=f"{self.root.name}/{index:06d}/0",
            image=image_file(self.root, index),
            box=box.float(),
            joints=truth.float(),
            joint_set=self.joint_set,
            pose=pose if bool(pose.isfinite().all()) else None,
            groups={"sequence": self.root.name},
        )

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))
