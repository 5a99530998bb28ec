"""The states that an interrupted run goes on from: the adversaries, and the fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from posegen import alarms
from posegen.checkpoint import (
    load_module,
    load_optimizer,
    load_tensors,
    metadata,
    optimizer_tensors,
    prefixed,
    save_tensors,
    without_prefix,
)
from posegen.errors import AssetError
from posegen.finetune import Finetuning
from posegen.loop import PoseGen

REPAIR = "delete it and go on with --resume: that stage starts anew"


def save_generator(path: Path, method: PoseGen) -> None:
    """Raises PosegenError, and keeps the old file, if a value is not finite or the disk is full."""
    tensors = {
        **prefixed("generator", method.generator.state_dict()),
        **prefixed("discriminator", method.discriminator.state_dict()),
        **prefixed("adam_g", optimizer_tensors(method.adam_g)),
        **prefixed("adam_d", optimizer_tensors(method.adam_d)),
        "rng": method.rng.get_state(),
        "iteration": torch.tensor(method.iteration),
    }
    if method.pool.poses is not None:
        tensors["pool"] = method.pool.poses
    alarms.check_finite("generator and discriminator", tensors)
    save_tensors(path, tensors)


def load_generator(path: Path, method: PoseGen) -> None:
    """Raises AssetError for a file that is damaged or of another configuration."""
    tensors = load_tensors(path, REPAIR)
    _require(path, tensors, "rng", "iteration")
    load_module(method.generator, without_prefix("generator", tensors), path, REPAIR)
    load_module(cast(nn.Module, method.discriminator), without_prefix("discriminator", tensors), path, REPAIR)
    load_optimizer(method.adam_g, without_prefix("adam_g", tensors), path, REPAIR)
    load_optimizer(method.adam_d, without_prefix("adam_d", tensors), path, REPAIR)
    method.rng.set_state(tensors["rng"])
    method.iteration = int(tensors["iteration"])
    method.pool.poses = tensors["pool"].to(method.settings.device) if "pool" in tensors else None


def save_finetuning(path: Path, tuning: Finetuning) -> None:
    """Raises PosegenError, and keeps the old file, if a value is not finite or the disk is full."""
    tensors = {
        **prefixed("module", tuning.module.state_dict()),
        **{k: v for name, o in tuning.optimizers.items() for k, v in prefixed(name, optimizer_tensors(o)).items()},
        **(prefixed("low_rank", tuning.low_rank.tensors()) if tuning.low_rank is not None else {}),
        "epochs": torch.tensor(tuning.epochs),
    }
    alarms.check_finite("fine-tuning", tensors)
    save_tensors(path, tensors, {"pace": str(tuning.pace)})


def load_finetuning(path: Path, tuning: Finetuning) -> None:
    """Raises AssetError for a file that is damaged, of another network, or of a version with another pace for it."""
    tensors = load_tensors(path, REPAIR)
    _require(path, tensors, "epochs")
    load_module(tuning.module, without_prefix("module", tensors), path, REPAIR)
    if (pace := metadata(path).get("pace")) != str(tuning.pace):
        raise AssetError(f"{path} was written by a version of posegen with another pace of fine-tuning: {pace}", REPAIR)
    for name, optimizer in tuning.optimizers.items():
        load_optimizer(optimizer, without_prefix(name, tensors), path, REPAIR)
    if tuning.low_rank is not None:
        factors = without_prefix("low_rank", tensors)
        _require(path, factors, *tuning.low_rank.tensors())
        tuning.low_rank.load(factors)
    tuning.epochs = int(tensors["epochs"])


def _require(path: Path, tensors: Mapping[str, Tensor], *keys: str) -> None:
    if missing := [key for key in keys if key not in tensors]:
        raise AssetError(f"{path} lacks '{missing[0]}': it is no checkpoint of this stage", REPAIR)
