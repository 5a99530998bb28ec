"""Tiny npz files of SPIN, BEDLAM, 4D-Humans and CLIFF, with the keys, shapes and units that those projects write."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .fixtures_people import person, rotation

N = 3
NAMES = np.array(["images/a_000001.jpg", "images/a_000002.jpg", "other/b.png"])
# written out here, so that a mistake in the joint set is found
J24 = ("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist", "right_elbow",
       "right_shoulder", "left_shoulder", "left_elbow", "left_wrist", "neck", "head_top", "pelvis", "thorax", "spine",
       "jaw", "head", "nose", "left_eye", "right_eye", "left_ear", "right_ear")  # fmt: skip


def _points(count: int, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([rng.uniform(50, 200, (N, count, 2)), np.ones((N, count, 1))], -1).astype(np.float32)


def spin() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    joints = np.stack([person("", J24) @ rotation(rng).T for _ in range(N)])
    s = np.concatenate([joints, np.ones((N, 24, 1))], -1)
    s[:, [13, 15], 3] = 0  # as where Human3.6M has no such joint
    return {
        "imgname": NAMES,
        "center": rng.uniform(100, 150, (N, 2)),
        "scale": np.array([1.2, 0.9, 2.0]),
        "pose": 0.3 * rng.standard_normal((N, 72)),
        "shape": rng.standard_normal((N, 10)),
        "has_smpl": np.array([1, 0, 1], np.uint8),
        "part": _points(24, rng),
        "openpose": _points(25, rng),
        "S": s,
        "gender": np.array(["m", "f", "m"]),
    }


def cliff() -> dict[str, Any]:
    """The same keys and shapes, ``part`` in SMPL's order."""
    content = spin()
    del content["openpose"], content["gender"]
    return content


def bedlam(smplx: bool = False) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    extrinsic = np.tile(np.eye(4), (N, 1, 1))
    extrinsic[:, :3, :3] = [rotation(rng) for _ in range(N)]
    extrinsic[:, :3, 3] = (0.1, 0.2, 0.3)
    return {
        "imgname": NAMES,
        "center": rng.uniform(300, 600, (N, 2)),
        "scale": np.array([2.0, 1.5, 3.0]),
        "pose_cam": 0.3 * rng.standard_normal((N, 165 if smplx else 72)),
        "pose_world": 0.3 * rng.standard_normal((N, 165 if smplx else 72)),
        "shape": np.concatenate([rng.standard_normal((N, 10)), [[0], [0], [1]]], 1),
        "trans_cam": rng.uniform(1, 4, (N, 3)),
        "trans_world": rng.uniform(1, 4, (N, 3)),
        "cam_int": np.tile(np.array([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]]), (N, 1, 1)),
        "cam_ext": extrinsic,
        "gtkps": _points(127 if smplx else 45, rng),
        "gender": np.array(["female", "male", "neutral"]),
        "motion_info": np.array(["x"] * N),
    }


def humans() -> dict[str, Any]:
    rng = np.random.default_rng(2)
    joints = np.stack([person("", J24) @ rotation(rng).T for _ in range(N)])
    ones = np.ones((N, 19, 1))
    openpose = rng.standard_normal((N, 25, 4))
    openpose[..., 3] = 1
    for mine, theirs in ((19, 0), (20, 16), (21, 15), (22, 18), (23, 17)):  # nose, eyes, ears: OpenPose is right first
        openpose[:, theirs, :3] = joints[:, mine]
    return {
        "imgname": NAMES,
        "center": rng.uniform(100, 150, (N, 2)),
        "scale": np.array([240.0, 180.0, 400.0]),
        "body_pose": 0.3 * rng.standard_normal((N, 72)),
        "has_body_pose": np.array([1, 1, 0]),
        "betas": rng.standard_normal((N, 10)),
        "has_betas": np.array([1, 0, 0]),
        "body_keypoints_2d": _points(25, rng),
        "extra_keypoints_2d": _points(19, rng),
        "body_keypoints_3d": openpose,
        "extra_keypoints_3d": np.concatenate([joints[:, :19], ones], -1),
        "personid": np.arange(N),
    }


def write(path: Path, content: dict[str, Any], *, compressed: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (np.savez_compressed if compressed else np.savez)(path, **content)
    return path


def write_member(path: Path, content: dict[str, Any], name: str, data: bytes) -> Path:
    """The same, with one more member of any name and content."""
    write(path, content)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return path


def header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    """The start of an npy member that claims this shape and holds nothing."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
