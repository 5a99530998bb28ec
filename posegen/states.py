"""The states that an interrupted run goes on from: the adversaries, and the fine-tuning."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from posegen.checkpoint import (
    load_module,
    load_optimizer,
    load_tensors,
    optimizer_tensors,
    prefixed,
    save_tensors,
    without_prefix,
)
from posegen.finetune import Finetuning
from posegen.loop import PoseGen


def save_generator(path: Path, method: PoseGen) -> None:
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
    save_tensors(path, tensors)


def load_generator(path: Path, method: PoseGen) -> None:
    """Raises AssetError for a file that is damaged or of another configuration."""
    tensors = load_tensors(path)
    load_module(method.generator, without_prefix("generator", tensors), path)
    assert isinstance(method.discriminator, nn.Module)
    load_module(method.discriminator, without_prefix("discriminator", tensors), path)
    load_optimizer(method.adam_g, without_prefix("adam_g", tensors))
    load_optimizer(method.adam_d, without_prefix("adam_d", tensors))
    method.rng.set_state(tensors["rng"])
    method.iteration = int(tensors["iteration"])
    method.pool.poses = tensors["pool"].to(method.settings.device) if "pool" in tensors else None


def save_finetuning(path: Path, tuning: Finetuning) -> None:
    tensors = {
        **prefixed("module", tuning.module.state_dict()),
        **prefixed("adam", optimizer_tensors(tuning.adam)),
        "epochs": torch.tensor(tuning.epochs),
    }
    save_tensors(path, tensors)


def load_finetuning(path: Path, tuning: Finetuning) -> None:
    """Raises AssetError for a file that is damaged or of another network."""
    tensors = load_tensors(path)
    load_module(tuning.module, without_prefix("module", tensors), path)
    load_optimizer(tuning.adam, without_prefix("adam", tensors))
    tuning.epochs = int(tensors["epochs"])
