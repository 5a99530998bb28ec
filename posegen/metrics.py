"""Pose errors: metres in, millimetres out, one value per sample, independent of the others of its batch.

predicted and true are (N,J,3), the joints to compare, in the same axes, and already centred on the root of their joint
set (the mean of ``JointSet.root``, which need not be among them); ``pa_mpjpe`` needs no centring. Which joints, which
root and which mean make a published number is said by an evaluation protocol (posegen.scoring).
"""

from __future__ import annotations

import torch
from torch import Tensor

from posegen.geometry import align, similarity

THRESHOLDS_3DHP_MM = tuple(float(t) for t in range(0, 151, 5))
"""MPI-INF-3DHP's AUC is the mean of PCK over these 31, of which the first is always 0 %."""
THRESHOLDS_3DPW_MM = tuple(float(t) for t in range(200))
"""The 3DPW challenge's AUC is the area under PCK over these, with the axis scaled to 1."""


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


def pve(predicted: Tensor, true: Tensor) -> Tensor:
    """Mean per-vertex error of meshes (N,V,3) -> (N,) mm (VIBE's eval_utils.py), aligned as the protocol says."""
    return _distance(predicted, true).mean(dim=1)


def pck(predicted: Tensor, true: Tensor, threshold_mm: float = 150.0, *, inclusive: bool = False) -> Tensor:
    """Percent of joints nearer than the threshold -> (N,): strictly (MPI-INF-3DHP), or up to it (3DPW challenge)."""
    return _pck(_distance(predicted, true), threshold_mm, inclusive)


def auc(predicted: Tensor, true: Tensor) -> Tensor:
    """MPI-INF-3DHP's area under the PCK curve: mean percent over 0, 5, ..., 150 mm -> (N,)."""
    distance = _distance(predicted, true)
    return torch.stack([_pck(distance, t, False) for t in THRESHOLDS_3DHP_MM]).mean(dim=0)


def auc_3dpw(predicted: Tensor, true: Tensor) -> Tensor:
    """The 3DPW challenge's area under the PCK curve, 0 to 1: trapezoids over 0, 1, ..., 199 mm -> (N,).

    The published tool integrates the same polygon by adaptive quadrature, which differs by less than 1e-6.
    """
    distance = _distance(predicted, true)
    curve = torch.stack([_pck(distance, t, True) for t in THRESHOLDS_3DPW_MM]) / 100
    return torch.trapezoid(curve, dim=0) / (len(THRESHOLDS_3DPW_MM) - 1)


def mpjae(predicted: Tensor, true: Tensor) -> Tensor:
    """Mean geodesic angle between global rotations (N,J,3,3) -> (N,) degrees (3DPW challenge)."""
    between = predicted.transpose(-1, -2) @ true
    sine = torch.linalg.vector_norm(torch.stack([
        between[..., 2, 1] - between[..., 1, 2], between[..., 0, 2] - between[..., 2, 0],
        between[..., 1, 0] - between[..., 0, 1]]), dim=0) / 2  # fmt: skip
    cosine = (between.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    return torch.rad2deg(torch.atan2(sine, cosine)).mean(dim=1)


def turn_onto(rotations: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
    """Global rotations (N,J,3,3) turned as the best similarity turns predicted joints (N,K,3) onto the true ones."""
    _, rotation, _ = similarity(predicted, true)
    return rotation[:, None] @ rotations


def acceleration_error(predicted: Tensor, true: Tensor, visible: Tensor | None = None) -> Tensor:
    """One sequence (T,J,3) -> mean difference of acceleration, mm a frame squared (VIBE); not divided by time.

    One value for each three frames in a row that are all ``visible`` (T,) bool; none, never 0, where there are none.
    """
    if len(true) < 3:
        return true.new_zeros(0)
    error = _distance(predicted.diff(n=2, dim=0), true.diff(n=2, dim=0)).mean(dim=1)
    return error if visible is None else error[visible[:-2] & visible[1:-1] & visible[2:]]


def _distance(a: Tensor, b: Tensor) -> Tensor:
    metres: Tensor = torch.linalg.vector_norm(a - b, dim=-1)
    return 1000 * metres


def _pck(distance: Tensor, threshold_mm: float, inclusive: bool) -> Tensor:
    near = distance <= threshold_mm if inclusive else distance < threshold_mm
    return 100 * near.to(distance.dtype).mean(dim=1)
