"""The open benchmark: splits that need no licensed file (docs/benchmark.md).

All but one are drawn by the mesh renderer, whatever renderer is under test, from clips that nothing is trained on and a
fixed seed: the same images on every run. ``real`` is photographs of a real person, judged by their distance to a
stronger model's joints.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from posegen.datasets.generated import to_bytes
from posegen.datasets.photos import photo_box
from posegen.datasets.upright import stands
from posegen.errors import UsageError, nearest
from posegen.geometry import box_from_alpha, frame, from_spherical, orbit, relative, uniform_sphere
from posegen.protocols import Motion, Photos, Renderer

DISTANCE, SIZE = 4.0, 256  # metres, pixels
ACROBATIC = ("humanoid3d_cartwheel", "humanoid3d_getup_faceup", "humanoid3d_spinkick")


@dataclass(frozen=True, slots=True)
class Split:
    """How one rendered split is drawn. elevation: degrees, None is uniform on the sphere."""

    name: str
    subjects: tuple[str, ...]
    poses: str
    elevation: tuple[float, float] | None
    backgrounds: bool


SPLITS = {
    s.name: s
    for s in (
        Split("ind", ("s0",), "upright", (-5, 15), False),
        Split("usd", ("s0",), "all", None, False),
        Split("ood_people", ("s4", "s5", "s6", "s7"), "all", None, True),
        Split("ood_action", ("s0", "s4"), "acrobatic", (-40, 10), False),
        Split("validation", ("s0",), "validation", None, False),
    )
}
NAMES = (*SPLITS, "real")


@dataclass(frozen=True, slots=True)
class Shots:
    """Images with truth. image: (N,3,H,W) uint8.  box: (N,4) pixels.  joints: (N,J,3) of ``joint_set``, metres.
    clips: (N,) names of the clips that they show; frames of one are alike."""

    name: str
    image: Tensor
    box: Tensor
    joints: Tensor
    joint_set: str
    clips: tuple[str, ...]


def check(names: Iterable[str]) -> None:
    """Raise UsageError for a split that the open benchmark does not have."""
    for name in names:
        if name not in NAMES:
            raise UsageError(
                f"no split '{name}' in the open benchmark", nearest(name, NAMES) or f"choose among {', '.join(NAMES)}"
            )


def shots(
    name: str, joint_set: str, *, motion: Motion, photos: Photos, mesh: Callable[[str], Renderer], samples: int
) -> Shots:
    """One split for an estimator with this joint set; ``mesh`` gives the mesh renderer of a subject.

    Raises UsageError for an unknown split.
    """
    check([name])
    if name == "real":
        image = photos.people("test")
        teacher, joints = photos.people_joints("test")
        return Shots(name, to_bytes(image), photo_box(image), joints, teacher, ("film",) * len(image))
    split = SPLITS[name]
    rng = torch.Generator().manual_seed(zlib.crc32(f"open/{name}".encode()))
    poses, clips = _poses(split, motion)
    chosen = torch.randperm(len(poses), generator=rng)[:samples]
    poses, clips = poses[chosen], [clips[i] for i in chosen]
    root, theta = poses[:, 0], poses[:, 1:]
    view = relative(_views(len(poses), split, rng).to(root), root)
    backdrop = photos.backgrounds("test")
    drawn = []
    subjects = len(split.subjects)
    for i, subject in enumerate(split.subjects):
        renderer = mesh(subject)
        pose, k = theta[i::subjects], view[i::subjects]
        render = renderer.render(pose, frame(orbit(k, distance=DISTANCE, size=SIZE), renderer.body.joints(pose)))
        behind = backdrop[torch.randint(len(backdrop), (len(pose),), generator=rng)] if split.backgrounds else 1.0
        truth = renderer.body.joints(pose, k, joint_set)
        drawn.append((to_bytes(render.over(behind)), box_from_alpha(render.alpha), truth))
    images, boxes, joints = (torch.cat(column) for column in zip(*drawn, strict=True))
    by_person = tuple(clip for i in range(subjects) for clip in clips[i::subjects])
    return Shots(name, images, boxes, joints, joint_set, by_person)


def _poses(split: Split, motion: Motion) -> tuple[Tensor, list[str]]:
    """-> (N,24,3) axis-angle, root first, and the clip of each. Raises UsageError where a motion has none."""
    if split.poses == "acrobatic":
        clips = [c for part in ("validation", "test") for c in motion.clips(part) if c.name in ACROBATIC]
    else:
        clips = list(motion.clips("validation" if split.poses == "validation" else "test"))
    poses = torch.cat([c.poses.float() for c in clips]) if clips else torch.empty(0, 24, 3)
    names = [c.name for c in clips for _ in range(len(c.poses))]
    if split.poses == "upright":
        upright = stands(poses[:, 0])
        poses, names = poses[upright], [name for name, kept in zip(names, upright.tolist(), strict=True) if kept]
    if not len(poses):
        raise UsageError(
            f"split '{split.name}' of the open benchmark finds no poses in this motion",
            f"leave '{split.name}' out of evaluate.splits, or use --set motion=starter",
        )
    return poses, names


def _views(n: int, split: Split, rng: torch.Generator) -> Tensor:
    if split.elevation is None:
        return uniform_sphere(n, rng)
    low, high = (math.radians(e) for e in split.elevation)
    azimuth = (2 * torch.rand(n, generator=rng) - 1) * math.pi
    return from_spherical(azimuth, low + (high - low) * torch.rand(n, generator=rng))
