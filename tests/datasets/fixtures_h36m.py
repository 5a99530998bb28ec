"""Tiny Human3.6M in the layouts of VideoPose3D and of SPIN. The cameras are made up: the real ones are licensed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .fixtures_npz import J24
from .fixtures_npz import spin as spin_rows
from .fixtures_people import person, rotation

FRAMES = 12
SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
IDS = ("54138969", "55011271", "58860488", "60457274")
UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # y up to z up
# the 17 of VideoPose3D in the places that are left of 32, written out here
VP3D = ("pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "spine", "thorax",
        "jaw", "head_top", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow",
        "right_wrist")  # fmt: skip
PLACES = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)


def positions(seed: int = 0) -> np.ndarray:
    """(F,32,3) metres in a world whose z is up; what is dropped lies far away."""
    rng = np.random.default_rng(seed)
    out = np.full((FRAMES, 32, 3), 77.0, dtype=np.float32)
    for f in range(FRAMES):
        angle = rng.uniform(0, 6)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        out[f, list(PLACES)] = person("", VP3D) @ UP.T @ turn.T + [*rng.uniform(-1, 1, 2), 0.95]
    return out


def world(subjects: tuple[str, ...] = SUBJECTS) -> dict[str, Any]:
    data = {s: {"Directions 1": positions(SUBJECTS.index(s)), "WalkDog": positions(50)} for s in subjects}
    data["S11"]["Directions"] = np.full((FRAMES, 32, 3), np.nan, dtype=np.float32)  # the corrupted one
    return data


def quaternion(matrix: np.ndarray) -> list[float]:
    """w,x,y,z of a rotation."""
    w = np.sqrt(max(0.0, 1 + np.trace(matrix))) / 2
    x, y, z = (matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1])
    return [float(v) for v in (w, x / (4 * w), y / (4 * w), z / (4 * w))]


def cameras(seed: int = 0) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Subject -> four of (camera to world, place in metres), 5 m away and looking at the middle."""
    rng = np.random.default_rng(seed)
    found = {}
    for subject in SUBJECTS:
        found[subject] = []
        for _ in IDS:
            turn = rotation(rng)
            while np.trace(turn) < -0.9:
                turn = rotation(rng)
            found[subject].append((turn, np.array([0, 0, 0.95]) - 5 * turn[:, 2]))
    return found


def source(changes: dict[str, Any] | None = None) -> str:
    """Like common/h36m_dataset.py: imports that must not run, and two tables."""
    intrinsic = [
        {"id": name, "center": [512.5, 515.4 + i], "focal_length": [1145.0 + i, 1143.8], "res_w": 1000, "res_h": 1002,
         "radial_distortion": [0, 0, 0], "tangential_distortion": [0, 0], "azimuth": 70}
        for i, name in enumerate(IDS)
    ]  # fmt: skip
    extrinsic: dict[str, Any] = {s: [{}, {}, {}, {}] for s in ("S2", "S3", "S4")}
    for subject, four in cameras().items():
        extrinsic[subject] = [
            {"orientation": quaternion(turn), "translation": (1000 * place).tolist()} for turn, place in four
        ]
    extrinsic.update(changes or {})
    return (
        "import numpy as np\nfrom common.skeleton import Skeleton\n"
        "raise SystemExit('this source was run')\n"
        f"h36m_cameras_intrinsic_params = {intrinsic!r}\n"
        f"h36m_cameras_extrinsic_params = {extrinsic!r}\n"
    )


def videopose3d(root: Path, data: Any = None, text: str | None = None) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        root / "data_3d_h36m.npz", positions_3d=np.array(world() if data is None else data, dtype=object)
    )
    (root / "h36m_dataset.py").write_text(source() if text is None else text)
    return root


def spin(root: Path, name: str = "h36m_valid_protocol1.npz") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    content = {key: spin_rows()[key] for key in ("center", "scale", "S")}
    assert content["S"].shape[1] == len(J24)
    images = ["S9_Directions_1.54138969_000001", "S9_Walking_Dog.60457274_000006", "S11_WalkingDog_1.55011271_000011"]
    np.savez(root / name, imgname=np.array([f"images/{image}.jpg" for image in images]), **content)
    return root
