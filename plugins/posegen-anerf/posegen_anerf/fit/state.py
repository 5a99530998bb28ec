"""The file that an interrupted fit goes on from: tensors and settings, nothing that could run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from posegen.errors import UsageError
from posegen.nn.checkpoint import (
    load_module,
    load_optimizer,
    load_tensors,
    metadata,
    optimizer_tensors,
    prefixed,
    save_tensors,
    without_prefix,
)
from posegen.types import Views
from posegen_anerf.fit.options import FitOptions

_FREE = {"every", "patience", "calibration"}  # they change nothing of what is learned
_REPAIR = "start again without it and without --resume"


def state_of(out: Path) -> Path:
    """Where an unfinished fit of ``out`` is kept."""
    return out.with_name(out.name + ".fit")


def poses_of(out: Path) -> Path:
    """Where the refined poses of a fit go, if there are any."""
    return out.with_suffix(".poses.npz")


def check_state(out: Path, options: FitOptions, resume: bool) -> None:
    """What can be said before any image is read. With ``resume`` and no files at all a fit simply starts.

    Raises UsageError for an interrupted fit in the way, for a finished one that is to go on, and for other options;
    AssetError for a damaged file.
    """
    path, refined = state_of(out), poses_of(out)
    if options.poses and refined.exists() and not resume:
        raise UsageError(f"{refined} is there already", "choose another --out, or move it")
    if path.exists() and not resume:
        raise UsageError(f"{path} holds an interrupted fit", "go on with --resume, or delete it")
    if path.exists():
        load_tensors(path, _REPAIR)
        _same_options(path, options)
    elif out.exists() and resume:
        raise UsageError(
            f"{out} is finished: there is no {path.name} to go on from", "choose another --out, or delete it"
        )


def save_state(
    path: Path, modules: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Optimizer],
    extra: Mapping[str, Tensor], options: FitOptions, views: Views,
) -> None:  # fmt: skip
    """Write it in one step: a full disk leaves the old file. Raises PosegenError when it cannot be written."""
    tensors = prefixed("extra", extra)
    for name, module in modules.items():
        tensors |= prefixed(name, module.state_dict())
    for name, optimiser in optimisers.items():
        tensors |= prefixed(name, optimizer_tensors(optimiser))
    save_tensors(path, tensors, {"options": options.model_dump_json(), "views": _fingerprint(views)})


def load_state(
    path: Path, modules: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Optimizer],
    options: FitOptions, views: Views,
) -> dict[str, Tensor]:  # fmt: skip
    """Put everything back -> ``extra``.

    Raises UsageError for other options or views than it was written with, AssetError for a file that is missing or
    damaged.
    """
    tensors = load_tensors(path, _REPAIR)
    _same_options(path, options)
    if metadata(path).get("views") != _fingerprint(views):
        raise UsageError(f"{path} was fitted to other images", f"give the same --subject or --data, or {_REPAIR}")
    for name, module in modules.items():
        load_module(module, without_prefix(name, tensors), path, _REPAIR)
    for name, optimiser in optimisers.items():
        load_optimizer(optimiser, without_prefix(name, tensors), path, _REPAIR)
    return without_prefix("extra", tensors)


def _fingerprint(views: Views) -> str:
    """SHA-256 of poses, cameras and body, and of one pixel in 256: it tells views of the same shapes apart."""
    camera, digest = views.cameras, hashlib.sha256()
    for tensor in (
        views.images[:, ::16, ::16], views.masks[:, ::16, ::16], camera.rotation, camera.translation, camera.intrinsics,
        views.poses, views.pose_index, views.held_out, views.clip, views.rest_joints,
    ):  # fmt: skip
        digest.update(f"{tuple(tensor.shape)}".encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _same_options(path: Path, options: FitOptions) -> None:
    written = json.loads(metadata(path).get("options", "{}"))
    now = json.loads(options.model_dump_json())
    for key in sorted(set(now) - _FREE):
        if written.get(key) != now[key]:
            raise UsageError(
                f"{path} was fitted with {key}={written.get(key)}, not {now[key]}",
                f"--set {key}={written.get(key)}, or {_REPAIR}",
            )
