"""Files that are either whole or absent: safetensors and text, written beside their place and then moved into it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from posegen.errors import AssetError, PosegenError


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file atomically. Raises PosegenError when the disk is full; the old file then stays."""
    whole = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    _atomically(path, lambda part: save_file(whole, part, dict(metadata or {})))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises AssetError when it is missing, truncated or corrupted."""
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise AssetError(f"{path} does not exist", "check the path") from error
    except (SafetensorError, OSError) as error:
        raise AssetError(f"{path} is not a whole safetensors file: {error}", "write or download it again") from error


def write_text(path: Path, text: str) -> None:
    _atomically(path, lambda part: part.write_text(text, encoding="utf-8") and None)


def load_module(module: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Load a whole state dict. Raises AssetError naming the first key or shape that differs."""
    expected = module.state_dict()
    for key in [*expected, *tensors]:
        if key not in tensors:
            raise AssetError(f"{source} lacks '{key}'", "it was written for another network or variant")
        if key not in expected:
            raise AssetError(
                f"{source} holds '{key}', which this network has not", "it was written for another network"
            )
        if tensors[key].shape != expected[key].shape:
            shapes = f"{tuple(tensors[key].shape)}, not {tuple(expected[key].shape)}"
            raise AssetError(f"{source}: '{key}' has shape {shapes}", "it was written for another variant")
    module.load_state_dict(dict(tensors))


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimiser as ``index.name`` tensors."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(value) for i, entry in state.items() for name, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what ``optimizer_tensors`` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{key}": value for key, value in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under ``prefix``, without it."""
    return {key[len(prefix) + 1 :]: value for key, value in tensors.items() if key.startswith(f"{prefix}.")}


def _atomically(path: Path, write: Callable[[Path], Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(part)
        part.replace(path)
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
        reason = "the disk is full" if full else str(error)
        raise PosegenError(
            f"{path} could not be written: {reason}", "free some space and go on with --resume"
        ) from error
    finally:
        part.unlink(missing_ok=True)
