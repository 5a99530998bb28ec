"""Sixteen-bit arithmetic for the convolutions, where the machine is made for it.

bfloat16 keeps float32's range and 8 bits of its digits; weights, gradients of weights and everything after the
backbone stay float32. On CPUs with AMX or AVX-512 BF16 and on GPUs it is several times as fast, all the more with
channels last. On others it is emulated, and slow.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]
"""``auto`` is bfloat16 where the device computes with it, float32 elsewhere."""


def lowers(precision: Precision, device: torch.device) -> bool:
    """Whether convolutions on this device run in bfloat16."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and _cpu_has_bfloat16()


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a backbone runs; cast its output to float32 behind it."""
    return torch.autocast(device.type, torch.bfloat16) if lowers(precision, device) else nullcontext()


def _cpu_has_bfloat16() -> bool:
    # private names of torch, which has no public ones before 2.10; where they are gone, float32 is always right
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(supported() for supported in asked if supported is not None)
