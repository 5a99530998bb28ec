"""The losses of the method, with the paper's equation numbers. Distances are metres."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from posegen.geometry import rotvec_to_rotmat
from posegen.labels import Labels
from posegen.types import Estimate, JointSet

Scenario = Literal["out_of_distribution", "in_distribution"]
JointChoice = Literal["all", "limbs", "paper"]


def centred(joints: Tensor, joint_set: JointSet) -> Tensor:
    """joints (N,J,3) with the joint set's root at the origin."""
    return joints - joints[:, list(joint_set.root)].mean(1, keepdim=True)


def joint_error(estimate: Tensor, truth: Tensor, joint_set: JointSet) -> Tensor:
    """Eq 6 for each sample: mean distance of the limb joints after centring both on the root. (N,J,3) x2 -> (N,)."""
    difference = centred(estimate, joint_set) - centred(truth, joint_set)
    error: Tensor = torch.linalg.vector_norm(difference[:, list(joint_set.limbs)], dim=-1).mean(-1)
    return error


def cross_entropy(probability: Tensor, place: Tensor) -> Tensor:
    """Cross entropy of a joint's place along an axis: probabilities (N,J,S) of S bins, place (N,J) in [0,1] -> (N,J).

    Bin i stands for the place i / S. What lies between two bins belongs to both, in shares whose mean is the place.
    """
    bins = probability.shape[-1]
    index = (bins * place).clamp(0, bins - 1)
    low = index.long().clamp(max=bins - 2)
    share = (index - low)[..., None]
    two = torch.stack([low, low + 1], dim=-1)
    log = (probability + 1e-6).log().gather(-1, two)
    return -(torch.cat([1 - share, share], dim=-1) * log).sum(-1)


def rotations(estimate: Estimate, labels: Labels) -> Tensor:
    """Mean squared difference of the rotation matrices of root and body, of the crops whose are known. -> ()

    Zero for an estimator that says none.
    """
    if estimate.body_pose is None or estimate.global_orient is None:
        return estimate.joints.new_zeros(())
    said = rotvec_to_rotmat(torch.cat([estimate.global_orient[:, None], estimate.body_pose], dim=1))
    known = labels.rotations.isfinite().all(-1).all(-1)
    wanted = torch.where(known[..., None, None], labels.rotations, 0)  # a NaN would pass into the gradient
    return _mean((said - wanted).square().sum((-1, -2)), known)


def heatmaps(estimate: Estimate, labels: Labels, joint_set: JointSet) -> Tensor:
    """Mean cross entropy of the joints' places along each axis of the heatmaps, of the places that are known. -> ()

    A joint that lies outside the heatmaps has none.

    Zero for an estimator without heatmaps.
    """
    seen = estimate.marginals
    if seen is None:
        return estimate.joints.new_zeros(())
    away = centred(labels.joints, joint_set)[..., 2:] / seen.extent
    places = 0.5 + torch.cat([labels.place, away], dim=-1)
    known = ((places >= 0) & (places <= 1)).all(-1)  # NaN is neither
    along = zip((seen.across, seen.down, seen.away), torch.where(known[..., None], places, 0.5).unbind(-1), strict=True)
    return _mean(torch.stack([cross_entropy(p, place) for p, place in along]).sum(0), known)


def _mean(values: Tensor, known: Tensor) -> Tensor:
    """The mean of the known ones, zero if none is. -> ()"""
    mean: Tensor = torch.where(known, values, 0).sum() / known.sum().clamp(min=1)
    return mean


def feedback(error: Tensor, scenario: Scenario, c: float, clamp: bool) -> Tensor:
    """Eq 6-7 for each sample, to be minimised by the generator. error (N,) -> (N,).

    ``in_distribution`` (scenario 1) lowers the error; ``out_of_distribution`` (scenario 2) raises it, up to ``c`` if
    ``clamp`` is set.
    """
    if scenario == "in_distribution":
        return error
    push = c - error
    return push.clamp(min=0) if clamp else push


def adversarial(fake_scores: Tensor) -> Tensor:
    """Eq 9, the generator's least-squares loss, with the 1/2 of the published script. (N, heads) -> ()."""
    return 0.5 * (fake_scores - 1).square().mean()


