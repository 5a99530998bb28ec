"""An npz as 4D-Humans' ``hmr2/datasets/image_dataset.py`` reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posegen.export.people import JOINTS, People

EXTRA = 19  # joints of ``spin24`` that follow OpenPose's: all but the face
OPENPOSE = (
    "nose", "", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear", "", "", "", "", "", "",
)  # fmt: skip
"""Its 25: neck and mid hip are between joints, and of feet nothing is known."""


def columns(people: People) -> dict[str, NDArray[Any]]:
    """Its keys. ``has_betas`` is 0: the shape of who was drawn is none of SMPL's."""
    n = len(people)
    return {
        "imgname": people.image,
        "center": people.centre,
        "scale": people.side,
        "body_pose": people.pose.reshape(n, 72),
        "has_body_pose": np.ones(n, np.float32),
        "betas": np.zeros((n, 10), np.float32),
        "has_betas": np.zeros(n, np.float32),
        "body_keypoints_2d": _openpose(people.points),
        "extra_keypoints_2d": people.points[:, :EXTRA],
        "body_keypoints_3d": _openpose(people.joints),
        "extra_keypoints_3d": people.joints[:, :EXTRA],
    }


def _openpose(values: NDArray[np.float32]) -> NDArray[np.float32]:
    found = np.zeros((len(values), len(OPENPOSE), values.shape[2]), np.float32)
    for i, name in enumerate(OPENPOSE):
        if name:
            found[:, i] = values[:, JOINTS.joints.index(name)]
    return found
