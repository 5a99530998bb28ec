"""A multi-view set that a renderer draws itself: what a fit needs when nobody was filmed."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Generator, Tensor

from posegen.datasets.poses import RealPoses
from posegen.errors import UsageError
from posegen.geometry import frame, from_spherical, orbit, relative, rotvec_to_rotmat
from posegen.options import Options
from posegen.protocols import Motion, Renderer
from posegen.settings import Side
from posegen.types import Clip, Views

HELD_OUT_VIEWS = 3
DISTANCE = (3.2, 5.0)  # metres to the pelvis: perspective differs, as it does between photographs
FLESH = 0.24  # metres from the last joint to the end of what is drawn: the crown, the fingers, the toes
BATCH = 64


class Plan(Options):
    """What is drawn."""

    poses: PositiveInt = 480
    """How many poses to learn from."""
    held_out: NonNegativeInt = 24
    """How many poses to measure on."""
    cameras: PositiveInt = 9
    """Around each pose that is learned from."""
    size: Side = 256
    """Side of an image, pixels."""


def render_views(
    renderer: Renderer,
    motion: Motion,
    plan: Plan,
    rng: Generator,
    betas: Tensor,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Views:
    """Draw the person from ``plan.cameras`` directions spread over the sphere, turned anew for each pose.

    Half of the poses are frames of the train split, half are recombined from its arms and legs, both mirrored at
    random; the held-out ones are frames of the validation split, so that clip, pose and view are all new. Cameras
    stand level in the world and aim at the person; root rotations are those of the frames. Raises UsageError for a
    motion without clips.
    """
    poses, roots = _train_poses(motion.clips("train"), plan.poses, rng)
    if plan.held_out:
        unseen, unseen_roots = _frames(motion.clips("validation"), plan.held_out, rng)
        poses, roots = torch.cat([poses, unseen]), torch.cat([roots, unseen_roots])
    index = torch.cat([
        torch.arange(plan.poses).repeat_interleave(plan.cameras),
        torch.arange(plan.poses, len(poses)).repeat_interleave(HELD_OUT_VIEWS),
    ])  # fmt: skip
    views = [_sphere(plan.cameras if i < plan.poses else HELD_OUT_VIEWS, rng) for i in range(len(poses))]
    near, far = DISTANCE
    away = near + (far - near) * torch.rand(len(index), generator=rng)
    camera = orbit(relative(torch.cat(views), roots[index]), distance=away, size=plan.size)
    camera = frame(camera, _reach(renderer.body.joints(poses.to(renderer.body.device)).cpu())[index], margin=1.04)
    images = torch.empty(len(index), plan.size, plan.size, 3, dtype=torch.uint8)
    masks = torch.empty(len(index), plan.size, plan.size, dtype=torch.uint8)
    for start in range(0, len(index), BATCH):
        part = slice(start, start + BATCH)
        drawn = renderer.render(poses[index[part]], camera[part])
        images[part] = (drawn.image * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu()
        masks[part] = (drawn.alpha[:, 0] * 255).round().clamp(0, 255).byte().cpu()
        progress(min(start + BATCH, len(index)), len(index))
    return Views(
        images=images,
        masks=masks,
        cameras=camera,
        poses=poses,
        pose_index=index,
        held_out=index >= plan.poses,
        clip=torch.arange(len(poses)),  # drawn at random: no pose follows another
        rest_joints=renderer.body.rest_joints.cpu(),
        body="open",
        betas=betas.cpu(),
        names=tuple(f"{i:05d}" for i in range(len(index))),
    )


def _train_poses(clips: list[Clip], count: int, rng: Generator) -> tuple[Tensor, Tensor]:
    """theta (count,23,3) and roots (count,3): frames first, then recombined ones under the roots of frames."""
    frames, roots = _frames(clips, count, rng)
    mixed = RealPoses(clips).sample(count // 2, rng)
    return torch.cat([frames[: count - len(mixed)], mixed]), roots


def _frames(clips: list[Clip], count: int, rng: Generator) -> tuple[Tensor, Tensor]:
    """Frames at random, but as evenly over all as their number allows."""
    if not clips:
        raise UsageError("this motion has no clips in a split that is needed", "choose another with --set motion=NAME")
    every = torch.cat([clip.poses for clip in clips]).float().cpu()
    rounds = math.ceil(count / len(every))
    pick = torch.cat([torch.randperm(len(every), generator=rng) for _ in range(rounds)])[:count]
    return every[pick, 1:], every[pick, 0]


def _sphere(count: int, rng: Generator) -> Tensor:
    """Level views (count,3) in directions spread evenly over the sphere (Fibonacci's), turned at random."""
    step = torch.arange(count) + 0.5
    height, turn = 1 - 2 * step / count, math.pi * (1 + math.sqrt(5)) * step
    level = (1 - height.square()).clamp(min=0).sqrt()
    points = torch.stack([level * turn.cos(), height, level * turn.sin()], dim=1)
    axis = torch.randn(4, generator=rng)  # a uniform rotation: a random unit quaternion
    w, x, y, z = axis / axis.norm()
    angle = 2 * torch.atan2(torch.stack([x, y, z]).norm(), w)
    direction = torch.stack([x, y, z])
    points = points @ rotvec_to_rotmat((direction / direction.norm().clamp(min=1e-9) * angle)[None])[0].T
    return from_spherical(torch.atan2(points[:, 0], points[:, 2]), points[:, 1].clamp(-1, 1).asin())


def _reach(joints: Tensor) -> Tensor:
    """Joints (P,24,3) -> points (P,168,3) that hold what hangs on them."""
    steps = FLESH * torch.cat([torch.zeros(1, 3), torch.eye(3), -torch.eye(3)])
    return (joints[:, :, None] + steps).flatten(1, 2)
