"""What a fit minimises besides the difference of images (Eq 11)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from posegen_anerf.field import Field
from posegen_anerf.fit import network
from posegen_anerf.fit.capsules import distances, segments
from posegen_anerf.fit.draw import Drawn
from posegen_anerf.skeleton import joints_of

_BESIDE, _FAR = 32, 32  # points of each image
_NEAR, _AROUND = 2.0, 1.0  # NeRF units from a joint, and from the box of the joints


def image(loss: str, difference: Tensor) -> Tensor:
    """Differences of colours (R,3) -> their mean, absolute or squared."""
    return difference.abs().mean() if loss == "l1" else difference.square().mean()


def emptiness(
    field: Field, skts: Tensor, strange: Tensor, radii: Tensor, drawn: Drawn, sure: bool, bf16: bool, rng: Generator
) -> Tensor:
    """Mean raw density above -1 where nothing is: at what the hull threw away in the images' poses (I,24,4,4), and at
    random points outside of the capsules of ``strange`` poses (S,24,4,4).

    sure: the latter above what leaves no doubt in poses still stranger. From the start, it would keep the person away.
    Nothing but this is learned there, and a march that looks everywhere would find what the network makes up.
    """
    counts = torch.tensor(drawn.counts)
    place = (torch.rand(len(skts), _BESIDE, generator=rng) * counts[:, None]).long()
    pick = (counts.cumsum(0) - counts)[:, None] + place
    beside = drawn.empty[pick[counts > 0]]  # (I',_BESIDE,3)
    far, outside = _elsewhere(strange, radii, rng)
    raw_beside = _densities(field, beside, skts.detach()[counts > 0], bf16)
    raw_far = _densities(field, far, strange, bf16)
    return torch.cat(
        [F.relu(raw_beside + 1), F.relu(raw_far + (network.GAIN if sure else 1)) * outside.flatten()]
    ).mean()


def _elsewhere(skts: Tensor, radii: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
    """Random points (I,_FAR,3) around poses, and whether they are outside of all capsules."""
    joints, images = joints_of(skts), len(skts)
    half = _FAR // 2
    around = joints[:, torch.randint(24, (half,), generator=rng)]
    away = F.normalize(torch.randn(images, half, 3, generator=rng).to(skts), dim=-1)
    near = around + away * (torch.rand(images, half, 1, generator=rng).to(skts) ** 2 * _NEAR)
    low, high = joints.amin(1, keepdim=True) - _AROUND, joints.amax(1, keepdim=True) + _AROUND
    anywhere = low + (high - low) * torch.rand(images, _FAR - half, 3, generator=rng).to(skts)
    points = torch.cat([near, anywhere], 1)
    return points, (distances(points, segments(skts)) > radii).all(-1)


def _densities(field: Field, points: Tensor, skts: Tensor, bf16: bool) -> Tensor:
    """Points (I,S,3) in poses (I,24,4,4) -> raw densities (I*S,)."""
    images, each = points.shape[:2]
    if not images:
        return points.new_zeros(0)
    forward = skts.new_tensor([0.0, 0.0, 1.0]).expand(images, 3)
    seen = network.encode(field, points.flatten(0, 1), forward, skts, [each] * images, 1, bf16)
    with torch.autocast(points.device.type, torch.bfloat16, enabled=bf16):
        return network.density(field, seen, network.trunk(field, seen.points))


def pose_distance(turns: Tensor, given: Tensor, tolerance: float) -> Tensor:
    """The pose term of Eq 11: refined and given rotations (P,24,3,2), two columns of each, the root's left out."""
    difference = (turns[:, 1:] - given[:, 1:]).square()
    return F.relu(difference - tolerance).sum((-1, -2)).mean()


def between(clip: Tensor) -> Tensor:
    """Whether the poses before and after each one are of its clip; both (P,)."""
    same = F.pad(clip[1:] == clip[:-1], (1, 1))
    return same[1:] & same[:-1]


def acceleration(values: Tensor, clip: Tensor, moved: Tensor) -> Tensor:
    """The smoothness term of Eq 11: squared second differences in time of (P,J,...), their mean over frames and joints.

    The neighbours of a frame are taken as they are.
    clip: (P,) frames of one number follow each other.  moved: (M,) the frames that are being refined.
    """
    inner = moved[between(clip)[moved]]
    if not len(inner):
        return values.new_zeros(())
    fixed = values.detach()
    return (fixed[inner - 1] - 2 * values[inner] + fixed[inner + 1]).square().flatten(2).sum(-1).mean()
