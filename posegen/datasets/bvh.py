"""BVH motion (CMU's conversions, Mixamo, ...) as SMPL poses. The format has no names, units or axes of its own.

- Names: the joints of a person must be found under one of the conventions in ``NAMES``; otherwise AssetError lists what
  is missing. Spine joints between hips and neck are given to SMPL's three in order.
- Axes: taken from the skeleton at zero rotation: its hips say where left is, its head where up is. Zero rotation
  must be a person who stands, arms anywhere from the sides to overhead; of a skeleton whose legs point elsewhere, as in
  some exports, nobody can say what its rotations mean, and AssetError says so.
- Unit: the length of a leg tells metres, centimetres, millimetres, inches, or CMU's inch / 0.45; none of them is an
  AssetError unless ``metres_per_unit`` is given. It matters for ``Clip.root_translation`` alone.
- A first frame in which every rotation is zero is the skeleton, not motion, and is left out.
- There is no official split: the split is ``all``, and clips are of ``train``.

Limbs are turned so that they point where the file's limbs point, whatever pose its skeleton has at zero rotation.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen.body.joints import JOINT_SETS, PARENTS
from posegen.datasets.bvh_file import BvhMotion, read_bvh
from posegen.datasets.bvh_names import match
from posegen.datasets.index import indexed
from posegen.datasets.records import Record
from posegen.errors import AssetError, UsageError
from posegen.geometry import rotmat_to_rotvec
from posegen.types import Clip

Array = NDArray[np.float64]
SMPL = JOINT_SETS["smpl24"].joints
UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254, "CMU's": 0.0254 / 0.45}
LEG = (0.5, 1.1)  # metres from hip to ankle over the knee; no length fits two of the units
UPRIGHT = np.cos(np.radians(30))  # hips and spine are at most this far from an axis at zero rotation
STANDING = np.cos(np.radians(60))  # legs from straight down
BONES = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist"}
"""The bones whose direction at zero rotation is made SMPL's; ankles and feet go with knees, wrists with elbows."""
FOLLOWS = {"ankle": "knee", "foot": "knee", "wrist": "elbow", "hand": "elbow"}


class Bvh:
    """``root``: a folder of BVH files, subfolders included, or one file; read one at a time.

    rest: (24,3) rest joints of the body that is to move; without them, SMPL's rest pose is taken for an exact T.
    metres_per_unit: where the length of a leg should not decide.
    Raises UsageError for another split, AssetError, naming file and line or joint, for a file that cannot be used.
    """

    name = "bvh"

    def __init__(
        self, root: Path, split: str = "all", *, rest: Tensor | None = None, metres_per_unit: float | None = None
    ) -> None:
        if split != "all":
            raise UsageError(f"BVH files have no split '{split}'", "leave the split out")
        if metres_per_unit is not None and not 0 < metres_per_unit < np.inf:
            raise UsageError(f"bvh: metres_per_unit = {metres_per_unit} is no length", "0.01 for centimetres")
        self.split, self._unit, self._rest = split, metres_per_unit, _rest_directions(rest)
        self._root = root if root.is_dir() else root.parent
        self.files = sorted(root.rglob("*.[bB][vV][hH]")) if root.is_dir() else [root]
        if not root.exists():
            raise AssetError(f"{root} cannot be read: it does not exist", "check the path")
        if not self.files:
            raise AssetError(f"{root} has no .bvh file", "give the folder that holds them: bvh:PATH")
        self._last: tuple[Path, Clip] | None = None
        self._ends: NDArray[np.int64] | None = None

    def clips(self) -> Iterator[Clip]:
        """Each file as a clip: world axes, +Y up, metres."""
        return (self.clip(path) for path in self.files)

    def clip(self, path: Path) -> Clip:
        """One file. Raises AssetError as the class says."""
        file = read_bvh(path)
        names = match(path, [joint.name for joint in file.joints])
        names["pelvis"] = _pelvis(file, names)
        poses, root = _retarget(path, file, names, self._rest, self._unit)
        return Clip(_relative(path, self._root), "train", poses, root, file.fps)

    def __len__(self) -> int:
        return int(self._index()[-1])

    def __getitem__(self, index: int) -> Record:
        index = range(len(self))[index]
        which = int(np.searchsorted(self._index(), index, side="right"))
        path = self.files[which]
        if self._last is None or self._last[0] != path:
            self._last = (path, self.clip(path))
        clip = self._last[1]
        frame = index - int(self._index()[which]) + len(clip.poses)
        return Record(
            key=f"{clip.name}/{frame:06d}",
            pose=clip.poses[frame],
            translation=clip.root_translation[frame],
            groups={"sequence": clip.name},
        )

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def _index(self) -> NDArray[np.int64]:
        """Where each file's frames end."""
        if self._ends is None:
            counts = indexed("bvh-1", self.files, lambda: [len(self.clip(path).poses) for path in self.files])
            self._ends = np.cumsum(counts)
        return self._ends


