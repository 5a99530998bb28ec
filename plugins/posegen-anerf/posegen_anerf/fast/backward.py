"""The gradient of ``march``, through the nodes that light and density reached; those it hardly needs are left out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from posegen_anerf.fast import head, integrate
from posegen_anerf.fast.march import Doubles, Encoder, Floats, Ints, Marched, Rays
from posegen_anerf.fast.weights import BATCH, bits
from posegen_anerf.volume import PADDING

_SCALE = 1 + 2 * PADDING
_SMALL = 0.3
"""Of the least nodes, which make up this share of all gradients of densities and of colours, some stand for all."""


def backward(encoder: Encoder, rays: Rays, seen: Marched, g_rgb: Floats, g_passed: Floats) -> Doubles:
    """g_rgb (R,3) and g_passed (R,): dL/d of what the rays saw -> dL/dframes (3,4,24)."""
    out = np.zeros(rays.frames.shape)
    value = np.zeros(len(rays.nodes), np.float32)
    value[seen.node] = (g_rgb[seen.ray] * seen.colour).sum(axis=1)
    g_raw, g_length = np.zeros_like(value), np.zeros(len(rays.pixels), np.float32)
    integrate.weigh_gradient(rays.first, seen.done, rays.nodes, seen.raw, rays.length, value, g_passed, g_raw, g_length)
    g_raw[seen.raw == integrate.OUTSIDE] = 0  # nobody looked there: a constant stands for the density
    _lengthen(rays, g_length, out)
    sigmoid = (seen.colour + PADDING) / _SCALE
    g_colour = np.zeros((len(value), 3), np.float32)
    g_colour[seen.node] = seen.weights[seen.node, None] * g_rgb[seen.ray] * (_SCALE * sigmoid * (1 - sigmoid))
    node, times = _counting(np.abs(g_raw), np.abs(g_colour).sum(axis=1))
    g_raw, g_colour = g_raw[node] * times, g_colour[node] * times[:, None]
    ray = (np.searchsorted(rays.first, node, side="right") - 1).astype(np.int32)
    depth = rays.depth(node)
    for i in range(0, len(node), BATCH):
        part = slice(i, i + BATCH)
        _samples(encoder, rays, ray[part], depth[part], g_raw[part], g_colour[part], out)
    return out


def _counting(density: Floats, colour: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Sizes (n,) of the gradients of each node's density and colour -> nodes that are looked at, in order, and how many
    times each counts.

    Those of at least a certain size all are, once; of smaller ones as many as their sizes add up to, evenly along the
    rays (systematic sampling): on average nothing is lost.
    """
    size = _share(density) + _share(colour)
    if not np.isfinite(size).all():  # what is wrong stays visible
        return np.arange(len(size)), np.ones(len(size), np.float32)
    ordered = np.sort(size[size > 0])
    if not len(ordered):
        return np.empty(0, np.intp), np.empty(0, np.float32)
    share = np.cumsum(ordered, dtype=np.float64)
    enough = ordered[np.searchsorted(share, _SMALL * share[-1])]
    chance = np.minimum(size / enough, 1)
    node = np.flatnonzero(np.diff(np.floor(np.cumsum(chance, dtype=np.float64) + 0.5), prepend=0.0))
    return node, (1 / chance[node]).astype(np.float32)


def _share(size: Floats) -> Floats:
    share: Floats = size / max(float(size.sum(dtype=np.float64)), 1e-30)
    return share


def _samples(
    encoder: Encoder, rays: Rays, ray: Ints, depth: Floats, g_raw: Floats, g_colour: Floats, out: Doubles
) -> None:
    """Adds the share of B <= BATCH samples to dL/dframes (3,4,24)."""
    network, count = encoder.network, len(ray)
    hidden = network.trunk(encoder.features(rays, ray, depth))
    units = network.colour(encoder.late(rays, ray, depth, hidden[-1][:count]))
    g_units = torch.zeros_like(units)
    head.narrow_gradient(g_colour, encoder.rgb_weight, bits(units), True, False, bits(g_units))
    g_late = network.colour_gradient(g_units)
    g_hidden = g_late[:, : network.width].contiguous()
    head.narrow_gradient(g_raw[:, None], encoder.density_weight, bits(units), False, True, bits(g_hidden))
    g_features = network.trunk_gradient(g_hidden, hidden)
    encoder.gradient(rays, ray, depth, g_features, g_late, out)


def _lengthen(rays: Rays, g_length: Floats, out: Doubles) -> None:
    """The distance between nodes is that of the pixel's direction, the same in every bone's axes: take bone 0's."""
    pixels = np.concatenate([rays.pixels, np.ones((len(rays.pixels), 1), np.float32)], axis=1).astype(np.float64)
    direction = pixels @ rays.frames[:, :3, 0].T.astype(np.float64)
    unit = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    out[:, :3, 0] += (rays.step * g_length[:, None] * unit).T @ pixels
