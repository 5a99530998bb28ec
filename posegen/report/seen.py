"""What an estimator says of the pictures of one split: now, or before and after it was fine-tuned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen import viewpoints
from posegen.body.joints import LIMBS
from posegen.datasets.open import Shots
from posegen.evaluate import broken_down, compare, judged, summarise, truth
from posegen.metrics import mpjpe

Floats = NDArray[np.float64]
JOINTS = tuple(dict.fromkeys(limb.partition("_")[2] for limb in LIMBS))


@dataclass(frozen=True, slots=True)
class Seen:
    """estimates: {time: limb joints (N,12,3)}, metres, camera axes, centred on the root.

    The times are ``now`` alone, or ``before`` and ``after``.
    """

    shots: Shots
    estimates: Mapping[str, Tensor]

    @property
    def name(self) -> str:
        return self.shots.name

    @property
    def truth(self) -> Tensor:
        return truth(self.shots)

    def result(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The figures of the split, and of its parts, as result.json and ``posegen evaluate --by`` have them."""
        figures = [judged(estimate, self.truth) for estimate in self.estimates.values()]
        judge: Callable[..., Any] = compare if len(figures) == 2 else summarise
        return judge(*figures, clips=self.shots.clips), broken_down(self.shots, judge, *figures)

    def errors(self) -> dict[str, Tensor]:
        """{time: MPJPE of every picture (N,), mm}"""
        return {time: mpjpe(estimate, self.truth) for time, estimate in self.estimates.items()}

    def joints(self) -> dict[str, dict[str, float]]:
        """{joint: {time: mean distance, mm}}, left and right together."""
        found: dict[str, dict[str, float]] = {joint: {} for joint in JOINTS}
        for time, estimate in self.estimates.items():
            distance = 1000 * torch.linalg.vector_norm(estimate - self.truth, dim=-1).mean(0)
            for joint, pair in zip(JOINTS, distance.view(-1, 2), strict=True):
                found[joint][time] = pair.mean().item()
        return found

    def cameras(self) -> tuple[Floats, Floats]:
        """Where each picture's camera stands around the person's trunk: azimuth and elevation (N,), degrees, or NaN."""
        trunk = viewpoints.trunk_axes(self.shots.joints.cpu().double(), self.shots.joint_set)
        azimuth, elevation, _ = viewpoints.angles(trunk)
        return azimuth.numpy(), elevation.numpy()
