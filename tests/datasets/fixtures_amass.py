"""Motion files in AMASS's two layouts, a few frames each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def smplh(frames: int = 5, rate: float = 120.0, seed: int = 0, **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    content = {
        "poses": 0.5 * rng.standard_normal((frames, 156)),
        "trans": rng.standard_normal((frames, 3)),
        "betas": rng.standard_normal(16),
        "gender": np.array("male"),
        "mocap_framerate": np.array(rate),
        "dmpls": rng.standard_normal((frames, 8)),
    }
    return {**content, **changes}


def smplx(frames: int = 5, rate: float = 120.0, seed: int = 1, **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    poses = 0.5 * rng.standard_normal((frames, 165))
    markers = np.empty(2, dtype=object)
    markers[:] = [{"LASI": 1}, None]
    content = {
        "poses": poses,
        "root_orient": poses[:, :3],
        "pose_body": poses[:, 3:66],
        "pose_jaw": poses[:, 66:69],
        "pose_eye": poses[:, 69:75],
        "pose_hand": poses[:, 75:],
        "trans": rng.standard_normal((frames, 3)),
        "betas": rng.standard_normal(16),
        "num_betas": np.array(16),
        "gender": np.array("neutral"),
        "surface_model_type": np.array("smplx"),
        "mocap_frame_rate": np.array(rate),
        "mocap_time_length": np.array(frames / rate),
        "markers_latent": markers,
        "latent_labels": markers,
    }
    return {**content, **changes}


def write(root: Path, content: dict[str, dict[str, Any] | bytes]) -> Path:
    """Path below ``root`` -> the arrays of an npz, or a file's bytes."""
    for name, values in content.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(values, bytes):
            path.write_bytes(values)
        else:
            np.savez(path, **values)
    return root