def _retarget(
    path: Path, file: BvhMotion, names: dict[str, int], rest: dict[str, Array], unit: float | None
) -> tuple[Tensor, Tensor]:
    """-> poses (T,24,3) axis-angle, root (T,3) metres."""
    places = _rest_places(file)
    axes = _axes(path, places, names)
    places = places @ axes.T
    scale = unit or _unit(path, places, names)
    turns = file.rotations()
    pelvis = file.place(names["pelvis"], turns)
    start = 1 if len(turns) > 1 and np.abs(turns[0] - np.eye(3)).max() < 1e-9 else 0
    turns = axes @ turns[start:] @ axes.T
    world = turns.copy()
    for j, joint in enumerate(file.joints):
        if joint.parent >= 0:
            world[:, j] = world[:, joint.parent] @ turns[:, j]

    body = np.empty((len(world), 24, 3, 3))
    for j, name in enumerate(SMPL):
        if name in names:
            body[:, j] = world[:, names[name]] @ _correction(path, name, names, places, rest)
        else:  # a spine joint, or a hand, that this skeleton has not
            body[:, j] = body[:, PARENTS[j]]
    local = body.copy()
    for j in range(1, 24):
        local[:, j] = np.swapaxes(body[:, PARENTS[j]], -1, -2) @ body[:, j]
    poses = rotmat_to_rotvec(torch.from_numpy(local))
    return poses.float(), torch.from_numpy(pelvis[start:] @ axes.T * scale).float()


def _pelvis(file: BvhMotion, names: dict[str, int]) -> int:
    """The joint from which both legs go out: above it, a file may have one that places the whole person."""
    left, right = (file.above(names[f"{side}_hip"]) for side in ("left", "right"))
    return max(j for j in left if j in right)  # a parent comes before its children


def _rest_places(file: BvhMotion) -> Array:
    """Where the joints are at zero rotation (J,3), the file's axes and unit."""
    places = np.zeros((len(file.joints), 3))
    for j, joint in enumerate(file.joints):
        if joint.parent >= 0:
            places[j] = places[joint.parent] + joint.offset
    return places


def _axes(path: Path, places: Array, names: dict[str, int]) -> Array:
    """The file's axes to ours (left x, up y, front z): the axes of the file that are nearest to left and up."""
    hips = places[names["left_hip"]] - places[names["right_hip"]]
    spine = places[names["head"]] - (places[names["left_hip"]] + places[names["right_hip"]]) / 2
    rows = []
    for what, direction in (("hips", hips), ("spine", spine)):
        length = np.linalg.norm(direction)
        i = int(np.argmax(np.abs(direction)))
        if not length > 0 or abs(direction[i]) < UPRIGHT * length:
            raise _question(path, f"its {what} at zero rotation point along no axis")
        rows.append(np.sign(direction[i]) * np.eye(3)[i])
    if abs(rows[0] @ rows[1]) > 0:
        raise _question(path, "its hips and its spine at zero rotation point along one axis")
    return np.array([rows[0], rows[1], np.cross(rows[0], rows[1])])


def _unit(path: Path, places: Array, names: dict[str, int]) -> float:
    hip, knee, ankle = (places[names[f"left_{part}"]] for part in ("hip", "knee", "ankle"))
    leg = float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))
    fitting = [scale for scale in UNITS.values() if LEG[0] <= leg * scale <= LEG[1]]
    if len(fitting) != 1:
        raise AssetError(
            f"{path}: a leg is {leg:.3g} long, which fits none of {', '.join(UNITS)}: in which unit is it?",
            "say it: bvh:PATH?metres_per_unit=0.01",
        )
    return fitting[0]


def _correction(path: Path, name: str, names: dict[str, int], places: Array, rest: dict[str, Array]) -> Array:
    """The rotation (3,3) that turns SMPL's bone at rest to where the file's bone points at zero rotation."""
    side, _, part = name.partition("_")
    part = FOLLOWS.get(part, part)
    if part not in BONES:
        return np.eye(3)
    start, end = f"{side}_{part}", f"{side}_{BONES[part]}"
    there = places[names[end]] - places[names[start]]
    length = np.linalg.norm(there)
    if not length > 0:
        raise _question(path, f"the bone from {start} to {end} has no length")
    there /= length
    if part in ("hip", "knee") and -there[1] < STANDING:
        raise _question(path, f"its {side} leg does not point down at zero rotation")
    if part in ("shoulder", "elbow") and there @ rest[start] < -0.5:
        raise _question(path, f"its {side} arm points inwards at zero rotation")
    return _between(rest[start], there)


def _between(a: Array, b: Array) -> Array:
    """The smallest rotation of the direction a (3,) to b (3,), which are not opposite."""
    x, y, z = np.cross(a, b)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn: Array = np.eye(3) + skew + skew @ skew / (1 + a @ b)
    return turn


def _rest_directions(rest: Tensor | None) -> dict[str, Array]:
    """SMPL joint -> the direction of the bone that starts there, in SMPL's rest pose."""
    found = {}
    for side, x in (("left", 1.0), ("right", -1.0)):
        for part, end in BONES.items():
            start, stop = f"{side}_{part}", f"{side}_{end}"
            ideal = np.array([x, 0, 0] if part in ("shoulder", "elbow") else [0, -1.0, 0])
            if rest is not None:
                bone = (rest[SMPL.index(stop)] - rest[SMPL.index(start)]).double().cpu().numpy()
                ideal = bone / np.linalg.norm(bone)
            found[start] = ideal
    return found


def _question(path: Path, what: str) -> AssetError:
    return AssetError(f"{path}: {what}: which pose is zero rotation here?", "export it with a T pose as its rest pose")


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()
