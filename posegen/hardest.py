"""Which of many samples are worth a place: those on which the estimator errs most, and of these the most different."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from posegen import losses
from posegen.banks import plainly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posegen.datasets.generated import Samples
    from posegen.protocols import PoseEstimator
    from posegen.types import JointSet


def errors(samples: Samples, estimator: PoseEstimator, joint_set: JointSet) -> Iterator[Tensor]:
    """The present estimator's error on every sample, before a grey wall in even light: metres, in chunks."""
    first = 0
    for seen in plainly(samples, torch.arange(len(samples)), estimator):
        yield losses.joint_error(seen, samples.truth[first : first + len(seen)], joint_set)
        first += len(seen)


def hardest(error: Tensor, truth: Tensor, joint_set: JointSet, keep: int) -> Tensor:
    """Indices (keep,) of the samples to keep, in their order.

    error (N,): of the estimator.  truth (N,J,3): joints in camera axes, in which pose and view differ.  The samples
    with the largest error, as many as the geometric mean of N and ``keep``, are hard: of 8,000 of which 4,000 are kept,
    5,656. Of these the hardest is taken first, then always the one that is farthest from all that were taken.
    """
    keep = min(keep, len(error))
    hard = error.topk(math.isqrt(keep * len(error))).indices
    points = losses.centred(truth[hard], joint_set).flatten(1)
    taken = [0]  # the hardest
    nearest = points.new_full((len(hard),), torch.inf)
    for _ in range(keep - 1):
        nearest = torch.minimum(nearest, (points - points[taken[-1]]).square().sum(1))
        nearest[taken[-1]] = -1.0  # not again, be others its doubles
        taken.append(int(nearest.argmax()))
    return hard[torch.tensor(taken)].sort().values
