"""What a round's samples show: what the generator has learned, or what it must be better than."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from posegen.datasets.poses import bent
from posegen.datasets.upright import ordinary_views
from posegen.geometry import from_spherical, relative, to_spherical, uniform_sphere

if TYPE_CHECKING:
    from posegen.loop import PoseGen
    from posegen.settings import LoopSettings


def learned(loop: LoopSettings) -> bool:
    """Whether anything comes from the generator, so that it must be trained."""
    return (loop.poses == "generator" and loop.real < 1) or loop.views in ("generator", "level")


@torch.no_grad()
def draw(method: PoseGen, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """theta (n,23,3) and view K (n,3), each from where ``loop.poses`` and ``loop.views`` say.

    For a share of them, ``loop.real``, a real pose takes the place of theta; the view stays. For another,
    ``loop.level``, the camera is held level: its roll is taken out of K. For a share of the others, ``loop.roll``, the
    roll is any angle.  With ``loop.lean`` K stands in the world of a real pose's clip, in which people lie and lean as
    they were filmed, and not in that of the pelvis.
    """
    loop, real_poses = method.settings.loop, method.real_poses
    theta, view = method.draw(n, rng)
    root = torch.zeros_like(view)
    if loop.poses == "uniform":
        theta = real_poses.uniform(n, rng)
    if loop.views == "in_distribution":
        view = ordinary_views(n, rng).to(view)
    elif loop.views == "uniform":
        view = uniform_sphere(n, rng).to(view)
    real = n if loop.poses == "clips" else round(loop.real * n)
    pose, filmed = real_poses.sample_whole(real, rng)
    theta, root = torch.cat([bent(pose, loop.bend, rng), theta[real:]]), torch.cat([filmed, root[real:]])
    view = _rolled(view, loop.level, loop.roll, rng)
    return theta, relative(view, root) if loop.lean else view


def _rolled(view: Tensor, level: float, roll: float, rng: torch.Generator) -> Tensor:
    """K (n,3) with its roll taken out of a share ``level``, and any roll in a share ``roll`` of the others.

    Which ones they are is random: others are chosen by their place among the samples, as people are (``spread``).
    """
    n, place = len(view), torch.randperm(len(view), generator=rng, device=rng.device).to(view.device)
    turn = math.pi * (2 * torch.rand(n, generator=rng, device=rng.device) - 1).to(view)
    held = round(level * n)
    turned = held + round(roll * (n - held))
    azimuth, elevation, _ = to_spherical(view)
    view = torch.where((place < turned)[:, None], from_spherical(azimuth, elevation, turn), view)
    return torch.where((place < held)[:, None], from_spherical(azimuth, elevation), view)


def spread(n: int, share: float) -> Tensor:
    """A share of n, evenly spread over them -> (n,) bool."""
    counted = (torch.arange(n + 1, dtype=torch.float64) * share + 1e-9).floor()
    return counted.diff() > 0
