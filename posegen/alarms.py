"""Alarms that stop a run which has gone wrong, before it spoils what was good."""

from __future__ import annotations

import math
from collections.abc import Mapping

from posegen.errors import PosegenError

DIVERSITY = 0.01
"""Radians: a generator whose poses differ less than this over a batch has collapsed."""
SPREAD = 1e-4
"""Scores that differ less than this over real and generated poses: the discriminator is dead."""


def check(phase: str, iteration: int, values: Mapping[str, float]) -> None:
    """Raise PosegenError if a value is not finite, the poses have collapsed or the discriminator is dead."""
    where = f"{phase}, iteration {iteration}"
    for name, value in values.items():
        if not math.isfinite(value):
            raise PosegenError(
                f"{where}: {name} is {value}; training diverged",
                "the last good checkpoint is kept: lower generator.lr or finetune.lr, then start again",
            )
    if values.get("diversity", math.inf) < DIVERSITY:
        raise PosegenError(
            f"{where}: all generated poses are nearly the same (spread {values['diversity']:.4f} rad)",
            "the last good checkpoint is kept: lower feedback.w2 or generator.lr, or lengthen loop.warmup",
        )
    if values.get("spread", math.inf) < SPREAD:
        raise PosegenError(
            f"{where}: the discriminator gives every pose the same score",
            "the last good checkpoint is kept: lower generator.discriminator_lr",
        )
