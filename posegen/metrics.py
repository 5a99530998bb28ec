"""Pose errors: metres in, millimetres out, one value per sample, independent of the others of its batch.

predicted and true are (N,J,3), the joints to compare, in the same axes, and already centred on the root of their joint
set (the mean of ``JointSet.root``, which need not be among them); ``pa_mpjpe`` needs no centring.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from posegen.geometry import align


def mpjpe(predicted: Tensor, true: Tensor) -> Tensor:
    """Mean per-joint position error -> (N,) mm (SPIN's eval.py)."""
    return _distance(predicted, true).mean(dim=1)


def pa_mpjpe(predicted: Tensor, true: Tensor) -> Tensor:
    """The error after the best similarity alignment, mirror images excluded -> (N,) mm (SPIN's eval.py).

    A prediction whose joints all coincide is placed on the centroid of the truth.
    """
    return _distance(align(predicted, true), true).mean(dim=1)


def n_mpjpe(predicted: Tensor, true: Tensor) -> Tensor:
    """The error after the least-squares scale -> (N,) mm (Rhodin et al. 2018; VideoPose3D's loss.py)."""
    scale = (predicted * true).sum(dim=(1, 2)) / predicted.square().sum(dim=(1, 2)).clamp_min(
        torch.finfo(predicted.dtype).tiny
    )
    return _distance(scale[:, None, None] * predicted, true).mean(dim=1)


def pck(predicted: Tensor, true: Tensor, threshold_mm: float = 150.0) -> Tensor:
    """Percent of joints strictly nearer than the threshold -> (N,) (MPI-INF-3DHP)."""
    near = _distance(predicted, true) < threshold_mm
    return 100 * near.to(predicted.dtype).mean(dim=1)


def bootstrap_interval(values: Tensor, n: int, generator: Generator) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of ``values`` (M,), over ``n`` resamplings (Efron 1979)."""
    picks = torch.randint(len(values), (n, len(values)), generator=generator, device=generator.device)
    means = values.double()[picks.to(values.device)].mean(dim=1)
    low, high = torch.quantile(means, means.new_tensor([0.025, 0.975])).tolist()
    return low, high


def _distance(a: Tensor, b: Tensor) -> Tensor:
    metres: Tensor = torch.linalg.vector_norm(a - b, dim=-1)
    return 1000 * metres
