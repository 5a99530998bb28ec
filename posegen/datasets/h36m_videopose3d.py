"""Human3.6M in VideoPose3D's layout (Pavllo et al., CVPR 2019): world positions, and the cameras of its source file."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posegen.datasets.checked import finite
from posegen.datasets.records import Record
from posegen.errors import AssetError
from posegen.npz_file import NpzFile
from posegen.pickles import NUMPY, parse_pickle

Array = NDArray[np.float64]
SUBJECTS = {"test": ("S9", "S11"), "train": ("S1", "S5", "S6", "S7", "S8")}
DROPPED = (4, 5, 9, 10, 11, 16, 20, 21, 22, 23, 24, 28, 29, 30, 31)  # of 32: they do not move on their own
KEPT = tuple(j for j in range(32) if j not in DROPPED)
CORRUPTED = {("S11", "Directions")}  # VideoPose3D leaves it out; conversions of others may have it
CAMERAS = 4
LEG, HEAD_TOP, PELVIS = (1, 2, 3), 10, 0  # of vp3d17
LARGEST_SOURCE = 2**20  # bytes
_TABLES = ("h36m_cameras_intrinsic_params", "h36m_cameras_extrinsic_params")
_REPAIR = "make it again with VideoPose3D's data/prepare_data_h36m.py"


class VideoPose3D:
    """Every ``step``-th frame of one split in each of the four cameras.

    ``positions_3d`` is one pickle, so it is read whole (0.6 GB for the full file), and only arrays and plain values are
    read from it. Positions are metres in a world whose z is up; both are checked, and other data raise AssetError.
    """

    def __init__(self, root: Path, path: Path, split: str, step: int) -> None:
        self.path = path
        self._cameras = read_cameras(root)
        self._positions: dict[tuple[str, str], NDArray[Any]] = {}
        for subject, actions in self._tables():
            if subject in SUBJECTS[split]:
                self._take(subject, actions)
        if not self._positions:
            raise AssetError(f"{path}: 'positions_3d' has none of {', '.join(SUBJECTS[split])}", _REPAIR)
        self._check()
        self._places = [
            (subject, action, camera, frame)
            for (subject, action), positions in self._positions.items()
            for camera in range(CAMERAS)
            for frame in range(0, len(positions), step)
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Record:
        subject, action, camera, frame = self._places[index]
        rotation, centre = self._cameras.extrinsics[subject][camera]
        intrinsics = self._cameras.intrinsics[camera]
        world = np.asarray(self._positions[subject, action][frame, list(KEPT)], dtype=np.float64)
        finite(world, f"{self.path}: 'positions_3d' of {subject} {action}, frame {frame},")
        joints = torch.from_numpy(((world - centre) @ rotation).astype(np.float32))
        name = self._cameras.names[camera]
        return Record(
            key=f"{subject}/{action}/{name}/{frame:06d}",
            joints=joints,
            joint_set="vp3d17",
            translation=joints[PELVIS],
            intrinsics=torch.from_numpy(intrinsics.astype(np.float32)),
            groups={
                "subject": subject,
                "sequence": f"{subject}/{action}",
                "action": action.rstrip(" 0123456789"),
                "camera": name,
            },
        )

    def _tables(self) -> list[tuple[str, Any]]:
        data = parse_pickle(NpzFile(self.path).pickled("positions_3d"), f"{self.path}: positions_3d", NUMPY)
        table = data.item() if isinstance(data, np.ndarray) and data.ndim == 0 else None
        if not isinstance(table, dict) or not all(isinstance(key, str) for key in table):
            raise AssetError(f"{self.path}: 'positions_3d' is not a dictionary of subjects", _REPAIR)
        return list(table.items())

    def _take(self, subject: str, actions: Any) -> None:
        if not isinstance(actions, dict):
            raise AssetError(f"{self.path}: 'positions_3d' of {subject} is not a dictionary of actions", _REPAIR)
        for action, positions in actions.items():
            where = f"{self.path}: 'positions_3d' of {subject} {action}"
            if (subject, action) in CORRUPTED:
                continue
            if not isinstance(action, str) or not isinstance(positions, np.ndarray) or positions.dtype.kind != "f":
                raise AssetError(f"{where} is not an array of numbers", _REPAIR)
            if positions.ndim == 3 and positions.shape[1:] == (17, 3):
                raise AssetError(f"{where} has 17 joints: which of the two orders are they in?", _REPAIR)
            if positions.ndim != 3 or positions.shape[1:] != (32, 3):
                raise AssetError(f"{where} has shape {positions.shape}, not (F, 32, 3)", _REPAIR)
            self._positions[subject, action] = positions

    def _check(self) -> None:
        some = np.concatenate([p[:: max(1, len(p) // 50)][:, list(KEPT)] for p in self._positions.values()])
        some = some[(np.abs(some) < 1e6).all((1, 2))].astype(np.float64)
        if not len(some):
            raise AssetError(f"{self.path}: 'positions_3d' has no finite frame", _REPAIR)
        leg = float(np.median(np.linalg.norm(np.diff(some[:, LEG], axis=1), axis=-1).sum(1)))
        if not 0.5 < leg < 1.2:
            raise AssetError(
                f"{self.path}: 'positions_3d' has legs of {leg:.3g}, which are no metres: in which unit?", _REPAIR
            )
        if np.median(some[:, HEAD_TOP, 2] - some[:, PELVIS, 2]) < 0.2:
            raise AssetError(f"{self.path}: heads are not above hips along z: are these world positions?", _REPAIR)


class Cameras:
    """names: of the four.  intrinsics: (3,3) pixels each.  extrinsics: subject -> four of (camera to world (3,3),
    the camera's place in metres (3,)).
    """

    def __init__(self, intrinsic: Any, extrinsic: Any) -> None:
        self.names = [str(camera["id"]) for camera in intrinsic]
        self.intrinsics = []
        for camera in intrinsic:
            (fx, fy), (cx, cy) = camera["focal_length"], camera["center"]
            self.intrinsics.append(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=np.float64))
        self.extrinsics = {
            subject: [(_rotation(c["orientation"]), np.array(c["translation"], np.float64) / 1000) for c in cameras]
            for subject, cameras in extrinsic.items()
            if all(cameras)  # S2, S3 and S4 are there without numbers
        }
        whole = all(
            centre.shape == (3,) and np.isfinite(centre).all()
            for four in self.extrinsics.values()
            for _, centre in four
        )
        if len(self.names) != CAMERAS or not whole or any(len(c) != CAMERAS for c in self.extrinsics.values()):
            raise ValueError("not four cameras for each subject")
        if missing := {s for split in SUBJECTS.values() for s in split} - set(self.extrinsics):
            raise ValueError(f"no cameras of {', '.join(sorted(missing))}")


def read_cameras(root: Path) -> Cameras:
    """The table of cameras in VideoPose3D's common/h36m_dataset.py: two literals in its text; nothing of it is run.

    Raises AssetError without that file, or where it has no such table.
    """
    path = next((p for p in (root / "h36m_dataset.py", root / "common" / "h36m_dataset.py") if p.is_file()), None)
    if path is None:
        raise AssetError(
            f"{root}: data_3d_h36m.npz has positions in the world; where did the cameras stand?",
            "copy common/h36m_dataset.py of VideoPose3D beside it",
        )
    try:
        if path.stat().st_size > LARGEST_SOURCE:
            raise ValueError("it is too long")
        tree = ast.parse(path.read_text("utf-8"))
        tables = {
            target.id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name) and target.id in _TABLES
        }
        return Cameras(*(tables[name] for name in _TABLES))
    except (
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        MemoryError,
    ) as error:
        cause = f"{type(error).__name__}: {error}"
        raise AssetError(f"{path} has no table of cameras that can be read: {cause}", "download it again") from error


def _rotation(quaternion: Any) -> Array:
    """w,x,y,z -> (3,3), camera axes to world axes."""
    w, x, y, z = np.array(quaternion, dtype=np.float64)
    norm = np.sqrt(w * w + x * x + y * y + z * z)
    if not abs(norm - 1) < 1e-2:
        raise ValueError("a quaternion that is no rotation")
    w, x, y, z = np.array([w, x, y, z]) / norm
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
