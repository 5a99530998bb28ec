"""Published checkpoints (``.tar``): read without running anything in them, every key accounted for, converted once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from posegen.assets import cache_dir
from posegen.errors import AssetError, nearest
from posegen.nn.checkpoint import DAMAGED, read_torch
from posegen_anerf import rest_pose as rest_poses
from posegen_anerf.architecture import architecture, settings
from posegen_anerf.field import Field
from posegen_anerf.subject import NerfSubject, fill

CONVERTER = "1"
"""Part of a converted file's name: raise it when the conversion changes."""
NETWORKS = ("network_fn_state_dict", "network_fine_state_dict")
EMBEDDERS = ("embed_state_dict", "embeddirs_state_dict")
OPTIONAL = (
    "global_step", "optimizer_state_dict", "poseopt_layer_state_dict", "pose_optimizer_state_dict", "poseopt_anchors",
    "embedbones_state_dict",
)  # fmt: skip
POSES = ("rest_pose", "pelvis", "bones", "kp_map", "kp_uidxs", "root_bones")


def convert(path: Path, rest_pose: Path | None = None) -> Path:
    """The checkpoint as a subject's safetensors in the user's cache folder, made at the first call.

    rest_pose: the file it lies in (see ``rest_pose``); None takes the checkpoint's pose layer, or else SURREAL's.
    Made again when a file it comes from has another size or time. Raises AssetError as ``read`` does.
    """
    about = [CONVERTER]
    for file in (path, path.with_name("args.txt"), rest_pose):
        if file is not None and file.exists():
            about.append(f"{file.absolute()} {file.stat().st_size} {file.stat().st_mtime_ns}")
    name = hashlib.sha256("\n".join(about).encode()).hexdigest()[:24]
    kept = cache_dir() / "anerf" / f"{path.stem}-{name}.safetensors"
    try:
        NerfSubject.load(kept)
    except AssetError:  # not made yet, or damaged since
        read(path, rest_pose).save(kept)
    return kept


def read(path: Path, rest_pose: Path | None = None) -> NerfSubject:
    """An official checkpoint -> its subject, on the cpu, without gradients.

    Raises AssetError, naming the file and the key, for what is missing, unexpected or of the wrong shape, for a file
    that holds more than tensors and numbers, and for settings (``args.txt``) that cannot be drawn.
    """
    content = read_tar(path)
    states = {name: _state(path, content, name) for name in (*NETWORKS, *EMBEDDERS)}
    for key in content:
        if key not in states and key not in OPTIONAL:
            raise AssetError(f"{path} has an unexpected key '{key}'", nearest(str(key), [*states, *OPTIONAL]))
    if content.get("embedbones_state_dict"):
        raise AssetError(f"{path} has an 'embedbones_state_dict': an encoding of bones that cannot be drawn", DAMAGED)
    args = settings(path)
    coarse_state, fine_state = (states[name] for name in NETWORKS)
    config = architecture(path, coarse_state, fine_state, args)
    cutoffs = _cutoffs(path, states)
    config = config.model_copy(update={"cutoff": float(cutoffs["cutoff_dist"].mean())})
    fields = {}
    for name in NETWORKS:
        fields[name] = Field(config)
        fill(fields[name], {**states[name], **cutoffs}, path, f"{name}.")
    rest, origin = _rest_pose(path, content, rest_pose)
    source = {"file": path.name, "kind": "official checkpoint", "rest pose": origin}
    if isinstance(step := content.get("global_step"), int):
        source["steps"] = str(step)
    fine, coarse = fields[NETWORKS[1]], fields[NETWORKS[0]]
    return NerfSubject(config, fine, None if config.single else coarse, rest, "smpl", source=source)


def read_tar(path: Path) -> dict[str, Any]:
    """What ``torch.save`` wrote, a dictionary. Nothing in it is run. Raises AssetError as ``read`` does."""
    content = read_torch(path)
    if not isinstance(content, dict):
        raise AssetError(f"{path} holds a {type(content).__name__}, where a dictionary is needed", DAMAGED)
    return content


def _state(path: Path, content: Mapping[str, Any], name: str) -> dict[str, Tensor]:
    state = content.get(name)
    if state is None:
        raise AssetError(f"{path} lacks the key '{name}'", nearest(name, list(content)) or "is it of A-NeRF?")
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise AssetError(f"{path} has '{name}' that is no dictionary of tensors", DAMAGED)
    return dict(state)


def _cutoffs(path: Path, states: Mapping[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """tau and cutoff_dist, which distances and views have each, and share."""
    known = ("tau", "cutoff_dist")
    for name in EMBEDDERS:
        for key in (*known, *states[name]):
            if key not in states[name] or key not in known:
                what = "an unexpected key" if key in states[name] else "no key"
                raise AssetError(f"{path} has {what} '{name}.{key}'", nearest(key, known))
    one, two = (states[name] for name in EMBEDDERS)
    for key in known:
        if not one[key].equal(two[key]):
            raise AssetError(f"{path} has another '{key}' for distances than for views", "this cannot be drawn")
    return {key: one[key] for key in known}


def _rest_pose(path: Path, content: Mapping[str, Any], given: Path | None) -> tuple[Tensor, str]:
    layer = content.get("poseopt_layer_state_dict")
    if layer:
        for key in layer:
            if key not in POSES:
                raise AssetError(f"{path} has an unexpected key 'poseopt_layer_state_dict.{key}'", nearest(key, POSES))
        own = layer.get("rest_pose")
        if isinstance(own, Tensor) and rest_poses.lies(own):
            raise AssetError(
                f"{path} was trained on a rest pose along z, as in 2021: its networks see bones in other axes",
                "give a later checkpoint; refined poses of 2021 alone can be its rest_pose",
            )
    if given is not None:
        return rest_poses.read(given), given.name
    if layer:
        if not isinstance(layer.get("rest_pose"), Tensor):
            raise AssetError(f"{path} lacks the key 'poseopt_layer_state_dict.rest_pose'", "set rest_pose to a file")
        return rest_poses.metres(layer["rest_pose"], path), "pose layer"
    return rest_poses.surreal(), "SURREAL's"
