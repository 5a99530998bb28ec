"""Files that are either whole or absent: safetensors and text, written beside their place and then moved into it."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file
from torch import Tensor, nn

from posegen.errors import AssetError
from posegen.files import disk_error, part_of, read_error


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file atomically: the same bits for the same content.

    Raises PosegenError when the disk is full; the old file then stays.
    """
    # safetensors refuses tensors that share memory, as those of tied layers do
    whole = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}

    def write(part: Path) -> None:
        save_file(whole, part, dict(metadata or {}))
        if metadata and len(metadata) > 1:
            _sort_metadata(part)

    _atomically(path, write)


def _sort_metadata(path: Path) -> None:
    """safetensors writes the metadata in an order of chance; sorted, the header is as long as before."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        file.seek(8)
        file.write(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size))


def load_tensors(path: Path, repair: str) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises AssetError, with ``repair`` as its hint, when it is missing or damaged; when it cannot be read, with another.
    """
    try:
        return load(path.read_bytes())  # not mapped into memory: a mapped file cannot be replaced on Windows
    except OSError as error:
        raise read_error(path, error, repair) from error
    except SafetensorError as error:
        raise AssetError(f"{path} is not a whole safetensors file: {error}", repair) from error


def metadata(path: Path) -> dict[str, str]:
    """What a whole safetensors file says of itself."""
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write one npy file atomically. Raises PosegenError when the disk is full; the old file then stays."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.save(file, array)

    _atomically(path, write)


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an npz file atomically. Raises PosegenError when the disk is full; the old file then stays."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type, unused-ignore]  # newer stubs know one more keyword

    _atomically(path, write)


def save_torch(path: Path, content: Mapping[str, Any]) -> None:
    """Write what other projects load with ``torch.load``, atomically. Raises PosegenError when the disk is full."""
    buffer = io.BytesIO()  # torch says nothing of the disk when it fails to write a file
    torch.save(content, buffer)
    _atomically(path, lambda part: part.write_bytes(buffer.getbuffer()))


def write_text(path: Path, text: str) -> None:
    _atomically(path, lambda part: part.write_text(text, encoding="utf-8") and None)


def load_module(module: nn.Module, tensors: Mapping[str, Tensor], source: Path, repair: str) -> None:
    """Load a whole state dict. Raises AssetError naming the first key or shape that differs."""
    expected = module.state_dict()
    for key in [*expected, *tensors]:
        if key not in tensors:
            raise AssetError(f"{source} lacks '{key}': it is of another network", repair)
        if key not in expected:
            raise AssetError(f"{source} holds '{key}', which this network has not", repair)
        if tensors[key].shape != expected[key].shape:
            shapes = f"{tuple(tensors[key].shape)}, not {tuple(expected[key].shape)}"
            raise AssetError(f"{source}: '{key}' has shape {shapes}", repair)
    module.load_state_dict(dict(tensors))


def fingerprint(module: nn.Module) -> str:
    """The sha256 of all parameters and buffers, in hexadecimal: what tells two networks apart."""
    digest = hashlib.sha256()
    for name, value in sorted([*module.named_parameters(), *module.named_buffers()]):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimiser as ``index.name`` tensors."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(value) for i, entry in state.items() for name, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], source: Path, repair: str) -> None:
    """Put back what ``optimizer_tensors`` gave. Raises AssetError for the state of other parameters."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        own = parameters[int(index)] if index.isdecimal() and int(index) < len(parameters) else None
        if own is None or value.shape not in ((), own.shape):
            raise AssetError(f"{source}: the optimiser's '{key}' fits no parameter", repair)
        if value.shape:  # laid out as the parameter is: fused steps go through the memory of both side by side
            value = torch.empty_like(own, dtype=value.dtype, requires_grad=False).copy_(value)
        state.setdefault(int(index), {})[name] = value
    if len({frozenset(entry) for entry in state.values()}) > 1:
        raise AssetError(f"{source} lacks a part of the optimiser's state", repair)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{key}": value for key, value in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under ``prefix``, without it."""
    return {key[len(prefix) + 1 :]: value for key, value in tensors.items() if key.startswith(f"{prefix}.")}


def _atomically(path: Path, write: Callable[[Path], Any]) -> None:
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        mode = part.stat().st_mode  # what the umask leaves: safetensors writes files for their owner alone
        write(part)
        part.chmod(mode)
        with part.open("r+b") as file:
            os.fsync(file.fileno())  # else a power cut may leave a file that is there and empty
        part.replace(path)
    except (OSError, SafetensorError) as error:
        raise disk_error(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
