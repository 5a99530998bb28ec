"""Stage 3: the estimator's errors on the splits of the open benchmark, before and after, with intervals.

Protocol ``open/*``: the 12 limb joints (ankles, knees, hips, wrists, elbows, shoulders) of the estimator's joint set,
both sides centred on that set's root; millimetres. ``real`` compares with a stronger model's joints, not with truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from posegen import alarms, metrics, viewpoints
from posegen.body.joints import JOINT_SETS
from posegen.losses import centred
from posegen.nn.device import device_of
from posegen.statistics import of_clusters

if TYPE_CHECKING:
    from posegen.datasets.open import Shots
    from posegen.protocols import PoseEstimator

BATCH = 32
PROTOCOL = "open: 12 limb joints, root-centred, mm; pck at 150 mm"
METRICS = ("mpjpe", "pa_mpjpe", "n_mpjpe", "pck")
GROUPINGS = {
    "viewpoint": ("front", "left", "back", "right", "above", "below"),
    "roll": ("upright", "tilted", "upside down"),
    "clip": (),
}
"""What a split is broken down by, and the parts: ``viewpoints.bin_name`` and ``roll_name`` of the person's trunk, and
whatever clips it has."""


Figures = dict[str, dict[str, list[float]]]
"""{split: {metric: one number an image}}"""


def limbs(joints: Tensor, joint_set: str) -> Tensor:
    """(N,J,3) of a joint set -> its 12 limb joints (N,12,3), centred on its root."""
    known = JOINT_SETS[joint_set]
    return centred(joints, known)[:, list(known.limbs)]


@torch.inference_mode()
def predict(estimator: PoseEstimator, shots: Shots) -> Tensor:
    """The estimator's joints (N,J,3) for one split."""
    device = device_of(estimator.module)
    joints = []
    for start in range(0, len(shots.image), BATCH):
        image, box = (x[start : start + BATCH].to(device) for x in (shots.image, shots.box))
        joints.append(estimator.predict(estimator.crop(image.float() / 255, box)).joints.float().cpu())
    return torch.cat(joints)


def measure(estimator: PoseEstimator, shots: Shots) -> dict[str, list[float]]:
    """One split's figures for every image: mm, and percent for ``pck``. Raises PosegenError for a NaN."""
    return judged(limbs_seen(estimator, shots), truth(shots))


def limbs_seen(estimator: PoseEstimator, shots: Shots) -> Tensor:
    """The estimator's limb joints (N,12,3) for one split. Raises PosegenError for a NaN."""
    joints = predict(estimator, shots)
    alarms.check_finite(f"split {shots.name}", {"what the estimator says": joints}, alarms.PARTS)
    return limbs(joints, estimator.joint_set)


def truth(shots: Shots) -> Tensor:
    """The true limb joints (N,12,3) of one split."""
    return limbs(shots.joints.float().cpu(), shots.joint_set)


def judged(estimate: Tensor, truth: Tensor) -> dict[str, list[float]]:
    """Limb joints (N,12,3), metres -> the figures of every image, as ``measure`` gives them."""
    values = {
        "mpjpe": metrics.mpjpe(estimate, truth),
        "pa_mpjpe": metrics.pa_mpjpe(estimate, truth),
        "n_mpjpe": metrics.n_mpjpe(estimate, truth),
        "pck": metrics.pck(estimate, truth, threshold_mm=150.0),
    }
    return {name: value.tolist() for name, value in values.items()}


def belong(figures: Mapping[str, Any], splits: Iterable[Shots]) -> bool:
    """Whether figures that were read from a file are of these splits."""
    try:
        return all(len(figures[shots.name][metric]) == len(shots.image) for shots in splits for metric in METRICS)
    except (KeyError, TypeError):
        return False


def compare(before: dict[str, list[float]], after: dict[str, list[float]], *, clips: Sequence[str]) -> dict[str, Any]:
    """One split: mean and 95 % interval of each metric before and after, and of the paired change in percent.

    The change is relative to the mean before; where that is zero, there is none (None).  clips: of the images; frames
    of one are alike, so intervals are over clips (``statistics.of_clusters``), and their ends None where those are few.
    """
    out: dict[str, Any] = {"images": len(before["mpjpe"])}
    for name in METRICS:
        old, new = before[name], after[name]
        change = [100 * (b - a) for a, b in zip(old, new, strict=True)]
        out[name] = {
            "before": _interval(old, clips),
            "after": _interval(new, clips),
            "change_percent": _interval(change, clips, old) if any(old) else None,
        }
    return out


def summarise(values: dict[str, list[float]], *, clips: Sequence[str]) -> dict[str, Any]:
    """One split: mean and 95 % interval of each metric, as ``compare`` has them."""
    rows = {name: _interval(values[name], clips) for name in METRICS}
    return {"images": len(values["mpjpe"]), **rows}


def parts(shots: Shots) -> dict[str, dict[str, list[int]]]:
    """{grouping: {part: its images}} of one split, by how the camera sees the person's trunk and by clip; those that
    have images.

    A person whose trunk has no direction, as shoulders and hips coincide, is in no part of the first two.
    """
    turn = viewpoints.trunk_axes(shots.joints.cpu().double(), shots.joint_set)
    seen = zip(*(angle.tolist() for angle in viewpoints.angles(turn)), strict=True)
    found: dict[str, dict[str, list[int]]] = {g: {part: [] for part in names} for g, names in GROUPINGS.items()}
    for i, (azimuth, elevation, roll) in enumerate(seen):
        if bool(turn[i].isfinite().all()):
            found["viewpoint"][viewpoints.bin_name(azimuth, elevation)].append(i)
            found["roll"][viewpoints.roll_name(roll)].append(i)
    for i, clip in sorted(enumerate(shots.clips), key=lambda pair: pair[1]):
        found["clip"].setdefault(clip, []).append(i)
    return {g: {part: images for part, images in each.items() if images} for g, each in found.items()}


def broken_down(shots: Shots, judge: Callable[..., Any], *figures: dict[str, list[float]]) -> dict[str, Any]:
    """What ``judge`` says of every part: {grouping: {part: judge(figures of the part, ..., clips=of the part)}}."""

    def of(images: list[int]) -> Any:
        chosen = ({name: [column[i] for i in images] for name, column in f.items()} for f in figures)
        return judge(*chosen, clips=[shots.clips[i] for i in images])

    return {grouping: {part: of(images) for part, images in each.items()} for grouping, each in parts(shots).items()}


def _interval(
    values: Sequence[float], clips: Sequence[str], weights: Sequence[float] | None = None
) -> dict[str, float | None]:
    found = of_clusters(values, clips, weights)
    return {"mean": found.mean, "low": found.low, "high": found.high}
