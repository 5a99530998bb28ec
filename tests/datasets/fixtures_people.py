"""A standing person as points: what all fixtures are drawn from. Left is +x, up +y, the face +z; metres."""

from __future__ import annotations

import numpy as np

from posegen.body.joints import JOINT_SETS

PLACES = {
    "pelvis": (0, 0, 0), "hip": (0.1, -0.05, 0), "knee": (0.11, -0.48, 0.01), "ankle": (0.12, -0.9, -0.02),
    "foot": (0.12, -0.96, 0.1), "toe": (0.12, -0.96, 0.18), "spine": (0, 0.2, 0), "spine1": (0, 0.12, 0),
    "spine2": (0, 0.25, 0), "spine3": (0, 0.3, 0), "spine4": (0, 0.4, 0), "thorax": (0, 0.48, 0),
    "neck": (0, 0.5, 0), "jaw": (0, 0.58, 0.05), "head": (0, 0.62, 0.02), "head_top": (0, 0.75, 0),
    "clavicle": (0.08, 0.47, 0), "collar": (0.08, 0.45, 0), "shoulder": (0.18, 0.46, 0), "elbow": (0.45, 0.45, -0.02),
    "wrist": (0.7, 0.46, 0), "hand": (0.78, 0.46, 0), "nose": (0, 0.62, 0.12), "eye": (0.03, 0.65, 0.1),
    "ear": (0.07, 0.63, 0.02),
}  # fmt: skip


def person(joint_set: str, names: tuple[str, ...] | None = None) -> np.ndarray:
    """The joints (J,3) of a set, told apart by their names."""
    points = []
    for name in names or JOINT_SETS[joint_set].joints:
        side = -1 if name.startswith("right_") else 1
        x, y, z = PLACES[name.removeprefix("left_").removeprefix("right_")]
        points.append((side * x, y, z))
    return np.array(points, dtype=np.float64)


def rotation(rng: np.random.Generator) -> np.ndarray:
    q, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return q * np.sign(np.linalg.det(q))
