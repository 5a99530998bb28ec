"""A body carried onto another skeleton, skin included."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posegen.body.arrays import BodyArrays


def refit(arrays: BodyArrays, joints: NDArray[Any]) -> BodyArrays:
    """The arrays with a template whose joints are exactly ``joints`` (24,3) metres, from the pelvis.

    The betas that come closest, then a shift d of each bone that moves the skin W with it: ``J (v + W d) = joints``.
    """
    regress, shapes = arrays.J_regressor.astype(np.float64), arrays.shapedirs[..., :10].astype(np.float64)
    mean, sway = regress @ arrays.v_template.astype(np.float64), np.einsum("jv,vcb->jcb", regress, shapes)
    target = np.asarray(joints, np.float64) - joints[0]
    wrong = (target - (mean - mean[0])).reshape(-1)
    sway = (sway - sway[:1]).reshape(-1, 10)
    normal = sway.T @ sway
    ridge = (1e-4 * np.trace(normal) / 10 + 1e-12) * np.eye(10)  # joints alone say little of some betas
    template = arrays.v_template + shapes @ np.linalg.solve(normal + ridge, sway.T @ wrong)
    weights = arrays.weights.astype(np.float64)
    shift = np.linalg.lstsq(regress @ weights, target - regress @ template, rcond=None)[0]
    return replace(arrays, v_template=template + weights @ shift)
