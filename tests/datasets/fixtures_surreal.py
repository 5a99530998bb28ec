"""Tiny clips in SURREAL's layout: what its generator writes, computed from the published camera alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import torch

from posegen.geometry import rotvec_to_rotmat

from .fixtures_threedpw import skeleton


def turn(vector: Any) -> np.ndarray:
    return rotvec_to_rotmat(torch.as_tensor(np.asarray(vector, dtype=np.float64))).numpy()


def clip(frames: int = 3, gender: int = 0, seed: int = 0) -> dict[str, Any]:
    """The content of an info file, of ``frames`` frames; 1 loses its last axis, as MATLAB has it."""
    rng = np.random.default_rng(seed)
    pose = 0.4 * rng.standard_normal((frames, 72))
    pose[:, :3] += (np.pi / 2, 0, 0)  # motion capture stands on z; SURREAL's world on -y
    zrot = np.full(frames, rng.uniform(0, 2 * np.pi))
    still = pose.copy()
    still[:, :3] = 0
    body = turn([np.pi / 2, 0, 0]) @ turn(np.stack([0 * zrot, 0 * zrot, zrot], axis=-1)) @ turn(pose[:, :3])
    joints = skeleton(still) @ body.swapaxes(1, 2) + rng.uniform(-0.2, 0.2, (frames, 1, 3))
    place = np.array([rng.uniform(6, 9), -1.0, 0.2])
    moved = joints - place
    depth = -moved[..., 0]
    pixels = np.stack([600 * -moved[..., 2] / depth + 160, 600 * moved[..., 1] / depth + 120], axis=1).round()

    def column(values: np.ndarray) -> np.ndarray:
        """(T, ...) -> (..., T), or (...) of one frame."""
        out = np.moveaxis(values, 0, -1)
        return out[..., 0] if frames == 1 and out.ndim > 2 else out

    cells = np.empty((1, frames), dtype=object)
    cells[0, :] = ["LSUN/img/kitchen.jpg"] * frames
    return {
        "sequence": "01_01_c0001",
        "source": "cmu",
        "clipNo": np.array([[1]], np.uint8),
        "stride": np.array([[50]], np.uint8),
        "gender": np.full((frames, 1), gender, np.uint8),
        "bg": cells,
        "cloth": cells,
        "light": np.zeros((9, frames), np.float32),
        "camDist": np.array([[place[0]]], np.float32),
        "camLoc": place[:, None].astype(np.float32),
        "joints2D": column(pixels).astype(np.float32),
        "joints3D": column(joints.swapaxes(1, 2)).astype(np.float32),
        "pose": column(pose).astype(np.float32),
        "shape": column(rng.standard_normal((frames, 10))).astype(np.float32),
        "zrot": zrot[:, None].astype(np.float32),
    }


def write(root: Path, content: dict[str, dict[str, Any]]) -> Path:
    """``split/run/sequence/clip`` below cmu -> the file's content."""
    for name, values in content.items():
        path = root / "cmu" / f"{name}_info.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(path, values, do_compression=True)
    return root
