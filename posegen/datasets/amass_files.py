"""What AMASS's folders are called, and its two kinds of motion file as SMPL poses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posegen.datasets.checked import REPAIR, Array, finite
from posegen.errors import AssetError
from posegen.npz_file import NpzFile

SUBSETS: dict[str, tuple[tuple[str, ...], ...]] = {
    "train": (
        ("CMU",), ("MPI_Limits", "PosePrior"), ("TotalCapture",), ("Eyes_Japan_Dataset", "EyesJapanDataset"), ("KIT",),
        ("BioMotionLab_NTroje", "BMLrub"), ("EKUT",), ("TCD_handMocap", "TCDHands"), ("ACCAD",),
    ),
    "validation": (("HumanEva",), ("MPI_HDM05", "HDM05"), ("SFU",), ("MPI_mosh", "MoSh")),
    "test": (("Transitions_mocap", "Transitions"), ("SSM_synced", "SSM")),
}  # fmt: skip
"""Split -> its sub-datasets, each by the names of the older and the newer release."""

MOST_FRAMES = 10**8  # more than the whole of AMASS


@dataclass(frozen=True, slots=True)
class Release:
    """How a release writes its motion. hands: the columns of the left and right index finger's first joint."""

    name: str
    ending: str
    columns: int
    rate: str
    hands: tuple[int, int]


RELEASES = (
    Release("smplh", "_poses.npz", 156, "mocap_framerate", (22 * 3, 37 * 3)),
    Release("smplx", "_stageii.npz", 165, "mocap_frame_rate", (25 * 3, 40 * 3)),
)


def split_of(subset: str) -> str:
    """``train``, ``validation``, ``test``, or ``other`` for a sub-dataset that the published lists do not have."""
    for split, subsets in SUBSETS.items():
        if any(_plain(subset) == _plain(name) for names in subsets for name in names):
            return split
    return "other"


def twins(found: list[str]) -> list[str]:
    """The folders among ``found`` that are one sub-dataset under two names."""
    for subsets in SUBSETS.values():
        for names in subsets:
            same = [name for name in found if _plain(name) in map(_plain, names)]
            if len(same) > 1:
                return same
    return []


def describe(path: Path, release: Release) -> tuple[int, float]:
    """Frames and frames a second of a motion file, of which little is read. Raises AssetError naming file and key."""
    file = NpzFile(path)
    shape = file.shape("poses")
    if len(shape) != 2 or shape[1] != release.columns or not 1 <= shape[0] <= MOST_FRAMES:
        raise AssetError(
            f"{path}: 'poses' has shape {shape} where (N, {release.columns}) is needed",
            f"is it a file of another body model? files ending in {release.ending} are {release.name.upper()}'s",
        )
    if "surface_model_type" in file:
        model = str(file.read("surface_model_type", kinds="US").astype(str))
        if model != release.name:
            raise AssetError(
                f"{path}: 'surface_model_type' is '{model[:20]}' where '{release.name}' is needed",
                "which body model is it?",
            )
    return int(shape[0]), frame_rate(file, release)


def frame_rate(file: NpzFile, release: Release) -> float:
    """Frames a second. Raises AssetError naming file and key."""
    rate = float(file.read(release.rate))
    if not 1 <= rate <= 10_000:
        raise AssetError(f"{file.path}: '{release.rate}' is {rate}, which is no number of frames a second", REPAIR)
    return rate


def motion(path: Path, release: Release, rows: slice, hands: bool) -> tuple[Array, Array]:
    """SMPL's poses (T,24,3) and ``trans`` (T,3) of some rows, the world's z up as in the file.

    Raises AssetError naming file and key.
    """
    file = NpzFile(path)
    trans = _rows(file, "trans", file.shape("poses")[0], 3, rows)
    return smpl_poses(file, release, rows, hands), trans


def smpl_poses(file: NpzFile, release: Release, rows: slice, hands: bool) -> Array:
    """SMPL's poses (T,24,3) of some rows, the world's z up as in the file.

    Both models begin with the root and the 21 body joints of SMPL. SMPL's two hand joints are zero, or with ``hands``
    the first joint of the index fingers. Raises AssetError naming file and key.
    """
    frames = file.shape("poses")[0]
    poses = _rows(file, "poses", frames, release.columns, rows)
    left, right = release.hands
    fingers = [poses[:, left : left + 3], poses[:, right : right + 3]] if hands else [np.zeros((len(poses), 6))]
    return np.concatenate([poses[:, :66], *fingers], axis=1).reshape(-1, 24, 3)


def _rows(file: NpzFile, key: str, frames: int, columns: int, rows: slice) -> Array:
    values: NDArray[np.floating] = file.read(key, frames, columns, kinds="f")[rows]
    return finite(values.astype(np.float64), f"{file.path}: '{key}'")


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
