"""Pictures of one person from known cameras in known poses, as a folder: what ``posegen fit --data`` reads.

    FOLDER/images/NAME.png   or .jpg: what was photographed; any background, one size for all
    FOLDER/masks/NAME.png    grey: 255 where the person is, 0 where it is not
    FOLDER/cameras.json      {NAME: {"K": 3x3 pixels, "R": 3x3, "t": 3 metres, "pose": P, "held_out": false}}
    FOLDER/poses.npz         or poses.json: poses (P,24,3), pelvis (P,3), rest_joints (24,3) or betas (10,), clip (P,)

Cameras are OpenCV's, ``x_cam = R x_world + t``, pixel centres at half integers; the world may be any, in metres. Poses
are SMPL's axis-angle, root first, body to world; ``pelvis`` is where the pelvis joint is in the world. ``betas`` are
those of the open body. ``pose`` is a row of ``poses``. ``held_out`` and ``clip`` may be left out, see ``read_views``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from posegen.checkpoint import save_arrays, write_text
from posegen.datasets.checked import finite, numbers, rotations
from posegen.datasets.photos import read_picture
from posegen.errors import AssetError
from posegen.files import disk_error, read_json
from posegen.geometry import rotvec_to_rotmat
from posegen.npz_file import NpzFile
from posegen.protocols import BodySource
from posegen.types import Camera, Views

FORMAT = "see docs/fit.md for what the folder holds"
KEYS = ("poses", "pelvis", "rest_joints", "betas", "clip")  # of a table of poses; others are left alone
HELD_OUT = 10  # every tenth pose is held out where the folder does not say which
LARGEST = 4096  # pixels of a side
SAME = 1e-3  # metres by which rest joints may lie from those of the betas beside them


def read_views(folder: Path, bodies: BodySource) -> Views:
    """Read a folder of views. bodies: makes the body of ``betas``, where the folder has no rest joints.

    Where no image is marked as held out, every tenth pose is, with all its images, or the last pose of fewer. Raises
    AssetError, naming file and key, for whatever is missing, damaged or does not fit together.
    """
    cameras, entries = folder / "cameras.json", _cameras(folder / "cameras.json")
    poses, pelvis, rest, betas, clip = _poses(folder, bodies)
    index = np.array([_pose_of(entry, len(poses), f"{cameras}: '{name}'") for name, entry in entries.items()])
    places = [_placed(entry, f"{cameras}: '{name}'") for name, entry in entries.items()]
    intrinsics, turn, move = (torch.from_numpy(np.stack(part)) for part in zip(*places, strict=True))
    root = rotvec_to_rotmat(torch.from_numpy(poses[:, 0]))[index]
    place = torch.from_numpy(pelvis)[index]
    images, masks = _pictures(folder, list(entries))
    height, width = masks.shape[1:]
    camera = Camera(
        (turn @ root).float(), ((turn @ place[..., None])[..., 0] + move).float(), intrinsics.float(), width, height
    )
    pose_index = torch.from_numpy(index)
    return Views(
        images=images,
        masks=masks,
        cameras=camera,
        poses=torch.from_numpy(poses[:, 1:]).float(),
        pose_index=pose_index,
        held_out=_held_out(entries, pose_index, len(poses), cameras),
        clip=clip,
        rest_joints=rest,
        body="skeleton" if betas is None else "open",
        betas=betas,
        names=tuple(entries),
    )


def write_views(folder: Path, views: Views) -> None:
    """Write views so that ``read_views`` gives them back, to a rounding of dark edges. Raises PosegenError when the
    folder cannot be written."""
    rows = {}
    for i, name in enumerate(views.names):
        alpha = views.masks[i].numpy()
        # stored as photographs are: an edge pixel has the person's colour, not the colour over black
        straight = views.images[i].numpy() * (255 / np.maximum(alpha, 1)[..., None])
        _save(folder / "images" / f"{name}.png", np.minimum(np.rint(straight), 255).astype(np.uint8))
        _save(folder / "masks" / f"{name}.png", alpha)
        camera = views.cameras[i : i + 1]
        rows[name] = {
            "K": camera.intrinsics[0].tolist(),
            "R": camera.rotation[0].tolist(),
            "t": camera.translation[0].tolist(),
            "pose": int(views.pose_index[i]),
            "held_out": bool(views.held_out[i]),
        }
    write_text(folder / "cameras.json", json.dumps(rows, indent=1) + "\n")
    count = len(views.poses)
    arrays = {
        "poses": np.concatenate([np.zeros((count, 1, 3), np.float32), views.poses.numpy()], axis=1),
        "pelvis": np.zeros((count, 3), np.float32),  # the cameras are those of the body without its root
        "rest_joints": views.rest_joints.numpy(),
        "clip": views.clip.numpy(),
    }
    if views.betas is not None:
        arrays["betas"] = views.betas.numpy()
    save_arrays(folder / "poses.npz", arrays)


def _cameras(path: Path) -> dict[str, dict[str, Any]]:
    entries = _json(path)
    for name, entry in entries.items():
        if not isinstance(entry, dict) or not name or Path(name).name != name:
            raise AssetError(f"{path}: '{name}' is no entry of an image", FORMAT)
    if not entries:
        raise AssetError(f"{path} has no image", FORMAT)
    return entries


def _json(path: Path) -> dict[str, Any]:
    try:
        return read_json(path, FORMAT)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AssetError(f"{path} does not exist", FORMAT) from error


def _placed(entry: dict[str, Any], where: str) -> tuple[NDArray[np.float64], ...]:
    """K, R and t of one image."""
    values = []
    for key, shape in (("K", (3, 3)), ("R", (3, 3)), ("t", (3,))):
        if key not in entry:
            raise AssetError(f"{where} has no '{key}'", FORMAT)
        values.append(finite(_array(entry[key], f"{where}: '{key}'", *shape), f"{where}: '{key}'"))
    rotations(values[1][None], f"{where}: 'R'")
    if not (values[0][0, 0] > 0 and values[0][1, 1] > 0) or np.abs(values[0][2] - [0, 0, 1]).max() > 1e-6:
        raise AssetError(f"{where}: 'K' is no camera matrix", "[[f, 0, cx], [0, f, cy], [0, 0, 1]] in pixels")
    return tuple(values)


def _array(value: Any, where: str, *shape: int | None) -> NDArray[np.float64]:
    """Nested lists of numbers -> an array."""
    try:
        array = np.array(value)
    except ValueError as error:  # ragged
        raise AssetError(f"{where} has rows of different lengths", FORMAT) from error
    return numbers(array, where, *shape)


def _pose_of(entry: dict[str, Any], count: int, where: str) -> int:
    index = entry.get("pose")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
        raise AssetError(f"{where}: 'pose' is {index!r}", f"it is a row of 'poses': 0 to {count - 1}")
    return index


def _poses(
    folder: Path, bodies: BodySource
) -> tuple[NDArray[np.float64], NDArray[np.float64], Tensor, Tensor | None, Tensor]:
    """Poses (P,24,3), pelvis (P,3), rest joints (24,3), betas (10,) and clip (P,)."""
    path = next((folder / name for name in ("poses.npz", "poses.json") if (folder / name).is_file()), None)
    if path is None:
        raise AssetError(f"{folder} has neither poses.npz nor poses.json", FORMAT)
    table = _table(path)

    def take(key: str, *shape: int | None) -> NDArray[np.float64]:
        if key not in table:
            raise AssetError(f"{path} has no '{key}'; it has {', '.join(table) or 'nothing'}", FORMAT)
        return finite(_array(table[key], f"{path}: '{key}'", *shape), f"{path}: '{key}'")

    poses = take("poses", None, 24, 3)
    count = len(poses)
    if not count:
        raise AssetError(f"{path} holds no pose", FORMAT)
    pelvis = take("pelvis", count, 3)
    clip = take("clip", count) if "clip" in table else np.zeros(count)
    betas = torch.from_numpy(take("betas", 10)).float() if "betas" in table else None
    shaped = None if betas is None else bodies.body(betas).rest_joints.cpu().float()
    if "rest_joints" in table:
        rest = torch.from_numpy(take("rest_joints", 24, 3)).float()
        if shaped is not None and (apart := (shaped - shaped[:1] - rest + rest[:1]).norm(dim=-1).max()) > SAME:
            raise AssetError(
                f"{path}: 'rest_joints' lie {1000 * apart:.0f} mm from those of the open body with these 'betas'",
                "leave out betas that are another body's, as SMPL's are",
            )
    elif shaped is not None:
        rest = shaped
    else:
        raise AssetError(
            f"{path} has neither 'rest_joints' nor 'betas'", "the skeleton's joints (24,3) at rest, metres"
        )
    return poses, pelvis, rest - rest[:1], betas, torch.from_numpy(clip).long()


def _table(path: Path) -> dict[str, Any]:
    if path.suffix == ".json":
        return _json(path)
    file = NpzFile(path)
    return {key: file.read(key, *file.shape(key)) for key in KEYS if key in file}


def _pictures(folder: Path, names: list[str]) -> tuple[Tensor, Tensor]:
    """Images over black (N,H,W,3) and masks (N,H,W), uint8."""
    images = masks = None
    for i, name in enumerate(names):
        paths = [folder / "images" / f"{name}{ending}" for ending in (".png", ".jpg", ".jpeg")]
        path = next((path for path in paths if path.is_file()), paths[0])
        colour = np.asarray(read_picture(path, "RGB", FORMAT, LARGEST))
        mask = np.asarray(read_picture(folder / "masks" / f"{name}.png", "L", FORMAT, LARGEST))
        if images is None or masks is None:
            images = np.empty((len(names), *colour.shape), np.uint8)
            masks = np.empty((len(names), *colour.shape[:2]), np.uint8)
        for file, shape in ((path, colour.shape[:2]), (folder / "masks" / f"{name}.png", mask.shape)):
            if shape != masks.shape[1:]:
                raise AssetError(
                    f"{file} is {shape[1]} x {shape[0]} pixels, the first image {masks.shape[2]} x {masks.shape[1]}",
                    "scale or pad all images and masks to one size, and their K with them",
                )
        images[i] = np.rint(colour * (mask[..., None] / 255))
        masks[i] = mask
    assert images is not None and masks is not None  # there is at least one name
    if not (masks > 127).any():
        raise AssetError(f"{folder / 'masks'}: no mask shows a person", "255 where the person is, 0 elsewhere")
    return torch.from_numpy(images), torch.from_numpy(masks)


def _save(path: Path, pixels: NDArray[np.uint8]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    except OSError as error:
        raise disk_error(path, error) from error


def _held_out(entries: dict[str, dict[str, Any]], index: Tensor, poses: int, where: Path) -> Tensor:
    given = [entry.get("held_out", False) for entry in entries.values()]
    for name, value in zip(entries, given, strict=True):
        if not isinstance(value, bool):
            raise AssetError(f"{where}: '{name}': 'held_out' is {value!r}", "true or false")
    held_out = torch.tensor(given)
    if not held_out.any():
        held_out = index % HELD_OUT == min(HELD_OUT, poses) - 1 if poses > 1 else held_out
    if held_out.all():
        raise AssetError(f"{where}: all images are held out, nothing is left to learn from", "mark fewer")
    return held_out
