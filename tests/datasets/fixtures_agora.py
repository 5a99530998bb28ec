"""A tiny AGORA in the official layout: frames of four images and one without people, fits of torch's tensors.

Who stands where, and what a camera sees of them, is computed here from the reference's formula alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from posegen.geometry import rotvec_to_rotmat

from .fixtures_pickles import foreign, frame, tensor
from .fixtures_threedpw import skeleton

HDRI = "ag_validationset_3dpeople_hdri_50mm_5_10_00000.png"
CAM01 = "ag_validationset_3dpeople_bfh_archviz_5_10_cam01_00000.png"
AG2 = "ag_validationset_renderpeople_ag2_5_10_00000.png"
BRUSHIFY = "ag_validationset_axyz_brushifyforest_5_15_00001.png"
EMPTY = "ag_validationset_axyz_brushifyforest_5_15_00002.png"

# image: focal mm, camera cm (Unreal), yaw, pitch
CAMERAS = {
    HDRI: (50, (0, 0, 170), 0, 0, 0.0),
    CAM01: (18, (400, 225, 265), -135, 30, 0.0),
    AG2: (28, (0, 0, 170), 0, 15, 0.0),
    BRUSHIFY: (28, (120, -80, 150), 20, 0, -1.7),
    EMPTY: (28, (120, -80, 150), 20, 0, -1.7),
}
ROW_CAMERA = {"camX": 120.0, "camY": -80.0, "camZ": 150.0, "camYaw": 20.0}


def rodrigues(axis: str, degrees: float) -> np.ndarray:
    vector = torch.zeros(3, dtype=torch.float64)
    vector["xyz".index(axis)] = np.radians(degrees)
    return rotvec_to_rotmat(vector).numpy()


def unreal(point: Any) -> np.ndarray:
    x, y, z = point
    return np.array([y, -z, x]) / 100


def seen(image: str, place: Any, yaw: float, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SMPL's points (P,3) of somebody at ``place`` (cm, Unreal) -> camera metres (P,3) and pixels at 3840x2160."""
    focal, where, camera_yaw, pitch, ground = CAMERAS[image]
    body = rodrigues("y", yaw - 90) @ np.diag([1, -1, -1])
    world = points @ body.T + unreal(place) - (unreal(where) + np.array([0, ground, 0]))
    camera = world @ (rodrigues("x", pitch) @ rodrigues("y", -camera_yaw)).T
    f = np.array([focal / 36 * 3840, focal / 20.25 * 2160])
    return camera, camera[:, :2] / camera[:, 2:] * f + (1920, 1080)


def in_front(image: str, rng: np.random.Generator) -> np.ndarray:
    """A place (cm, Unreal) some metres before the camera."""
    _, where, camera_yaw, pitch, ground = CAMERAS[image]
    ray = rodrigues("y", camera_yaw) @ rodrigues("x", -pitch) @ np.array([rng.uniform(-1, 1), 0.3, rng.uniform(5, 8)])
    x, y, z = unreal(where) + np.array([0, ground, 0]) + ray
    return np.array([z, x, -y]) * 100


class Crowd:
    """Four images of people, one of none; person 1 of each is invalid, 2 a girl, 3 of an undefined occlusion."""

    def __init__(self, model: str = "smpl", seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        joints = 45 if model == "smpl" else 127
        self.model, self.fits, rows = model, {}, []
        for image in CAMERAS:
            count = 0 if image == EMPTY else 4
            people: dict[str, list[Any]] = {key: [] for key in (
                "X", "Y", "Z", "Yaw", "gender", "kid", "occlusion", "isValid", "age", "ethnicity", "gt_path_smpl",
                "gt_path_smplx", "gt_joints_2d", "gt_joints_3d", "gt_verts")}  # fmt: skip
            for k in range(count):
                place, yaw = in_front(image, rng), float(rng.uniform(-180, 180))
                pose = 0.4 * rng.standard_normal(72)
                if model == "smplx":
                    pose[66:] = 0
                local = np.concatenate([skeleton(pose[None])[0], rng.normal(0, 0.3, (joints - 24, 3))])
                camera, pixels = seen(image, place, yaw, local)
                path = f"{model}_gt/validationset_{k % 2}/{image[3:-4]}_{k}.obj"
                self.fits[path] = self._fit(pose, 11 if k == 2 else 10, rng)
                hidden, gender = [12.5, 95.0, 30.0, -1.0][k], ["female", "male"][k % 2]
                values = (*(float(v) for v in place), yaw, gender, k == 2, hidden, k != 1, "31-50",
                          "other", path, path, pixels, camera, np.zeros((7, 3)))  # fmt: skip
                for key, value in zip(people, values, strict=True):
                    people[key].append(value)
            if not count:  # as the tool that adds the joints leaves it
                people |= {key: "" for key in ("gt_joints_2d", "gt_joints_3d", "gt_verts")}
            rows.append({"imgPath": image, **ROW_CAMERA, **people})
        self.columns = {key: [row[key] for row in rows] for key in rows[0]}

    def _fit(self, pose: np.ndarray, betas: int, rng: np.random.Generator) -> dict[str, Any]:
        shape = rng.standard_normal((1, betas)).astype("f4")
        root, body = pose[:3].astype("f4"), pose[3:].astype("f4")
        if self.model == "smpl":
            return {
                "root_pose": tensor(root.reshape(1, 1, 3), "cuda:0", "parameter"),
                "body_pose": tensor(body.reshape(1, 23, 3), "cuda:0"),
                "betas": tensor(shape),
                "translation": tensor(np.zeros((1, 3), "f4")),
            }
        zeros = {key: np.zeros((1, n), "f4") for key, n in (
            ("transl", 3), ("left_hand_pose", 45), ("right_hand_pose", 45), ("jaw_pose", 3), ("leye_pose", 3),
            ("reye_pose", 3), ("expression", 10))}  # fmt: skip
        return {"global_orient": root[None], "body_pose": body[None, :63], "betas": shape, **zeros}

    def write(self, root: Path, *, layout: str = "1.0", fits: bool = True, name: str = "validation_0") -> Path:
        folder = root / self.model.upper()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}_withjv.pkl").write_bytes(foreign(frame(self.columns, layout)))
        if fits:
            for path, content in self.fits.items():
                file = (root / path).with_suffix(".pkl")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(foreign(content))
        return root


def images(root: Path, folder: str = "validation", ending: str = ".png") -> Path:
    """Tiny pictures under the official names."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name in CAMERAS:
        Image.new("RGB", (2, 2)).save(root / folder / name.replace(".png", ending))
    return root
