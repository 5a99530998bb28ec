"""The march on the CPU: rays of one image, front to back, only inside the capsules, colour only where it counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen_anerf.fast import encode, gradient, head, integrate, stream, views
from posegen_anerf.fast.weights import BATCH, Network, bits
from posegen_anerf.volume import PADDING

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]

FAINT = 1e-5
"""A node whose share in its ray's colour is smaller has its colour left out. Ten times as much would be no loss in a
picture, but one in its gradient: where density begins, its share is small and changes fast."""
_SIZES = (64, 128, 256, 512, 768, 1024, 1536, BATCH)
"""Of batches: for each new one oneDNN would have to write its program anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """R rays of one image and their n nodes.

    frames: (3,4,24) see ``nodes``.  pixels: (R,2) centres.  first: (R+1,) each ray's first node.  nodes: (n,).
    step: depth between nodes, NeRF units.  length: (R,) distance between them.  cut: nodes in place of one that was
    listed.  stop: a ray ends once less than this share of light would come from behind.
    """

    frames: Floats
    pixels: Floats
    first: NDArray[np.int64]
    nodes: Ints
    step: float
    length: Floats
    cut: int
    stop: float

    @property
    def stride(self) -> int:
        """Nodes from one that leads to the next, see ``stream``."""
        return 2 * self.cut

    @property
    def shift(self) -> np.float32:
        """A node k lies at the depth (k + shift) * step."""
        return np.float32(0.5 * self.cut)

    @property
    def ends(self) -> NDArray[np.bool_]:
        """Which nodes (n,) begin or end a run of neighbours: they lie outside of the profile."""
        apart = np.ones(len(self.nodes) + 1, np.bool_)
        apart[1:-1] = self.nodes[1:] != self.nodes[:-1] + 1
        apart[self.first] = True
        return apart[1:] | apart[:-1]

    def depth(self, node: NDArray[np.integer[Any]]) -> Floats:
        """Depths of nodes (B,), by their place in ``nodes``: rounded as ``stream.fill`` rounds them."""
        depth: Floats = ((self.nodes[node] + self.shift) * self.step).astype(np.float32)
        return depth


@dataclass(frozen=True, slots=True, eq=False)
class Marched:
    """What the rays saw.

    rgb: (R,3) over black.  passed: (R,) light that comes from behind.  done: (R,) nodes evaluated of each ray.
    raw, weights: (n,) density, NaN where it is unknown behind those, and share in the colour, of each node.  ray, node,
    colour: (K,), (K,), (K,3) of the nodes that have a colour.  samples: how often the trunk was evaluated.
    """

    rgb: Floats
    passed: Floats
    done: Ints
    raw: Floats
    weights: Floats
    ray: Ints
    node: Ints
    colour: Floats
    samples: int


class Encoder:
    """The kernels of one network, with what they need to know of it. Its buffers make it one thread's own."""

    def __init__(self, network: Network, cutoff: Tensor, tau: float) -> None:
        config = network.config
        self.network = network
        self._cutoff, self._tau = cutoff.detach().float().cpu().numpy(), np.float32(tau)
        self._halved = encode.halvings(float(self._cutoff.max()), tau)
        self._octaves, self._octaves_views = config.multires, config.multires_views
        self._features = torch.zeros(BATCH, network.inputs, dtype=network.dtype)
        self._late = torch.zeros(BATCH, network.late, dtype=network.dtype)
        self.density_weight, self._density_bias = (np.ascontiguousarray(t.numpy()) for t in network.density)
        self.rgb_weight, self._rgb_bias = (np.ascontiguousarray(t.numpy()) for t in network.rgb)

    def features(self, rays: Rays, ray: Ints, depth: Floats) -> Tensor:
        """Samples at depth (B,) of rays ray (B,) -> (BATCH,inputs); rows beyond B are left over from before."""
        at = rays.frames, rays.pixels, ray, depth, self._cutoff, self._tau
        encode.encode(*at, self._halved, self._octaves, bits(self._features))
        return self._features[: _full(len(ray))]

    def density(self, hidden: Tensor, count: int) -> Floats:
        """Last hidden units (>=B,width) -> density of the first B = count, per NeRF unit, before the relu."""
        out = np.empty((count, 1), np.float32)
        head.narrow(bits(hidden), self.density_weight, self._density_bias, out)
        return out[:, 0]

    def late(self, rays: Rays, ray: Ints, depth: Floats, hidden: Tensor) -> Tensor:
        """What the colour layer sees of samples with last hidden units (B,width) -> (BATCH,late)."""
        at = rays.frames, rays.pixels, ray, depth, self._cutoff, self._tau
        self._late[: len(hidden), : hidden.shape[1]] = hidden
        views.view(*at, self._octaves_views, bits(self._late), self.network.width)
        return self._late[: _full(len(ray))]

    def colour(self, units: Tensor, count: int) -> Floats:
        """The colour layer's units (>=B,view_width) -> rgb (B,3)."""
        out = np.empty((count, 3), np.float32)
        head.narrow(bits(units), self.rgb_weight, self._rgb_bias, out)
        below: Floats = 1 + np.exp(-out)
        return np.float32(1 + 2 * PADDING) / below - np.float32(PADDING)

    def gradient(self, rays: Rays, ray: Ints, depth: Floats, near: Tensor, late: Tensor, out: Doubles) -> None:
        """Adds to dL/dframes (3,4,24): near and late (>=B,...) are dL/d of what ``features`` and ``late`` returned."""
        at = rays.frames, rays.pixels, ray, depth, self._cutoff, self._tau, self._halved
        octaves = self._octaves, self._octaves_views
        gradient.encode_gradient(*at, *octaves, bits(near), bits(late), self.network.width, out)


