"""Stage 3: the estimator's errors on the splits of the open benchmark, before and after, with intervals.

Protocol ``open/*``: the 12 limb joints (ankles, knees, hips, wrists, elbows, shoulders) of the estimator's joint set,
both sides centred on that set's root; millimetres. ``real`` compares with a stronger model's joints, not with truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from posegen import metrics
from posegen.body.joints import JOINT_SETS
from posegen.losses import centred

if TYPE_CHECKING:
    from posegen.datasets.open import Shots
    from posegen.protocols import PoseEstimator

BATCH = 32
METRICS = ("mpjpe", "pa_mpjpe", "n_mpjpe", "pck")


@dataclass(frozen=True, slots=True)
class Measured:
    """One split's figures for every image, (N,) each; mm, and percent for ``pck`` (150 mm)."""

    split: str
    mpjpe: Tensor
    pa_mpjpe: Tensor
    n_mpjpe: Tensor
    pck: Tensor

    def summary(self, resamples: int) -> dict[str, dict[str, float]]:
        """-> {metric: {mean, low, high}}, the 95 % interval by bootstrap over images."""
        out = {}
        for name in METRICS:
            values = getattr(self, name)
            low, high = metrics.bootstrap_interval(values, resamples, torch.Generator().manual_seed(0))
            out[name] = {"mean": values.mean().item(), "low": low, "high": high}
        return out


def limbs(joints: Tensor, joint_set: str) -> Tensor:
    """(N,J,3) of a joint set -> its 12 limb joints (N,12,3), centred on its root."""
    known = JOINT_SETS[joint_set]
    return centred(joints, known)[:, list(known.limbs)]


@torch.inference_mode()
def predict(estimator: PoseEstimator, shots: Shots) -> Tensor:
    """The estimator's joints (N,J,3) for one split."""
    joints = []
    for start in range(0, len(shots.image), BATCH):
        image = shots.image[start : start + BATCH].float() / 255
        joints.append(estimator.predict(estimator.crop(image, shots.box[start : start + BATCH])).joints.float().cpu())
    return torch.cat(joints)


def measure(estimator: PoseEstimator, shots: Shots) -> Measured:
    """One split's errors."""
    estimate = limbs(predict(estimator, shots), estimator.joint_set)
    truth = limbs(shots.joints, shots.joint_set)
    return Measured(
        shots.name,
        mpjpe=metrics.mpjpe(estimate, truth),
        pa_mpjpe=metrics.pa_mpjpe(estimate, truth),
        n_mpjpe=metrics.n_mpjpe(estimate, truth),
        pck=metrics.pck(estimate, truth, threshold_mm=150.0),
    )
