"""Where a network is."""

from __future__ import annotations

import torch
from torch import nn


def device_of(module: nn.Module | None) -> torch.device:
    """The device of its weights; the CPU for an estimator without a network."""
    return torch.device("cpu") if module is None else next(module.parameters()).device
