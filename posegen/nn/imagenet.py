"""The statistics of ImageNet by which most published backbones expect their input."""

from __future__ import annotations

from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def standardise(image: Tensor) -> Tensor:
    """RGB (N,3,H,W) in [0,1] -> zero mean and unit variance over ImageNet's photographs."""
    mean, std = (image.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return (image - mean) / std
