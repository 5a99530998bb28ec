"""Stage 1: proposals become a dataset of rendered, labelled samples."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from posegen import alarms, losses
from posegen.appearance import Appearance
from posegen.datasets.generated import Samples, to_bytes
from posegen.geometry import box_from_alpha
from posegen.loop import picture, whole
from posegen.protocols import PoseEstimator, Renderer
from posegen.settings import CameraSettings

BATCH = 32  # samples rendered at once


@torch.no_grad()
def render_samples(
    theta: Tensor,
    view: Tensor,
    *,
    renderer: Renderer,
    estimator: PoseEstimator,
    appearance: Appearance,
    camera: CameraSettings,
    rng: torch.Generator,
    candidates: int = 1,
    judged: bool = True,
) -> Iterator[Samples]:
    """theta (N,23,3), view K (N,3) -> batches of samples with truth and the estimator's present error.

    A picture that does not show the person with every limb is left out: nobody could see there what it is labelled
    with. A NeRF loses some in poses unlike those that it learned from. Of every batch, one in ``candidates`` is kept:
    those with the largest error.  judged: the estimator looks at the samples; else their error is NaN, and it costs no
    time.
    Raises PosegenError if an image is not finite.
    """
    joint_set = renderer.body.joint_set(estimator.joint_set)
    size = max(1, BATCH // candidates) * candidates
    for start in range(0, len(theta), size):  # of none, nothing
        pose, k = theta[start : start + size], view[start : start + size]
        render, shot, joints = picture(renderer, pose, k, camera, rng)
        alarms.check_finite("the renderer", {"image": render.image, "alpha": render.alpha}, alarms.PARTS)
        box = box_from_alpha(render.alpha)
        truth = renderer.body.joints(pose, k, joint_set.name)
        error = truth.new_full((len(pose),), torch.nan)
        if judged or candidates > 1:
            estimate = estimator.predict(estimator.crop(appearance.compose(render, rng), box))
            error = losses.joint_error(estimate.joints, truth, joint_set)
        alpha = to_bytes(render.alpha)
        samples = Samples(
            image=torch.minimum(to_bytes(render.image), alpha),  # files keep straight alpha, which cannot be more
            alpha=alpha,
            box=box,
            theta=pose,
            view=k,
            truth=truth,
            error=error,
            points=shot.project(renderer.body.joints(pose, joint_set=joint_set.name)),
            intrinsics=shot.intrinsics,
            pelvis=shot.translation,
            person=torch.zeros(len(pose), dtype=torch.long, device=pose.device),
        )
        there = render.alpha.flatten(1).amax(1) > 0.5
        samples = samples[there & whole(render, shot, joints)].to("cpu")
        yield samples if candidates == 1 else _hardest(samples, len(pose) // candidates)


def _hardest(samples: Samples, n: int) -> Samples:
    """The n with the largest error, in their order. NaN is the largest, so that no alarm misses it."""
    return samples[samples.error.topk(min(n, len(samples))).indices.sort().values]
