"""Weights for the parity tests of networks, which hold no published weights: a function of a tensor's name and shape.

The golden arrays were computed by the published code with exactly these weights. Normal numbers come from numpy's
``RandomState``, whose stream is frozen, seeded by the CRC-32 of the name.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DATA = Path(__file__).parent / "data"

Layout = dict[str, tuple[int, ...]]
"""A network's state dict without its values: name -> shape, in the published order."""


def layout(name: str) -> Layout:
    """The published state dict listed in ``data/NAME_keys.json``."""
    listed = json.loads((DATA / f"{name}_keys.json").read_text(encoding="utf-8"))
    return {key: tuple(shape) for key, (shape, _) in listed.items()}


def golden(name: str) -> dict[str, NDArray[Any]]:
    """The arrays of ``data/NAME.npz``."""
    with np.load(DATA / f"{name}.npz") as arrays:
        return {key: arrays[key] for key in arrays.files}


def weights(layout: Layout, gain: float = 1.0, gains: Mapping[str, float] | None = None) -> dict[str, Tensor]:
    """A state dict of this layout. gains: end of a name -> another gain of that weight."""
    return {name: weight(name, shape, _gain(name, gain, gains or {})) for name, shape in layout.items()}


def weight(name: str, shape: tuple[int, ...], gain: float = 1.0) -> Tensor:
    """One tensor: float32, or int64 zero for batch norm's counter."""
    leaf = name.rpartition(".")[2]
    if leaf == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    noise = np.asarray(np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape), np.float64)
    if leaf == "running_mean":
        value = 0.02 * noise
    elif leaf == "running_var":
        value = 1 + 0.1 * np.abs(noise)
    elif leaf == "init_pose":
        value = np.tile([1.0, 0, 0, 1, 0, 0], 24).reshape(shape) + 0.1 * noise
    elif leaf == "init_shape":
        value = 0.1 * noise
    elif leaf == "init_cam":
        value = np.array([0.9, 0, 0])[: noise.size].reshape(shape)
    elif len(shape) >= 2:
        value = gain * noise / np.sqrt(np.prod(shape[1:]))
    else:
        value = 0.1 * noise + (leaf == "weight")
    return torch.from_numpy(np.asarray(value, np.float32))


def normal(seed: int, shape: tuple[int, ...]) -> Tensor:
    """The golden runs' inputs: normal numbers, float32."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def uniform(seed: int, shape: tuple[int, ...]) -> Tensor:
    """The golden runs' inputs: uniform numbers in [0,1), float32."""
    return torch.from_numpy(np.random.RandomState(seed).random_sample(shape).astype(np.float32))


def checksum(state: Mapping[str, Tensor]) -> tuple[float, float]:
    """Sum and sum of squares in float64, added up in the order of the names: the golden files' ``weight_checksum``."""
    arrays = [state[name].double().numpy() for name in sorted(state)]
    return float(sum(a.sum() for a in arrays)), float(sum((a * a).sum() for a in arrays))


def _gain(name: str, gain: float, gains: Mapping[str, float]) -> float:
    return next((value for ending, value in gains.items() if name.endswith(ending)), gain)
