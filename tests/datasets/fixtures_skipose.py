"""A tiny SKI-Pose PTZ: four rows, two cameras, in the layout and the units of labels.h5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hdf5_files import write_hdf5

from .fixtures_people import person, rotation

N = 4
FOCAL = 3.0  # of the image's side
# the released order, written out here so that a mistake in the joint set is found
JOINTS = ("pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "spine", "neck",
          "head", "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow",
          "right_wrist")  # fmt: skip


def scene(seed: int = 0) -> dict[str, Any]:
    """World joints (4,17,3), root (4,3), camera centres (4,3), camera to world (4,3,3): the pelvis 5 m in front."""
    rng = np.random.default_rng(seed)
    root = rng.uniform(-20, 20, (N, 3))
    root[1] = root[0]  # one skier, two cameras
    turn = np.stack([rotation(rng) for _ in range(N)])
    joints = root[:, None] + np.einsum("nij,kj->nki", np.stack([rotation(rng) for _ in range(N)]), person("", JOINTS))
    centre = root - turn @ np.array([0.1, -0.2, 5.0])
    return {"joints": joints, "root": root, "turn": turn, "centre": centre}


def labels(seed: int = 0) -> dict[str, Any]:
    """The content of labels.h5, as its examples store it: flat, numbers of images as floats."""
    s = scene(seed)
    camera = np.einsum("nji,nkj->nki", s["turn"], s["joints"] - s["centre"][:, None])
    k = np.array([[FOCAL, 0, 0.5], [0, FOCAL, 0.5], [0, 0, 1]])
    pixels = camera @ k.T
    return {
        "seq": np.array([[0.0], [0.0], [3.0], [3.0]]),
        "cam": np.array([[0.0], [5.0], [1.0], [2.0]]),
        "frame": np.array([[1.0], [1.0], [12.0], [13.0]]),
        "subj": np.array([[1.0], [1.0], [4.0], [4.0]]),
        "3D": (camera - camera[:, :1]).reshape(N, 51),
        "2D": (pixels[..., :2] / pixels[..., 2:]).reshape(N, 34),
        "cam_intrinsic": np.tile(k.reshape(9), (N, 1)),
        "cam_position": s["centre"],
        "R_cam_2_world": s["turn"].reshape(N, 9),
    }


def skipose(root: Path, content: dict[str, Any] | None = None, split: str = "test", *, centres: bool = False) -> Path:
    write_hdf5(root / split / "labels.h5", labels() if content is None else content)
    if centres:
        c, x = labels(), scene()["root"]
        rows = [f"{int(c['seq'][i, 0])} {int(c['frame'][i, 0])} {' '.join(map(str, x[i]))}" for i in range(N)]
        (root / "ski_centers.csv").write_text("\n".join(rows) + "\n")
    return root
