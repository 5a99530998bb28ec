"""Alarms that stop a run which has gone wrong, before it spoils what was good."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from posegen.errors import PosegenError

if TYPE_CHECKING:
    from torch import Tensor

DIVERSITY = 0.01
"""Radians: a generator whose poses differ less than this over a batch has collapsed."""
WILD = 10.0
"""Radians: turns that differ more than this are no longer poses."""
VIEW_SPREAD = 0.05
"""Views that are less apart than this (``losses.view_spread``), some five degrees: the generator settled on one."""
SPREAD = 1e-4
"""Scores that differ less than this over real and generated poses: the discriminator is dead."""

KEPT = "the last good checkpoint is kept"
SLOWER = f"{KEPT}: start again with a lower generator.lr, generator.discriminator_lr or finetune.lr (lr in pretraining)"
PARTS = "check the estimator and the renderer with posegen.testing"


def check(phase: str, iteration: int, values: Mapping[str, float]) -> None:
    """Raise PosegenError if a value is not finite, the poses collapsed or scattered, or the discriminator is dead."""
    where = f"{phase}, iteration {iteration}"
    for name, value in values.items():
        if not math.isfinite(value):
            error = values.get("error", 0.0)
            if not math.isfinite(error) and math.isfinite(values["adversarial"]):
                raise PosegenError(f"{where}: the estimator's error is {error}, on sound poses", f"{KEPT}: {PARTS}")
            raise PosegenError(f"{where}: {name} is {value}; training diverged", SLOWER)
    if values.get("diversity", math.inf) < DIVERSITY:
        raise PosegenError(
            f"{where}: all generated poses are nearly the same (spread {values['diversity']:.4f} rad)",
            f"{KEPT}: lower feedback.w2 or generator.lr, or lengthen loop.warmup",
        )
    if values.get("view_spread", math.inf) < VIEW_SPREAD:
        raise PosegenError(
            f"{where}: all generated views are nearly the same (apart by {values['view_spread']:.3f}, 1 is anywhere)",
            f"{KEPT}: raise feedback.w3, or lower feedback.w2 or generator.lr",
        )
    if values.get("diversity", 0.0) > WILD:
        raise PosegenError(f"{where}: the generated poses spread over {values['diversity']:.0f} rad", SLOWER)
    if values.get("spread", math.inf) < SPREAD:
        raise PosegenError(
            f"{where}: the discriminator gives every pose the same score", f"{KEPT}: lower generator.discriminator_lr"
        )


def check_finite(what: str, tensors: Mapping[str, Tensor], hint: str = SLOWER) -> None:
    """Raise PosegenError if a tensor holds a value that is not finite."""
    for name, tensor in tensors.items():
        ends = tensor.aminmax() if tensor.numel() else ()  # NaN is both; isfinite() would write as much as it reads
        if not all(bool(end.isfinite()) for end in ends):
            raise PosegenError(f"{what}: {name} holds values that are not finite", hint)
