"""march = "reference": the published sampling (Su et al. 2021, section 3), for parity and as the yardstick.

64 samples through a cylinder around the person, 16 more where the first network saw something, both evaluated by the
second. Where the samples lie carries no gradient; what is seen there does.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from posegen.types import Camera
from posegen_anerf.bounds import box, cylinder, near_far, rims
from posegen_anerf.field import Field
from posegen_anerf.rays import pixel_centres, sight
from posegen_anerf.skeleton import in_camera, joints_of
from posegen_anerf.subject import NerfSubject
from posegen_anerf.volume import Rendered, integrate


def draw(
    subject: NerfSubject, skts: Tensor, camera: Camera, chunk: int = 1024, frame: int | None = None
) -> tuple[Tensor, Tensor]:
    """skts (N,24,4,4) of ``bones_to_world`` and N cameras -> image (N,3,H,W) over black, alpha (N,1,H,W).

    The cylinder stands along the image's columns: a view from above is drawn as if the person were turned before a
    level camera, as the published script of PoseGen does it. Gradients reach skts and camera; then every chunk of rays
    is computed again in the backward pass, so that memory does not grow with the image.
    """
    skts = in_camera(skts, camera)
    with torch.no_grad():
        bounds = cylinder(joints_of(skts))
        corners = rims(bounds)
    directions = sight(camera, pixel_centres(camera))
    images = [skts.new_zeros(0, 4, camera.height, camera.width)]
    for i in range(len(skts)):
        x0, y0, x1, y1 = box(corners[i], camera.intrinsics[i].detach(), camera.width, camera.height)
        inside = torch.zeros(camera.height, camera.width, dtype=torch.bool, device=skts.device)
        inside[y0:y1, x0:x1] = True
        pixels = inside.flatten().nonzero()[:, 0]
        through = directions[i, pixels]
        seen = look(subject, skts[i], torch.zeros_like(through), through, bounds[i], chunk, frame)
        flat = seen.new_zeros(camera.height * camera.width, 4).index_copy(0, pixels, seen)
        images.append(flat.T.reshape(1, 4, camera.height, camera.width))
    stacked = torch.cat(images)
    return stacked[:, :3], stacked[:, 3:]


def look(
    subject: NerfSubject,
    skts: Tensor,
    origins: Tensor,
    directions: Tensor,
    bounds: Tensor,
    chunk: int = 1024,
    frame: int | None = None,
) -> Tensor:
    """Rays (R,3) at one pose (24,4,4) in a cylinder (5,) -> rgb over black and alpha, (R,4); zero where they miss."""
    with torch.no_grad():
        near, far, hit = near_far(origins, directions, bounds)
    rows = hit.nonzero()[:, 0]
    out = [origins.new_zeros(0, 4)]
    for part in torch.split(rows, chunk):
        one = (subject, skts, origins[part], directions[part], near[part], far[part], frame)
        grad = torch.is_grad_enabled() and any(t.requires_grad for t in one[1:4])
        out.append(checkpoint(_seen, *one, use_reentrant=False) if grad else _seen(*one))
    return origins.new_zeros(len(origins), 4).index_copy(0, rows, torch.cat(out))


def cast(
    subject: NerfSubject,
    skts: Tensor,
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    far: Tensor,
    frame: int | None = None,
) -> tuple[Rendered, Rendered]:
    """Rays (R,3) of one pose (24,4,4) from near to far (R,) -> what the first and the second pass see."""
    config, fine = subject.config, subject.fine
    coarse = fine if subject.coarse is None else subject.coarse
    frames = None if frame is None else torch.full((len(origins),), frame, device=origins.device)

    def evaluate(field: Field, depths: Tensor) -> Tensor:
        points = origins[:, None] + directions[:, None] * depths[..., None]
        raw: Tensor = field(points, directions, skts, frames)
        return raw

    steps = torch.linspace(0, 1, config.samples, dtype=near.dtype, device=near.device)
    depths = near[:, None] * (1 - steps) + far[:, None] * steps
    raw = evaluate(coarse, depths)
    first = integrate(raw, depths, directions, config.density_scale)
    with torch.no_grad():
        extra = resample(depths, first.weights, config.importance, spread=config.single)
    union, order = torch.cat([depths, extra], dim=-1).sort(dim=-1)
    if config.single:
        raw = torch.cat([raw, evaluate(fine, extra)], dim=1).gather(1, order[..., None].expand(-1, -1, 4))
    else:
        raw = evaluate(fine, union)
    return first, integrate(raw, union, directions, config.density_scale)


def resample(depths: Tensor, weights: Tensor, count: int, spread: bool) -> Tensor:
    """Depths (R,S) and their weights -> ``count`` depths (R,count) at even steps of the weights' distribution.

    spread: the distribution is widened to the neighbours of each sample, for the single network.
    """
    middles = (depths[:, 1:] + depths[:, :-1]) / 2
    if spread:
        larger = torch.maximum(weights[:, 1:], weights[:, :-1])
        weights = (larger[:, 1:] + larger[:, :-1]) / 2 + 0.01
    else:
        weights = weights[:, 1:-1]
    weights = weights + 1e-5
    shares = F.pad((weights / weights.sum(-1, keepdim=True)).cumsum(-1), (1, 0))
    steps = torch.linspace(0, 1, count, dtype=depths.dtype, device=depths.device).expand(len(depths), count)
    right = torch.searchsorted(shares, steps.contiguous(), right=True)
    low, high = (right - 1).clamp(min=0), right.clamp(max=shares.shape[-1] - 1)
    start, width = shares.gather(1, low), shares.gather(1, high) - shares.gather(1, low)
    part = (steps - start) / torch.where(width < 1e-5, torch.ones_like(width), width)
    first = middles.gather(1, low)
    return first + part * (middles.gather(1, high) - first)


def _seen(
    subject: NerfSubject,
    skts: Tensor,
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    far: Tensor,
    frame: int | None,
) -> Tensor:
    _, last = cast(subject, skts, origins, directions, near, far, frame)
    return torch.cat([last.rgb, last.alpha[:, None]], dim=-1)