def march(encoder: Encoder, rays: Rays) -> Marched:
    """Follow the rays until they end."""
    count = len(rays.pixels)
    queue, state = np.arange(count, dtype=np.int32), np.array([0, count])
    done, seen, light = np.zeros(count, np.int32), np.zeros(count, np.int32), np.ones(count, np.float32)
    raw = np.where(rays.ends, integrate.OUTSIDE, np.float32(np.nan))
    who, ray, node, begin = (np.empty(n, np.int32) for n in (BATCH, BATCH, BATCH, BATCH + 1))
    depth, kept = np.empty(BATCH, np.float32), np.empty(BATCH, np.int64)
    hidden: list[Tensor] = []
    kept_ray: list[Ints] = []
    kept_nodes: list[Ints] = []
    samples = 0
    first, nodes = rays.first, rays.nodes
    where = first, done, seen, nodes
    while state[1]:
        taken, n = stream.fill(
            queue, state, *where, rays.stride, rays.shift, rays.step, raw, who, ray, node, depth, begin
        )
        units = encoder.network.last(encoder.features(rays, ray[:n], depth[:n]))
        density = encoder.density(units, n)
        at = who, begin, node
        keep = stream.advance(queue, state, *where, rays.length, rays.stop, taken, *at, density, raw, light, kept)
        rows = kept[:keep]
        hidden.append(units[torch.from_numpy(rows)])
        kept_ray.append(ray[rows])
        kept_nodes.append(node[rows])
        samples += n
    weights, rgb = np.zeros(len(nodes), np.float32), np.zeros((count, 3), np.float32)
    integrate.weigh(first, done, nodes, raw, rays.length, weights, light)
    ray, node, colour = _colours(encoder, rays, hidden, kept_ray, kept_nodes, weights)
    integrate.blend(ray, node, weights, colour, rgb)
    return Marched(rgb, light, done, raw, weights, ray, node, colour, samples)


def _colours(
    encoder: Encoder, rays: Rays, hidden: list[Tensor], kept_ray: list[Ints], kept_node: list[Ints], weights: Floats
) -> tuple[Ints, Ints, Floats]:
    if not hidden:
        return np.empty(0, np.int32), np.empty(0, np.int32), np.empty((0, 3), np.float32)
    ray, node = np.concatenate(kept_ray), np.concatenate(kept_node)
    counts = np.flatnonzero(weights[node] > FAINT)
    order = counts[np.argsort(node[counts], kind="stable")]  # a ray's nodes side by side: its view is encoded once
    ray, node, units = ray[order], node[order], torch.cat(hidden)[torch.from_numpy(order)]
    depth = rays.depth(node)
    colour = np.empty((len(order), 3), np.float32)
    for i in range(0, len(order), BATCH):
        part = slice(i, i + BATCH)
        late = encoder.late(rays, ray[part], depth[part], units[part])
        colour[part] = encoder.colour(encoder.network.colour(late), len(ray[part]))
    return ray, node, colour


def _full(count: int) -> int:
    """Rows of the batch that holds so many samples."""
    return next(size for size in _SIZES if size >= count)
