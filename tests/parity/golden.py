"""Deterministic weights that depend on a tensor's key and shape alone, so that golden outputs need no weight files."""

from __future__ import annotations

import zlib

import numpy as np
import torch


def tensor_for(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    """numpy's legacy RandomState, seeded with the key's crc32: its stream is frozen by numpy's policy."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    normal = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(size=shape)
    leaf = key.rpartition(".")[2]
    if leaf == "running_mean":
        value = 0.02 * normal
    elif leaf == "running_var":
        value = 1 + 0.1 * np.abs(normal)
    elif len(shape) <= 1:
        value = 1 + 0.1 * normal if leaf == "weight" else 0.1 * normal
    else:
        value = normal / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(value, np.float32))


def seeded(seed: int, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(size=shape).astype(np.float32))