def discriminator(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Eq 10, the discriminator's least-squares loss, with the 1/2 of the published script. (N, heads) x2 -> ()."""
    return 0.5 * ((real_scores - 1).square().mean() + fake_scores.square().mean())


def joint_limits(theta: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """How far theta (N,23,3) leaves the range [low, high] (23,3): the mean over poses of the sum of squares. -> ()"""
    excess = (theta - high).relu() + (low - theta).relu()
    return excess.square().flatten(1).sum(1).mean()


def crowding(view: Tensor, sharpness: float = 1.0) -> Tensor:
    """How close the views K (N,3) of a batch lie: log mean exp(-sharpness |R_i - R_j|^2) over its pairs. -> ()

    Least where the rotations are uniform (Wang and Isola 2020, on SO(3)). Not in the paper: its generator may settle
    on one failure.
    """
    n = len(view)
    rotation = rotvec_to_rotmat(view).flatten(1)
    distance = (2 * (3 - rotation @ rotation.T)).clamp(min=0)  # |R_i|^2 = 3
    others = ~torch.eye(n, dtype=torch.bool, device=view.device)
    crowded: Tensor = torch.logsumexp(-sharpness * distance[others], dim=0) - math.log(n * (n - 1))
    return crowded


def view_spread(view: Tensor) -> Tensor:
    """How far apart views K (N,3) are: 0 where all are the same, 1 where their rotations have no mean. -> ()"""
    return (1 - rotvec_to_rotmat(view).mean(0).square().sum() / 3).clamp(min=0).sqrt()


def score_function(loss: Tensor, sample: tuple[Tensor, ...], mean: tuple[Tensor, ...], sigma: float) -> Tensor:
    """A scalar whose gradient is the score-function (REINFORCE) estimate of grad E[loss].

    loss (N,): the feedback of the samples.  sample, mean: tensors (N,...) with sample ~ Normal(mean, sigma^2); the
    gradient flows to ``mean`` alone. The other samples' mean is the baseline, so the estimate is unbiased.
    """
    n = len(loss)
    advantage = (loss - loss.mean()) * (n / max(n - 1, 1))
    log_p = sum(
        (-(s.detach() - m).square().flatten(1).sum(1) / (2 * sigma**2) for s, m in zip(sample, mean, strict=True))
    )
    return (advantage.detach() * log_p).mean()


def judged(joint_set: JointSet, joints: JointChoice) -> list[int]:
    """Indices of the joints that count: ``all``, ``limbs`` (12), or ``paper``, the limbs with neck and head.

    Of smpl24 the last are the 14 of the published script: 1, 2, 4, 5, 7, 8, 12, 15 to 21.
    """
    if joints == "all":
        return list(range(len(joint_set)))
    trunk = [joint_set.joints.index(name) for name in ("neck", "head") if name in joint_set.joints]
    return sorted([*joint_set.limbs, *(trunk if joints == "paper" else [])])


def finetune(
    estimate: Tensor,
    truth: Tensor,
    joint_set: JointSet,
    *,
    d: float,
    over_d: Literal["drop", "zero", "keep"] = "drop",
    scale_aligned: bool = True,
    joints: JointChoice = "all",
) -> tuple[Tensor, Tensor]:
    """Eq 13: the mean joint distance of the samples whose distance is below d. -> loss (), kept (N,) bool.

    estimate, truth (N,J,3) metres.  ``scale_aligned`` scales the centred prediction to the truth's size first
    (the published script).  Samples over d are dropped from the mean (the published script), count as zero (Eq 13 as
    printed) or are kept. A batch without a kept sample gives a loss of zero.  joints: which of them count.
    """
    counted = judged(joint_set, joints)
    estimate, truth = (centred(side, joint_set)[:, counted] for side in (estimate, truth))
    if scale_aligned:
        size = estimate.flatten(1).norm(dim=1).clamp(min=1e-6)  # of joints in one point too
        estimate = estimate * (truth.flatten(1).norm(dim=1) / size)[:, None, None]
    error = torch.linalg.vector_norm(estimate - truth, dim=-1).mean(-1)
    kept = ~(error >= d) if over_d != "keep" else torch.ones_like(error, dtype=torch.bool)  # NaN stays, and is seen
    count = kept.sum().clamp(min=1) if over_d == "drop" else len(error)
    return torch.where(kept, error, 0).sum() / count, kept
