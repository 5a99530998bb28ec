"""AGORA (Patel et al., CVPR 2021): rendered crowds with the SMPL or SMPL-X body of each person.

::

    ROOT/{SMPL,SMPLX}/{train,validation}*_withjv.pkl       pandas' frames, one or ten for each split
    ROOT/{train,validation}*/.../NAME.png                  3840x2160, or NAME_1280x720.png
    ROOT/smpl_gt/..., ROOT/smplx_gt/...                    fits, for poses and shapes; optional

A record is a person whom the evaluation counts: ``isValid``, and an occlusion of 0 to 90 percent (a negative one is
undefined). Joints are the files' own, in camera axes and metres; pixels are those of the images that are on disk.
SMPL's ground truth is of the neutral body whatever the person's gender; SMPL-X's is gendered, a girl's neutral. Kids
have an eleventh shape number, which needs AGORA's kid template: their ``betas`` are None, as are all of SMPL-X, which
are not SMPL's.

Cameras are known by the images' names (``agora_camera``). A scan checks them: joints that do not project to within a
pixel of ``gt_joints_2d`` raise AssetError.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from posegen.datasets.agora_camera import WIDTH, body_to_camera, camera_of, intrinsics
from posegen.datasets.agora_fits import find_fit, read_fit
from posegen.datasets.agora_frames import Person, full_name, scan, unpack
from posegen.datasets.checked import REPAIR, Array
from posegen.datasets.index import indexed
from posegen.datasets.records import Record
from posegen.errors import AssetError, UsageError, nearest
from posegen.geometry import rotmat_to_rotvec, rotvec_to_rotmat

SPLITS = ("validation", "train")
FOLDERS = {"smpl": "SMPL", "smplx": "SMPLX"}
JOINT_SETS = {"smpl": "smpl24", "smplx": "smplx22"}
_SET = "posegen assets set agora PATH, the folder that holds SMPL or SMPLX"


class Agora:
    """One split: the frames are read once, their joints kept between runs; fits are read one at a time.

    model: ``smpl`` or ``smplx``, whose ground truth.  progress: called with the number of frames that were read and of
    all.
    Raises UsageError for an unknown split or model; AssetError, naming file and column, for what is not AGORA's.
    """

    name = "agora"

    def __init__(
        self,
        root: Path,
        split: str,
        *,
        model: str = "smpl",
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        if split not in SPLITS:
            hint = "its test split has no public ground truth" if split == "test" else nearest(split, SPLITS)
            raise UsageError(f"AGORA has no split '{split}'", hint or f"splits: {', '.join(SPLITS)}")
        if model not in FOLDERS:
            raise UsageError(f"AGORA has no ground truth of '{model}'", nearest(model, tuple(FOLDERS)) or "smpl, smplx")
        self.split, self.model, self._root = split, model, Path(root)
        folder = self._root / FOLDERS[model]
        files = sorted(folder.glob(f"{split}*_withjv.pkl"))
        if not files:
            raise AssetError(f"{folder} holds no {split}*_withjv.pkl", _SET)
        self._people: list[Person] = []
        solid, flat = [], []
        for i, path in enumerate(files):
            found = indexed(f"agora-{model}-1", [path], lambda path=path: scan(path, model))  # type: ignore[misc]
            people, joints, points = unpack(found, model)
            kept = [k for k, person in enumerate(people) if _counts(person)]
            self._people += [people[k] for k in kept]
            solid.append(joints[kept])
            flat.append(points[kept])
            if progress:
                progress(i + 1, len(files))
        if not self._people:
            raise AssetError(f"{folder}: nobody in {split}*_withjv.pkl counts by 'isValid' and 'occlusion'", REPAIR)
        self._solid, self._flat = np.concatenate(solid), np.concatenate(flat)
        self._images = _images(self._root, split)

    def __len__(self) -> int:
        return len(self._people)

    def __getitem__(self, index: int) -> Record:
        person, joints = self._people[index], torch.from_numpy(self._solid[index].copy())
        image = self._images.get(person.image)
        small = image is not None and image.stem != full_name(image.stem)
        scale = 1280 / WIDTH if small else 1.0
        points = torch.from_numpy(self._flat[index] * np.float32(scale))
        camera = camera_of(person.image)
        pose, betas = self._fit(person)
        stem = Path(person.image).stem
        return Record(
            key=f"{stem}/{person.index}",
            image=image,
            box=torch.cat([points.min(dim=0).values, points.max(dim=0).values]),
            joints=joints,
            joint_set=JOINT_SETS[self.model],
            keypoints=points,
            pose=pose,
            betas=betas,
            gender=self._gender(person),
            translation=joints[0].clone(),
            intrinsics=torch.from_numpy(np.diag([scale, scale, 1.0]) @ intrinsics(camera)).float(),
            groups={
                "image": stem,
                "person": str(person.index),
                "occlusion": _tenth(person.occlusion),
                "age": "kid" if person.kid else "adult",
                "gender": person.gender,
            },
        )

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def _fit(self, person: Person) -> tuple[Tensor | None, Tensor | None]:
        """The pose in camera axes, and the betas where they are SMPL's own; None without the file."""
        path = find_fit(self._root, person.fit)
        if path is None:
            return None, None
        fit, shape = read_fit(path, self.model, person.kid)
        pose = torch.from_numpy(fit)
        turn = torch.from_numpy(body_to_camera(camera_of(person.image), person.camera_yaw, person.yaw))
        pose[0] = rotmat_to_rotvec(turn @ rotvec_to_rotmat(pose[0]))
        return pose.float(), None if person.kid or self.model == "smplx" else _float(shape)

    def _gender(self, person: Person) -> str:
        """Of the body that was fitted."""
        if self.model == "smpl" or (person.kid and person.gender == "female"):
            return "neutral"
        return person.gender


def _counts(person: Person) -> bool:
    return person.valid and 0 <= person.occlusion <= 90


def _tenth(occlusion: float) -> str:
    low = min(int(occlusion // 10), 9) * 10
    return f"{low}-{low + 10}"


def _images(root: Path, split: str) -> dict[str, Path]:
    """Name of the full image -> the file below ``root``; the full one where both are there."""
    found: dict[str, Path] = {}
    for folder in sorted(root.glob(f"{split}*")):
        for where, _, names in os.walk(folder):
            for name in names:
                if name.endswith((".png", ".jpg")) and "_mask_" not in name:
                    whole = full_name(name)
                    if whole == name or whole not in found:
                        found[whole] = Path(where) / name
    return found


def _float(values: Array) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
