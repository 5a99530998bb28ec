"""A tiny MPI-INF-3DHP: annot_data.mat as HDF5 with MATLAB's dimensions reversed, annot.mat as a v5 cell array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hdf5_files import write_hdf5
from scipy.io import savemat

from .fixtures_people import person, rotation

N, CUT_OFF, INVALID = 6, 2, 4  # frames; one with a joint outside the image, one that is not valid
TEST_JOINTS = ("head_top", "neck", *(f"{s}_{p}" for s in ("right", "left") for p in ("shoulder", "elbow", "wrist")),
               *(f"{s}_{p}" for s in ("right", "left") for p in ("hip", "knee", "ankle")), "pelvis", "spine",
               "head")  # fmt: skip
TRAIN_JOINTS = ("spine3", "spine4", "spine2", "spine", "pelvis", "neck", "head", "head_top",
                *(f"{s}_{p}" for s in ("left", "right") for p in ("clavicle", "shoulder", "elbow", "wrist", "hand")),
                *(f"{s}_{p}" for s in ("left", "right") for p in ("hip", "knee", "ankle", "foot", "toe")))  # fmt: skip
UNIVERSAL = 0.9  # how much smaller the universal skeleton is in the fixture


def _camera(rng: np.random.Generator, names: tuple[str, ...], count: int) -> np.ndarray:
    """(count,J,3) metres in camera axes, 3 m away."""
    turns = np.stack([rotation(rng) for _ in range(count)])
    return np.einsum("nij,kj->nki", turns, person("", names)) + np.array([0.0, 0.0, 3.0])


def labels_of_test(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    joints = _camera(rng, TEST_JOINTS, N)
    points = joints[..., :2] / joints[..., 2:] * 1000 + [960, 540]
    points[CUT_OFF, 0] = (-3, 500)
    joints[INVALID] = points[INVALID] = np.nan
    valid = np.ones((N, 1))
    valid[INVALID] = 0
    return {
        "annot2": points[:, None],
        "annot3": 1000 * joints[:, None],
        "univ_annot3": 1000 * UNIVERSAL * joints[:, None],
        "valid_frame": valid,
        "activity_annotation": np.arange(1.0, N + 1)[:, None],
        "bb_crop": np.zeros((N, 4)),
    }


def write_test(root: Path, content: dict[str, Any] | None = None, name: str = "TS1", inside: bool = True) -> Path:
    """As MATLAB writes v7.3: HDF5 behind a block of 512 bytes."""
    folder = root / "mpi_inf_3dhp_test_set" if inside else root
    write_hdf5(folder / name / "annot_data.mat", labels_of_test() if content is None else content, userblock_size=512)
    return root


def train_labels(frames: int = 21, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    cells = {key: np.empty((14, 1), dtype=object) for key in ("annot2", "annot3", "univ_annot3")}
    for camera in range(14):
        joints = _camera(rng, TRAIN_JOINTS, frames)
        points = joints[..., :2] / joints[..., 2:] * 1000 + 1024
        cells["annot2"][camera, 0] = points.reshape(frames, 56)
        cells["annot3"][camera, 0] = 1000 * joints.reshape(frames, 84)
        cells["univ_annot3"][camera, 0] = 1000 * UNIVERSAL * joints.reshape(frames, 84)
    return {**cells, "frames": np.arange(frames)[:, None], "cameras": np.arange(14)[None]}


def calibration(cameras: int = 14, indent: str = "  ") -> str:
    lines = ["Skeletool Camera Calibration File V1.0"]
    for i in range(cameras):
        k = [1500 + i, 0, 1024, 0, 0, 1490 + i, 1020, 0, 0, 0, 1, 0, 0, 0, 0, 1]
        lines += [
            f"name          {i}",
            f"{indent}sensor      10 10",
            f"{indent}size        2048 2048",
            f"{indent}animated    0",
            f"{indent}intrinsic   {' '.join(map(str, k))} ",
            f"{indent}extrinsic   1 0 0 0 0 1 0 0 0 0 1 3000 0 0 0 1 ",
            f"{indent}radial      0",
        ]
    return "\n".join(lines) + "\n"


def write_train(
    root: Path,
    content: dict[str, Any] | None = None,
    person: str = "S1",
    sequence: str = "Seq1",
    text: str = "",
    *,
    compressed: bool = True,
) -> Path:
    folder = root / person / sequence
    folder.mkdir(parents=True, exist_ok=True)
    savemat(folder / "annot.mat", train_labels() if content is None else content, do_compression=compressed)
    (folder / "camera.calibration").write_text(text or calibration())
    return root
