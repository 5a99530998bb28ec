"""AGORA's fits: one small pickle for each person, torch's tensors for SMPL and numpy's arrays for SMPL-X."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from posegen.datasets.checked import REPAIR, Array, finite, numbers
from posegen.errors import AssetError
from posegen.pickled_tensors import TENSORS
from posegen.pickles import load_pickle

FOLDERS = ("", "GT_fits", "gt_fits", "demo/GT_fits")
"""Where the frames' paths may start, below the root: the releases' own folders, and the evaluation tool's."""


def find_fit(root: Path, named: str) -> Path | None:
    """The parameters that a frame's path (of the mesh, ``.obj``) stands for, or None where they are not on disk."""
    if not named:
        return None
    paths = (root.joinpath(folder, named).with_suffix(".pkl") for folder in FOLDERS)
    return next((path for path in paths if path.is_file()), None)


def read_fit(path: Path, model: str, kid: bool) -> tuple[Array, Array]:
    """Pose (24,3) axis-angle, SMPL's root first and untouched, and betas (10,), or (11,) of a kid.

    The shapes of SMPL's tensors are known from the tool's code, not from a file: whatever axes of length one they have
    is accepted, and any other number of values is an error. SMPL-X has 21 body joints: SMPL's hands are zero then.
    """
    content = load_pickle(path, TENSORS)
    if not isinstance(content, dict):
        raise AssetError(f"{path} holds a {type(content).__name__} where a dictionary is needed", REPAIR)
    body = 69 if model == "smpl" else 63
    root = _values(path, content, 3, "root_pose", "global_orient")
    joints = _values(path, content, body, "body_pose")
    pose = np.concatenate([root, joints, np.zeros(69 - body)]).reshape(24, 3)
    return pose, _values(path, content, None, "betas")[: 11 if kid else 10]


def _values(path: Path, content: dict[str, Any], size: int | None, *keys: str) -> Array:
    key = next((key for key in keys if key in content), None)
    if key is None:
        raise AssetError(f"{path} has no key '{keys[0]}'", f"is it a fit of the other body model? {REPAIR}")
    value, where = content[key], f"{path}: '{key}'"
    flat = numbers(value.reshape(-1) if isinstance(value, np.ndarray) else value, where, None)
    if len(flat) != size and not (size is None and 10 <= len(flat) <= 400):
        raise AssetError(
            f"{where} holds {len(flat)} numbers where {size or 'at least 10'} are needed",
            "are these rotation matrices, or the fit of another body model?",
        )
    return finite(flat, where)
