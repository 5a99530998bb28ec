"""What ``posegen generate`` wrote, as records: for viewpoints, and to measure another estimator on.

A folder of ``posegen.datasets.generated``; its conventions are in its ``dataset.json``. The pictures have alpha: who
reads them puts a background behind the person.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch

from posegen.body.joints import JOINT_SETS
from posegen.checkpoint import load_tensors
from posegen.datasets.generated import FORMAT
from posegen.datasets.records import Record
from posegen.discovery import one_line
from posegen.errors import AssetError
from posegen.geometry import rotmat_to_rotvec
from posegen.geometry.viewpoint import view_rotation


class Generated:
    """The samples of one folder; the labels are read at once, pictures by who wants them.

    Raises AssetError, naming the file, where the folder is no whole dataset.
    """

    name = "generated"

    def __init__(self, root: Path, split: str = "all") -> None:
        self.split, self.root = split, root
        repair = f"generate {root} again"
        about, labels = root / "dataset.json", root / "labels.safetensors"
        try:
            described = json.loads(about.read_text(encoding="utf-8"))
            written, count, joint_set = described["format"], int(described["samples"]), str(described["joint_set"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AssetError(f"{about} does not describe a PoseGen dataset: {one_line(error)}", repair) from error
        if written != FORMAT or joint_set not in JOINT_SETS:
            raise AssetError(f"{about}: format '{written}' and joint set '{joint_set}' are not known here", repair)
        self.joint_set = joint_set
        self._labels = load_tensors(labels, repair)
        shapes = {"box": (4,), "theta": (23, 3), "view": (3,), "truth": (len(JOINT_SETS[joint_set]), 3)}
        for name, shape in shapes.items():
            if name not in self._labels or self._labels[name].shape != (count, *shape):
                raise AssetError(f"{labels} holds no '{name}' of shape {(count, *shape)}", repair)
            if not bool(self._labels[name].isfinite().all()):
                raise AssetError(f"{labels}: '{name}' holds values that are not finite", repair)

    def __len__(self) -> int:
        return len(self._labels["view"])

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(index)
        theta, view, box, truth = (self._labels[name][index] for name in ("theta", "view", "box", "truth"))
        root = rotmat_to_rotvec(view_rotation(view[None]))
        return Record(
            key=f"{self.root.name}/{index:06d}/0",
            image=self.root / "images" / f"{index:06d}.png",
            box=box.float(),
            joints=truth.float(),
            joint_set=self.joint_set,
            pose=torch.cat([root, theta]).float(),
            groups={"sequence": self.root.name},
        )

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))
