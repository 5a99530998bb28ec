"""A tiny 3DPW in the official layout: two people, six frames, pickles of Python 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from posegen.body import PARENTS, forward_kinematics
from posegen.geometry import rotvec_to_rotmat

from .fixtures_pickles import python2

FRAMES = 6
REST = np.zeros((24, 3))
"""Rest joints of a body of sticks, from the pelvis, metres. Left and right mirror each other."""
LEFT = (1, 4, 7, 10, 13, 16, 18, 20, 22)
MIDDLE = (3, 6, 9, 12, 15)
for _joint, _parent in enumerate(PARENTS):
    if _parent >= 0:
        _side = 0.0 if _joint in MIDDLE else 0.1 if _joint in LEFT else -0.1
        REST[_joint] = REST[_parent] + (_side, -0.35 if _joint in (4, 5, 7, 8) else 0.12, 0.02)


def skeleton(pose: np.ndarray) -> np.ndarray:
    """(N,72) axis-angle, root first -> joints (N,24,3) around the pelvis."""
    turns = rotvec_to_rotmat(torch.from_numpy(pose.reshape(-1, 24, 3).copy()))
    return forward_kinematics(turns, torch.from_numpy(REST))[:, :, :3, 3].numpy()


def sequence(people: int = 2, seed: int = 0) -> dict[str, Any]:
    """The content of one sequence file.

    Frame 0 has no valid camera for person 0, frame 1 no detection of person 0, frame 2 no valid camera for person 1.
    """
    rng = np.random.default_rng(seed)
    poses = [0.4 * rng.standard_normal((FRAMES, 72)) for _ in range(people)]
    trans = [rng.uniform(-0.5, 0.5, (FRAMES, 3)) for _ in range(people)]
    joints = [skeleton(p) + t[:, None] for p, t in zip(poses, trans, strict=True)]
    cameras = np.tile(np.eye(4), (FRAMES, 1, 1))
    cameras[:, :3, :3] = rotvec_to_rotmat(torch.from_numpy(rng.standard_normal((FRAMES, 3)))).numpy()
    cameras[:, :3, 3] = (0.1, -0.2, 5.0)
    points = [np.stack([rng.uniform(100, 900, (FRAMES, 18)), rng.uniform(200, 1500, (FRAMES, 18)),
                        rng.uniform(0.3, 1, (FRAMES, 18))], axis=1) for _ in range(people)]  # fmt: skip
    points[0][3, :, 5] = 0  # one joint that was not found
    valid = [np.ones(FRAMES, np.int64) for _ in range(people)]
    points[0][1], valid[0][0] = 0, 0
    if people > 1:
        valid[1][2] = 0
    return {
        "sequence": f"downtown_test_{seed:02d}",
        "poses": poses,
        "betas": [rng.standard_normal(300 if i else 10) for i in range(people)],
        "trans": trans,
        "poses_60Hz": [np.zeros((2 * FRAMES - 1, 72)) for _ in range(people)],
        "trans_60Hz": [np.zeros((2 * FRAMES - 1, 3)) for _ in range(people)],
        "betas_clothed": [np.zeros(10)] * people,
        "v_template_clothed": [np.zeros((12, 3))] * people,
        "genders": ["m", "f"][:people],
        "texture_maps": [],
        "poses2d": points,
        "jointPositions": [j.reshape(FRAMES, 72) for j in joints],
        "img_frame_ids": np.arange(0, 2 * FRAMES, 2),
        "cam_poses": cameras,
        "campose_valid": valid,
        "cam_intrinsics": np.array([[1961.85, 0, 540], [0, 1969.23, 960], [0, 0, 1]]),
    }


def threedpw(root: Path, content: dict[str, dict[str, Any]], split: str = "test") -> Path:
    """Sequence name -> content, written as the official files."""
    folder = root / "sequenceFiles" / split
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in content.items():
        (folder / f"{name}.pkl").write_bytes(python2(values))
    return root
