"""BVH files written from SMPL poses, for skeletons with any rest pose, axes, unit, names and order of channels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from posegen.body import PARENTS
from posegen.body.joints import JOINT_SETS
from posegen.geometry import rotvec_to_rotmat

SMPL = JOINT_SETS["smpl24"].joints
CMU = {
    "pelvis": "Hips", "left_hip": "LeftUpLeg", "left_knee": "LeftLeg", "left_ankle": "LeftFoot",
    "left_foot": "LeftToeBase", "spine1": "LowerBack", "spine2": "Spine", "spine3": "Spine1", "neck": "Neck",
    "head": "Head", "left_collar": "LeftShoulder", "left_shoulder": "LeftArm", "left_elbow": "LeftForeArm",
    "left_wrist": "LeftHand", "left_hand": "LeftHandIndex1",
}  # fmt: skip
BIPED = {
    "pelvis": "Hips", "left_hip": "LeftHip", "left_knee": "LeftKnee", "left_ankle": "LeftAnkle",
    "left_foot": "LeftToe", "spine1": "Chest", "spine2": "Chest2", "spine3": "Chest3", "neck": "Neck", "head": "Head",
    "left_collar": "LeftCollar", "left_shoulder": "LeftShoulder", "left_elbow": "LeftElbow",
    "left_wrist": "LeftWrist", "left_hand": "LeftFinger1",
}  # fmt: skip
PLACES = {
    "pelvis": (0, 0, 0), "hip": (0.1, -0.08, 0), "knee": (0.1, -0.5, 0), "ankle": (0.1, -0.92, 0),
    "foot": (0.1, -0.97, 0.12), "spine1": (0, 0.1, 0), "spine2": (0, 0.24, 0), "spine3": (0, 0.3, 0),
    "neck": (0, 0.5, 0), "collar": (0.07, 0.42, 0), "head": (0, 0.6, 0.02), "shoulder": (0.18, 0.45, 0),
    "elbow": (0.45, 0.45, 0), "wrist": (0.7, 0.45, 0), "hand": (0.78, 0.45, 0),
}  # fmt: skip


def rest() -> np.ndarray:
    """SMPL's rest joints (24,3) as an exact T, metres."""
    out = []
    for name in SMPL:
        x, y, z = PLACES[name.removeprefix("left_").removeprefix("right_")]
        out.append((-x if name.startswith("right_") else x, y, z))
    return np.array(out)


@dataclass(frozen=True)
class Skeleton:
    """names: SMPL's left and middle joints -> the file's.  turned: SMPL joint -> the rotation of its bone, and of all
    that follow, in the pose of zero rotation.  axes: ours -> the file's (3,3).  unit: of the file, metres.
    """

    names: dict[str, str]
    order: str = "ZXY"
    unit: float = 0.01
    axes: tuple[tuple[int, int, int], ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    turned: tuple[tuple[str, tuple[float, float, float]], ...] = ()
    everywhere: bool = False  # channels of position on every joint

    def name(self, joint: str) -> str:
        if joint.startswith("right_"):
            return self.names["left_" + joint[6:]].replace("Left", "Right")
        return self.names[joint]


def poses(count: int = 5, seed: int = 0) -> np.ndarray:
    """(T,24,3) axis-angle."""
    return 0.5 * np.random.default_rng(seed).standard_normal((count, 24, 3))


def skeleton_file(skeleton: Skeleton, pose: np.ndarray, root: np.ndarray | None = None, fps: float = 120) -> str:
    """The text of a file whose person takes these poses, with root positions (T,3) in metres."""
    axes = np.array(skeleton.axes, dtype=float)
    turned = {name: Rotation.from_rotvec(v).as_matrix() for name, v in skeleton.turned}
    base = np.empty((24, 3, 3))  # SMPL's bone at rest -> the file's bone at zero rotation
    for j, name in enumerate(SMPL):
        base[j] = turned.get(name, base[PARENTS[j]] if j else np.eye(3))
    world = rotvec_to_rotmat(torch.from_numpy(pose)).numpy()
    for j in range(1, 24):
        world[:, j] = world[:, PARENTS[j]] @ world[:, j]
    world = axes @ (world @ np.swapaxes(base, -1, -2)) @ axes.T
    offsets = np.zeros((24, 3))
    joints = rest()
    for j in range(1, 24):
        offsets[j] = axes @ base[PARENTS[j]] @ (joints[j] - joints[PARENTS[j]]) / skeleton.unit
    lines, columns = ["HIERARCHY"], []

    def write(j: int, depth: int) -> None:
        space = "  " * depth
        place = "Xposition Yposition Zposition " if j == 0 or skeleton.everywhere else ""
        rotation = " ".join(f"{axis}rotation" for axis in skeleton.order)
        lines.extend([
            f"{space}{'JOINT' if j else 'ROOT'} {skeleton.name(SMPL[j])}",
            f"{space}{{",
            f"{space}  OFFSET {' '.join(f'{v:.8f}' for v in offsets[j])}",
            f"{space}  CHANNELS {6 if place else 3} {place}{rotation}",
        ])  # fmt: skip
        local = world[:, j] if j == 0 else np.swapaxes(world[:, PARENTS[j]], -1, -2) @ world[:, j]
        if place:
            moved = np.zeros((len(pose), 3)) if root is None else root @ axes.T / skeleton.unit
            columns.append(moved if j == 0 else np.tile(offsets[j], (len(pose), 1)))
        columns.append(Rotation.from_matrix(local).as_euler(skeleton.order, degrees=True))
        children = [k for k in range(24) if PARENTS[k] == j]
        for k in children:
            write(k, depth + 1)
        if not children:
            lines.extend([f"{space}  End Site", f"{space}  {{", f"{space}    OFFSET 0 0 1", f"{space}  }}"])
        lines.append(f"{space}}}")

    write(0, 0)
    lines += ["MOTION", f"Frames: {len(pose)}", f"Frame Time: {1 / fps:.8f}"]
    lines += [" ".join(f"{v:.8f}" for v in row) for row in np.concatenate(columns, 1)]
    return "\n".join(lines) + "\n"


def bvh(path: Path, skeleton: Skeleton | None = None, count: int = 5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(skeleton_file(skeleton or Skeleton(CMU), poses(count)))
    return path
