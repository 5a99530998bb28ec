"""Human3.6M (Ionescu et al., PAMI 2014) as two well-known projects prepare it; the original files are not read.

SPIN's npz files, with images (``imgname`` is relative to ROOT)::

    ROOT/h36m_valid_protocol1.npz     S9 and S11, all cameras, every fifth frame
    ROOT/h36m_valid_protocol2.npz     the same, the frontal camera 60457274 alone
    ROOT/h36m_train.npz

VideoPose3D's, without images::

    ROOT/[data/]data_3d_h36m.npz      world positions
    ROOT/[common/]h36m_dataset.py     the cameras: their table is read from VideoPose3D's source, which is not run

SPIN's layout comes first where both are there. Its joints are ``spin24``; VideoPose3D's are ``vp3d17``, RIGHT leg
first, which is not the order of SPIN's regressor (``h36m17``, LEFT leg first).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from posegen.datasets.h36m_videopose3d import SUBJECTS, VideoPose3D
from posegen.datasets.npz import Npz
from posegen.datasets.records import FRONTAL, Record
from posegen.errors import AssetError, UsageError, nearest

FILES = {"test": ("h36m_valid_protocol1.npz", "h36m_valid_protocol2.npz"), "train": ("h36m_train.npz",)}
LAYOUTS = ("spin", "videopose3d")
IMAGE = re.compile(r"(S\d{1,2})_(.+)\.(\d{8})_(\d+)\.(?:jpe?g|png)")


class Human36M:
    """One split: ``test`` is S9 and S11, ``train`` is S1, S5, S6, S7 and S8.

    layout: ``spin`` or ``videopose3d``, where the files should not decide. step: of VideoPose3D's frames (50 a second).
    Raises UsageError for another split or layout; AssetError, naming file and key, as ``Npz`` and ``VideoPose3D`` do.
    """

    name = "h36m"

    def __init__(self, root: Path, split: str, *, layout: str | None = None, step: int = 5) -> None:
        if split not in SUBJECTS:
            raise UsageError(f"Human3.6M has no split '{split}'", nearest(split, tuple(SUBJECTS)) or "test or train")
        if layout not in (None, *LAYOUTS):
            raise UsageError(f"there is no layout '{layout}' of Human3.6M", f"layouts: {', '.join(LAYOUTS)}")
        if step < 1:
            raise UsageError(f"h36m: step = {step}", "every frame is step=1")
        self.split = split
        spin = next((root / name for name in FILES[split] if (root / name).is_file()), None)
        videopose = next((p for p in (root, root / "data") if (p / "data_3d_h36m.npz").is_file()), None)
        self.incomplete = ""
        self._rows: Npz | VideoPose3D
        if spin is not None and layout != "videopose3d":
            self._rows = Npz(spin, part_order="spin24")
            self.incomplete = FRONTAL if spin.name == FILES["test"][1] else ""
        elif videopose is not None and layout != "spin":
            self._rows = VideoPose3D(root, videopose / "data_3d_h36m.npz", split, step)
        else:
            wanted = (*FILES[split], "data_3d_h36m.npz")
            raise AssetError(f"{root} has none of {', '.join(wanted)}", "posegen assets set h36m FOLDER")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Record:
        record = self._rows[index]
        if record.image is None:
            return record
        found = IMAGE.fullmatch(PurePosixPath(record.image).name)
        if found is None:
            return record
        subject, sequence, camera, _ = found.groups()
        groups = {"subject": subject, "sequence": f"{subject}/{sequence}", "action": action(sequence), "camera": camera}
        return replace(record, groups=groups)

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))


def action(sequence: str) -> str:
    """``Directions_1`` and ``Directions 1`` -> ``Directions``, and one name for what has two."""
    name = re.sub(r"[ _]\d+$", "", sequence)
    return {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}.get(name, name)
