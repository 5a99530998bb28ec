"""Pictures of a person: any pose, from any side, by any renderer."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from posegen.geometry import frame, from_spherical, orbit, relative
from posegen.protocols import Renderer
from posegen.types import Render

BATCH = 8  # pictures drawn at once: progress is smooth, and renderers that share work over images have enough of it
MARGIN = 1.3  # of the picture over the joints: hands, feet and hair lie outside of these


def turntable(azimuth: float, elevation: float, roll: float, pictures: int, turns: float) -> Tensor:
    """Views (pictures,3) that go round the person ``turns`` times, from ``azimuth`` on. Angles in degrees.

    A whole number of turns ends one step before where it began, so that a film of it can run in a loop.
    """
    steps = torch.arange(pictures, dtype=torch.float64) / pictures
    around = math.radians(azimuth) + 2 * math.pi * turns * steps
    level = torch.ones_like(around)
    return from_spherical(around, math.radians(elevation) * level, math.radians(roll) * level).float()


@torch.no_grad()
def pictures(
    renderer: Renderer,
    poses: Tensor,
    views: Tensor,
    *,
    distance: float,
    size: int,
    background: float | Tensor | None,
    close: bool = True,
) -> Iterator[Tensor]:
    """Poses (T,24,3) with their root, body to world, and views (T,3) in the world -> uint8 pictures (size,size,C).

    background: a constant, or (3,size,size) behind every picture; None keeps it transparent (C is 4, else 3).
    close: zoomed to the person, once for all pictures, so that a film does not breathe; else ``orbit``'s whole view.
    """
    body = renderer.body
    seen, theta = relative(views, poses[:, 0]).to(body.device), poses[:, 1:].to(body.device)
    behind = background.to(body.device) if isinstance(background, Tensor) else background
    camera = orbit(seen, distance=distance, size=size)
    if close:
        camera = frame(camera, body.joints(theta), MARGIN, together=True)
    for start in range(0, len(theta), BATCH):
        part = slice(start, start + BATCH)
        render = renderer.render(theta[part], camera[part])
        image = straight(render) if behind is None else render.over(behind)
        yield from (image.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu()


def straight(render: Render) -> Tensor:
    """RGBA (N,4,H,W) as picture files keep it: the colour is not premultiplied."""
    return torch.cat([render.image / render.alpha.clamp(min=1e-6), render.alpha], dim=1)
