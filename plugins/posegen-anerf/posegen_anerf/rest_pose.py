"""The rest pose of a published checkpoint: where its skeleton's joints are, without which it cannot be posed."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posegen.body import Skeleton
from posegen.errors import AssetError
from posegen.hdf5_file import Hdf5File
from posegen_anerf.skeleton import UNIT

HEAD, FEET = 15, (10, 11)


def surreal() -> Tensor:
    """The rest pose that all SURREAL people share, (24,3) metres: SMPL's mean joints, pelvis first."""
    return Skeleton.fixed().rest


def read(path: Path) -> Tensor:
    """A rest pose from an official training .h5, a .npz or .npy, or a .tar of refined poses -> (24,3) metres.

    All are in NeRF units. Raises AssetError, naming file and key, PosegenError for an .h5 without h5py.
    """
    try:
        if path.suffix in (".h5", ".hdf5"):
            value = _tensor(Hdf5File(path).numbers("rest_pose", (24, 3), (None, 24, 3)))
        elif path.suffix in (".npz", ".npy"):
            value = _from_numpy(path)
        elif path.suffix == ".tar":
            from posegen_anerf.checkpoint import read_tar

            layer = read_tar(path).get("poseopt_layer_state_dict")
            if not isinstance(layer, dict) or not isinstance(layer.get("rest_pose"), Tensor):
                raise AssetError(f"{path} holds no refined poses (poseopt_layer_state_dict.rest_pose)", "give another")
            value = layer["rest_pose"]
        else:
            raise AssetError(f"{path} cannot hold a rest pose", "give an official .h5, a .npz or .npy, or a .tar")
    except FileNotFoundError as error:
        raise AssetError(f"{path} does not exist", "set rest_pose to the training's .h5") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise AssetError(f"{path} has no readable 'rest_pose': {error}", "give the training's .h5") from error
    return metres(value, path)


def lies(value: Tensor) -> bool:
    """Whether a rest pose (24,3) or (N,24,3) is along z, as those of 2021 are, and not along y."""
    rest = value.reshape(-1, 24, 3)[0] if value.numel() and value.numel() % 72 == 0 else value.new_zeros(24, 3)
    up = rest[HEAD] - rest[list(FEET)].mean(0)
    return bool(up[2].abs() > up[1].abs())


def metres(value: Tensor, path: Path) -> Tensor:
    """A rest pose (24,3) or (1,24,3) as the official files hold it, in NeRF units -> metres, pelvis first, y up.

    Poses refined in 2021 stand along z (head down) and are turned. Raises AssetError for what is no person.
    """
    if value.ndim == 3 and len(value) > 1 and bool((value == value[:1]).all()):
        value = value[:1]
    if tuple(value.shape) not in ((24, 3), (1, 24, 3)) or not bool(torch.isfinite(value).all()):
        raise AssetError(
            f"{path} has 'rest_pose' of shape {tuple(value.shape)}, where 24 finite joints are needed",
            "only SMPL's skeleton, of one person, is supported",
        )
    rest = (value.reshape(24, 3) - value.reshape(24, 3)[0]).float() / UNIT
    up = rest[HEAD] - rest[list(FEET)].mean(0)
    if lies(rest):
        rest, up = rest[:, [0, 2, 1]] * torch.tensor([1.0, -1.0, 1.0]), up[[0, 2, 1]] * torch.tensor([1.0, -1.0, 1.0])
    if not 0.5 < float(up[1]) < 3.0:
        raise AssetError(
            f"{path} has a rest pose of {float(up[1]):.2f} m from feet to head", "it must be in NeRF units, y up"
        )
    return rest


def _from_numpy(path: Path) -> Tensor:
    with path.open("rb") as file:
        content = np.load(file, allow_pickle=False)
        return _tensor(content if isinstance(content, np.ndarray) else content["rest_pose"])


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.asarray(array, np.float32).copy())
