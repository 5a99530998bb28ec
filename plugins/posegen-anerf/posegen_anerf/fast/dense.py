"""The march in torch alone: on CUDA it is the march, on the CPU it is what the kernels are tested against.

The same nodes, the same sums. A first pass without a graph finds the nodes that count; only those are evaluated again,
with a graph where one is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from posegen_anerf.fast.integrate import FIRM, OUTSIDE, PARTS
from posegen_anerf.fast.march import Rays
from posegen_anerf.field import waves
from posegen_anerf.volume import colour

if TYPE_CHECKING:
    from posegen_anerf.fast.draw import FastMarch

CHUNK = 1 << 17
"""Samples that are evaluated at once."""


def draw(fast: FastMarch, into: Tensor, width: int, height: int) -> Tensor:
    """frames (N,3,4,24) -> (N,H*W,4): rgb over black, and alpha."""
    images: list[list[Tensor]] = [[into.new_zeros(height * width, 4)] for _ in into]
    for n, index, rays in fast.strips(into, width, height):
        place = torch.from_numpy(index).to(into.device)
        images[n][0] = images[n][0].index_copy(0, place, trace(fast, into[n], rays))
    return torch.stack([image[0] for image in images]) if images else into.new_zeros(0, height * width, 4)


def trace(fast: FastMarch, frame: Tensor, rays: Rays) -> Tensor:
    """frame (3,4,24), with a graph where gradients are wanted, and R rays of it -> (R,4)."""
    first = torch.from_numpy(rays.first).to(frame.device)
    counts = first.diff()
    most = int(counts.max()) if len(counts) else 0
    place = torch.arange(most, device=frame.device).expand(len(counts), most)
    exists = place < counts[:, None]
    flat = (first[:-1, None] + place).clamp(max=len(rays.nodes) - 1)
    node = torch.from_numpy(rays.nodes).to(frame.device)[flat]  # (R,most)
    joined = exists[:, 1:] & (node.diff(dim=1) == 1)  # cells between neighbouring nodes
    pixels = F.pad(torch.from_numpy(rays.pixels).to(frame), (0, 1), value=1.0)
    ray = torch.arange(len(counts), device=frame.device)[:, None].expand_as(node)
    depth = (node + float(rays.shift)) * rays.step
    with torch.no_grad():
        raw = torch.full_like(depth, float(OUTSIDE))
        inner = F.pad(joined, (1, 0)) & F.pad(joined, (0, 1))
        leads = inner & (node % rays.stride == 0)
        raw[leads] = _densities(fast, frame, pixels[ray[leads]], depth[leads])
        others = inner & ~leads & _beside_density(raw, leads | ~inner)
        raw[others] = _densities(fast, frame, pixels[ray[others]], depth[others])
        _, passed = integrate(raw, joined, torch.from_numpy(rays.length).to(frame))
        alive = exists & (F.pad(passed, (2, 0), value=1.0)[:, :most] >= rays.stop)  # light before the node
        joined = joined & alive[:, 1:]
        near = F.pad(joined & ((raw[:, 1:] > 0) | (raw[:, :-1] > 0)), (1, 2))  # cells with density
        counting = alive & (raw != OUTSIDE) & (near[:, :-2] | near[:, 1:-1] | near[:, 2:])  # the last: of a bend
    length = rays.step * (pixels @ frame[:, :3, 0].t()).norm(dim=-1)
    values = [_evaluate(fast, frame, pixels[r], t) for r, t in _chunks(ray[counting], depth[counting])]
    all_values = torch.cat(values) if values else frame.new_zeros(0, 4)
    raw = torch.full_like(depth, float(OUTSIDE)).masked_scatter(counting, all_values[:, 3])
    rgb = torch.zeros(*depth.shape, 3, device=frame.device).masked_scatter(counting[..., None], all_values[:, :3])
    shares, passed = integrate(raw, joined, length)
    light = passed[:, -1:] if passed.shape[1] else frame.new_ones(len(counts), 1)
    return torch.cat([(shares[..., None] * rgb).sum(1), 1 - light], dim=1)


def _beside_density(raw: Tensor, known: Tensor) -> Tensor:
    """raw, known (R,n) -> whether the last known node before, or the next behind, has density (R,n)."""
    place = torch.arange(raw.shape[1], device=raw.device).expand_as(raw)
    before = torch.where(known, place, 0).cummax(1).values
    behind = torch.where(known, place, raw.shape[1] - 1).flip(1).cummin(1).values.flip(1)
    return (raw.gather(1, before) > 0) | (raw.gather(1, behind) > 0)


def integrate(raw: Tensor, joined: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """As ``integrate.weigh``: raw (R,n), joined (R,n-1), length (R,) -> shares (R,n), light after each cell (R,n-1)."""
    s = (torch.arange(PARTS, device=raw.device, dtype=raw.dtype) + 0.5) / PARTS
    a, b = raw[:, :-1, None], raw[:, 1:, None]
    before = F.pad(raw[:, :-2], (1, 0))[..., None]
    looked = joined & F.pad(joined[:, :-1], (1, 0)) & (before[..., 0] != OUTSIDE) & (a[..., 0] != OUTSIDE)
    bent = (b - 2 * a + before) * looked[..., None]
    wanted = joined[..., None] & ((a > 0) | (b > 0))
    density = F.relu(a + (b - a) * s - 0.5 * s * (1 - s) * bent) * wanted
    depth = (density * (length / PARTS)[:, None, None]).flatten(1)
    after = torch.exp(-depth.cumsum(1))
    passed = F.pad(after[:, :-1], (1, 0), value=1.0)
    weight = (passed - after).unflatten(1, (-1, PARTS)) if depth.shape[1] else density
    say_a, say_b = (1 - s) * F.relu(a) / (F.relu(a) + FIRM), s * F.relu(b) / (F.relu(b) + FIRM)
    of_b = say_b / (say_a + say_b).clamp(min=1e-30)
    shares = F.pad((weight * (1 - of_b)).sum(-1), (0, 1)) + F.pad((weight * of_b).sum(-1), (1, 0))
    return shares, after[:, PARTS - 1 :: PARTS]


def _chunks(ray: Tensor, depth: Tensor) -> list[tuple[Tensor, Tensor]]:
    return list(zip(ray.split(CHUNK), depth.split(CHUNK), strict=True)) if len(ray) else []


def _place(fast: FastMarch, frame: Tensor, pixels: Tensor, depth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """pixels (B,3), depth (B,) -> points (B,3,24) in bone axes, their distances and cutoff weights (B,24)."""
    direction = torch.einsum("abj,nb->naj", frame[:, :3], pixels)
    points = direction * depth[:, None, None] + frame[:, 3]
    distance = (points.square().sum(1) + 1e-24).sqrt()
    return points, distance, torch.sigmoid(-fast.tau * (distance - fast.cutoff))


def features(fast: FastMarch, frame: Tensor, pixels: Tensor, depth: Tensor) -> Tensor:
    """See ``encode.encode``: (B, 24*(4+2*octaves)) float32."""
    points, distance, weight = _place(fast, frame, pixels, depth)
    near = waves(distance[:, None], fast.network.config.multires) * weight[:, None]
    return torch.cat([near.flatten(1), (points / distance[:, None]).flatten(1)], dim=1)


def views(fast: FastMarch, frame: Tensor, pixels: Tensor, depth: Tensor) -> Tensor:
    """See ``views.view``: (B, 72*(1+2*octaves)) float32."""
    weight = _place(fast, frame, pixels, depth)[2]
    direction = F.normalize(torch.einsum("abj,nb->naj", frame[:, :3], pixels), dim=1)
    table = waves(direction.flatten(1)[:, None], fast.network.config.multires_views)
    return (table * weight.repeat(1, 3)[:, None]).flatten(1)


def _hidden(fast: FastMarch, frame: Tensor, pixels: Tensor, depth: Tensor) -> Tensor:
    x = features(fast, frame, pixels, depth)
    return fast.network.last(F.pad(x, (0, fast.network.inputs - x.shape[1])).to(fast.network.dtype))


def _densities(fast: FastMarch, frame: Tensor, pixels: Tensor, depth: Tensor) -> Tensor:
    parts = [_density(fast, frame, p, t) for p, t in zip(pixels.split(CHUNK), depth.split(CHUNK), strict=True)]
    return torch.cat(parts) if len(depth) else depth


def _density(fast: FastMarch, frame: Tensor, pixels: Tensor, depth: Tensor) -> Tensor:
    return F.linear(_hidden(fast, frame, pixels, depth).float(), *fast.network.density)[:, 0]


def _evaluate(fast: FastMarch, frame: Tensor, pixels: Tensor, depth: Tensor) -> Tensor:
    """-> rgb and density (B,4)."""
    network = fast.network
    hidden = _hidden(fast, frame, pixels, depth)
    late = torch.cat([hidden, views(fast, frame, pixels, depth).to(network.dtype)], dim=1)
    units = network.colour(F.pad(late, (0, network.late - late.shape[1])))
    return torch.cat([colour(F.linear(units.float(), *network.rgb)), F.linear(hidden.float(), *network.density)], dim=1)
