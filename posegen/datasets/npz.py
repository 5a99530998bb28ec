"""An npz of labels with images beside it, as SPIN, BEDLAM and 4D-Humans write and read them.

Which of the three it is, is told by its keys: ``pose_cam`` is BEDLAM's, ``body_keypoints_2d`` or ``body_pose`` are
4D-Humans', and ``imgname, center, scale`` with ``pose``, ``part`` or ``S`` is SPIN's. Traps of these formats:

- ``scale`` is a side / 200 in SPIN's and BEDLAM's files and a side in pixels in 4D-Humans'. It holds a margin of 1.2,
  which ``Record.box`` does not. A scale of the other unit raises AssetError.
- ``part`` and ``S`` of SPIN's files are 24 joints in SPIN's order (``spin24``); ``part`` of CLIFF's pseudo ground truth
  (``mpii_cliffGT.npz``, ...) has the same shape and SMPL's order (``smpl24``). The keys cannot tell them apart, so a
  file whose name has ``cliff`` in it is read as CLIFF's, and ``part_order`` decides otherwise. The order of CLIFF's
  ``S`` is not known, and it is not read.
- BEDLAM's poses may be SMPL-X's (165 numbers): then the 21 body joints are kept, SMPL's hands stay straight, and
  the shape, which is not SMPL's, is left out. The camera's translation is ``cam_ext[:3, 3] + trans_cam``.
- 4D-Humans' extra joints are ``spin24`` up to the 19th; the face comes from its OpenPose points.
- ``S`` and the poses are in camera axes, ``S`` from the pelvis, metres. ``has_smpl`` and ``has_body_pose`` of 0 mean
  that the pose of that row is not one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen.datasets.checked import finite
from posegen.datasets.records import Record, box_in_crop
from posegen.errors import AssetError, UsageError
from posegen.npz_file import NpzFile

OPENPOSE_FACE = (0, 16, 15, 18, 17)  # nose, left eye, right eye, left ear, right ear: spin24's last five
GENDERS = {"m": "male", "f": "female", "n": "neutral", "": "neutral"} | {g: g for g in ("male", "female", "neutral")}
ORDERS = ("spin24", "smpl24")
KEYS: dict[str, dict[str, tuple[tuple[int | None, ...], ...]]] = {
    "spin": {
        "pose": ((None, 72),),
        "shape": ((None, 10),),
        "has_smpl": ((None,),),
        "part": ((None, 24, 3),),
        "S": ((None, 24, 4),),
    },
    "bedlam": {
        "pose_cam": ((None, 72), (None, 165)),
        "shape": ((None, 10), (None, 11)),
        "trans_cam": ((None, 3),),
        "cam_int": ((None, 3, 3),),
        "cam_ext": ((None, 4, 4),),
        "gtkps": ((None, None, 3),),
    },
    "4d-humans": {
        "body_pose": ((None, 72),),
        "betas": ((None, 10),),
        "has_body_pose": ((None,),),
        "has_betas": ((None,),),
        "body_keypoints_2d": ((None, 25, 3),),
        "extra_keypoints_2d": ((None, 19, 3),),
        "body_keypoints_3d": ((None, 25, 4),),
        "extra_keypoints_3d": ((None, 19, 4),),
    },
}
"""Layout -> its keys beside imgname, center, scale and gender, each with the shapes it may have; none is required."""

Array = NDArray[Any]


class Npz:
    """The rows of one npz: ``root`` is the file, or a folder with a single one. Images are looked for in its folder.

    Arrays that are stored uncompressed stay on the disk; the others are read at once.
    part_order: ``spin24`` or ``smpl24``, where the file's name should not decide.
    Raises AssetError, naming file and key, for anything missing, damaged or of another unit, for an image outside
    the folder, and, when a record is asked for, for values that are no numbers.
    """

    name = "npz"

    def __init__(self, root: Path, split: str = "all", *, part_order: str | None = None) -> None:
        if split != "all":
            raise UsageError(f"an npz has no split '{split}'", "leave --split out")
        if part_order not in (None, *ORDERS):
            raise UsageError(f"there is no part order '{part_order}'", f"orders: {', '.join(ORDERS)}")
        self.split, self.path = split, _file(root)
        self._file = NpzFile(self.path)
        self.layout = self._layout()
        self._cliff = part_order == "smpl24" or (part_order is None and "cliff" in self.path.stem.lower())
        self.diagonal = self._cliff  # so CLIFF made its pseudo truth
        self._names = self._file.read("imgname", None, kinds="US")
        self._centres = self._column("center", ((None, 2),))
        self._scales = self._column("scale", ((None,), (None, 1), (None, 2)))
        self._columns: dict[str, Array] = {
            key: self._column(key, shapes) for key, shapes in KEYS[self.layout].items() if key in self._file
        }
        self._genders = self._file.read("gender", None, kinds="US") if "gender" in self._file else None
        if self._genders is not None and len(self._genders) != len(self):
            raise self._error("gender", f"has {len(self._genders)} rows, imgname has {len(self)}")
        self._check_scale()

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Record:
        index = range(len(self))[index]
        name = _text(self._names[index])
        common: dict[str, Any] = {
            "key": f"{name}/{index}",
            "image": self._image(name),
            "box": self._box(index),
            "gender": self._gender(index),
            "groups": {"sequence": str(PurePosixPath(name).parent)},
        }
        read = {"spin": self._spin, "bedlam": self._bedlam, "4d-humans": self._humans}[self.layout]
        return Record(**common, **read(index))

    def _spin(self, i: int) -> dict[str, Any]:
        part, s = self._row("part", i), None if self._cliff else self._row("S", i)
        order = "smpl24" if self._cliff else "spin24"
        known = s if s is not None else part
        has_pose = "pose" in self._columns and self._flag("has_smpl", i)
        return {
            "joints": None if s is None else _tensor(s[:, :3]),
            "joint_set": None if known is None else order,
            "visible": None if known is None else torch.from_numpy(known[:, -1] > 0),
            "keypoints": None if part is None else _tensor(part[:, :2]),
            "pose": _pose(self._row("pose", i)) if has_pose else None,
            "betas": _optional(self._row("shape", i)) if has_pose else None,
        }

    def _bedlam(self, i: int) -> dict[str, Any]:
        pose, shape, points = self._row("pose_cam", i), self._row("shape", i), self._row("gtkps", i)
        smplx = pose is not None and len(pose) == 165
        joints = 22 if smplx else 24
        if points is not None and len(points) < joints:
            raise self._error("gtkps", f"has {len(points)} points, fewer than {joints}")
        child = shape is not None and len(shape) == 11 and shape[10] != 0
        place, camera = self._row("trans_cam", i), self._row("cam_ext", i)
        return {
            "joint_set": None if points is None else ("smplx22" if smplx else "smpl24"),
            "keypoints": None if points is None else _tensor(points[:joints, :2]),
            "pose": _pose(pose),
            "betas": None if shape is None or smplx or child else _tensor(shape[:10]),
            "translation": None if place is None or camera is None else _tensor(place + camera[:3, 3]),
            "intrinsics": _optional(self._row("cam_int", i)),
        }

    def _humans(self, i: int) -> dict[str, Any]:
        points = _with_face(self._row("extra_keypoints_2d", i), self._row("body_keypoints_2d", i))
        joints = _with_face(self._row("extra_keypoints_3d", i), self._row("body_keypoints_3d", i))
        known = joints if joints is not None and joints[:, -1].any() else points
        return {
            "joints": None if joints is None or known is not joints else _tensor(joints[:, :3]),
            "joint_set": None if known is None else "spin24",
            "visible": None if known is None else torch.from_numpy(known[:, -1] > 0),
            "keypoints": None if points is None else _tensor(points[:, :2]),
            "pose": _pose(self._row("body_pose", i)) if self._flag("has_body_pose", i) else None,
            "betas": _optional(self._row("betas", i)) if self._flag("has_betas", i) else None,
        }

    def _layout(self) -> str:
        for key in ("imgname", "center", "scale"):
            if key not in self._file:
                raise AssetError(
                    f"{self.path} has no '{key}': is it of SPIN, BEDLAM or 4D-Humans?",
                    f"it has {', '.join(sorted(self._file.keys)[:12]) or 'nothing'}",
                )
        if "pose_cam" in self._file:
            return "bedlam"
        if any(key in self._file for key in ("body_keypoints_2d", "extra_keypoints_2d", "body_pose")):
            return "4d-humans"
        if any(key in self._file for key in ("pose", "part", "S")):
            return "spin"
        raise AssetError(
            f"{self.path} has none of 'pose', 'part', 'S', 'pose_cam', 'body_pose'",
            "is it of SPIN, BEDLAM or 4D-Humans?",
        )

    def _column(self, key: str, shapes: tuple[tuple[int | None, ...], ...]) -> Array:
        found = self._file.shape(key)
        shape = next(
            (s for s in shapes if len(s) == len(found) and all(a in (None, b) for a, b in zip(s, found, strict=True))),
            shapes[0],
        )
        values = self._file.read(key, *shape)
        if len(values) != len(self):
            raise self._error(key, f"has {len(values)} rows, imgname has {len(self)}")
        return values

    def _row(self, key: str, i: int) -> Array | None:
        if key not in self._columns:
            return None
        return finite(np.asarray(self._columns[key][i], dtype=np.float64), f"{self.path}: '{key}' in row {i}")

    def _flag(self, key: str, i: int) -> bool:
        return bool(self._columns[key][i]) if key in self._columns else True

    def _gender(self, i: int) -> str | None:
        if self._genders is None:
            return None
        said = _text(self._genders[i]).lower()
        if said not in GENDERS:
            raise self._error("gender", f"is '{said}' in row {i}: which of m, f, n is that?")
        return GENDERS[said]

    def _image(self, name: str) -> Path:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name or not path.name:
            raise self._error("imgname", f"names an image outside the folder: {name!r}")
        return self.path.parent / path

    def _box(self, i: int) -> Tensor:
        unit = 1 if self.layout == "4d-humans" else 200
        centre = np.asarray(self._centres[i], dtype=np.float64)
        side = np.max(np.asarray(self._scales[i], dtype=np.float64)) * unit
        crop = _tensor(finite(np.append(centre, side), f"{self.path}: 'center' or 'scale' in row {i}"))
        if side <= 0:
            raise self._error("scale", f"is not positive in row {i}")
        return box_in_crop(crop[:2], crop[2])

    def _check_scale(self) -> None:
        """The unit, by the middle of up to a thousand rows: nobody is 4,000 pixels tall, or 20."""
        some = np.asarray(self._scales[:: max(1, len(self) // 1000)], dtype=np.float64)
        if not len(some) or not np.isfinite(some).all():
            return
        middle = float(np.median(some.reshape(len(some), -1).max(1)))
        if (self.layout == "4d-humans") == (middle < 20):
            wanted = "pixels, as 4D-Humans writes" if self.layout == "4d-humans" else "pixels / 200, as SPIN writes"
            raise self._error("scale", f"is about {middle:.3g}, which is not in {wanted}: in which unit is it?")

    def _error(self, key: str, what: str) -> AssetError:
        return AssetError(f"{self.path}: '{key}' {what}", "is it the released file? see docs/datasets.md")


def _file(root: Path) -> Path:
    if not root.is_dir():
        return root
    files = sorted(root.glob("*.npz"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files[:5]) or "none"
        raise AssetError(f"{root} has not one npz but: {names}", "give the file: npz:PATH/FILE.npz")
    return files[0]


def _pose(values: Array | None) -> Tensor | None:
    """72 numbers, or SMPL-X's 165 -> (24,3)."""
    if values is None:
        return None
    joints = np.zeros((24, 3))
    count = 24 if len(values) == 72 else 22
    joints[:count] = values[: 3 * count].reshape(count, 3)
    return _tensor(joints)


def _with_face(extra: Array | None, openpose: Array | None) -> Array | None:
    """4D-Humans' 19 extra joints and OpenPose's 25 -> ``spin24`` with the confidence last."""
    if extra is None:
        return None
    face = np.zeros((5, extra.shape[1])) if openpose is None else openpose[list(OPENPOSE_FACE)]
    return np.concatenate([extra, face])


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _optional(values: Array | None) -> Tensor | None:
    return None if values is None else _tensor(values)


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
