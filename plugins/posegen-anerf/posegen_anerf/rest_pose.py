"""The rest pose of a published checkpoint: where its skeleton's joints are, without which it cannot be posed."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posegen.errors import AssetError
from posegen_anerf.skeleton import UNIT

# A-NeRF's ``smpl_rest_pose`` (MIT), which all SURREAL people share, in metres: SMPL's mean joints, pelvis first.
_SURREAL = (
    (0.0, 0.0, 0.0), (0.0655330, -0.0869564, -0.0115671), (-0.0631422, -0.0859047, -0.0083857),
    (-0.0028180, 0.1001803, -0.0164735), (0.0968084, -0.4353203, -0.0125985), (-0.0988826, -0.4428620, -0.0122788),
    (0.0015805, 0.2379396, -0.0161502), (0.0850722, -0.7975294, -0.0517310), (-0.0843430, -0.8048752, -0.0492010),
    (0.0037579, 0.2876818, 0.0082773), (0.1053541, -0.8488899, 0.0587102), (-0.1007882, -0.8486123, 0.0641802),
    (0.0015351, 0.4903698, -0.0391535), (0.0764807, 0.4015439, -0.0248786), (-0.0708582, 0.3984915, -0.0302217),
    (0.0067393, 0.5547931, 0.0097619), (0.1607941, 0.4317137, -0.0299062), (-0.1595302, 0.4300955, -0.0398534),
    (0.4009478, 0.4208689, -0.0540519), (-0.3946914, 0.4180602, -0.0560940), (0.6265849, 0.4278476, -0.0549354),
    (-0.6277859, 0.4237437, -0.0615623), (0.7011284, 0.4187320, -0.0672924), (-0.7030328, 0.4170203, -0.0711094),
)  # fmt: skip
HEAD, FEET = 15, (10, 11)


def surreal() -> Tensor:
    """The rest pose of SURREAL's people, (24,3) metres."""
    return torch.tensor(_SURREAL)


def read(path: Path) -> Tensor:
    """A rest pose from an official training .h5, a .npz or .npy, or a .tar of refined poses -> (24,3) metres.

    All are in NeRF units. Raises AssetError, naming file and key.
    """
    try:
        if path.suffix in (".h5", ".hdf5"):
            value = _from_h5(path)
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
    if up[2].abs() > up[1].abs():
        rest, up = rest[:, [0, 2, 1]] * torch.tensor([1.0, -1.0, 1.0]), up[[0, 2, 1]] * torch.tensor([1.0, -1.0, 1.0])
    if not 0.5 < float(up[1]) < 3.0:
        raise AssetError(
            f"{path} has a rest pose of {float(up[1]):.2f} m from feet to head", "it must be in NeRF units, y up"
        )
    return rest


def _from_h5(path: Path) -> Tensor:
    try:
        import h5py
    except ImportError as error:
        raise AssetError(f"{path} cannot be read without h5py", "pip install 'posegen[datasets]'") from error
    with h5py.File(path, "r") as file:
        return _tensor(file["rest_pose"][()])


def _from_numpy(path: Path) -> Tensor:
    with path.open("rb") as file:
        content = np.load(file, allow_pickle=False)
        return _tensor(content if isinstance(content, np.ndarray) else content["rest_pose"])


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.asarray(array, np.float32).copy())
