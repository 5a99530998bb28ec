"""Kernel 3: what the colour layer sees of the direction of view: 24 directions, axis-major, in octaves, weighted."""

from __future__ import annotations

import numpy as np

from posegen_anerf.fast.compile import kernel
from posegen_anerf.fast.encode import ONE, TWO, J, place, put, ray_of, sines, weigh

C = 3 * J


@kernel
def unit(ray, out):  # type: ignore[no-untyped-def]
    """out (3,24): ray (3,24) at length 1 -> the ray's length (the same in all bones' axes)."""
    length = np.sqrt(ray[0, 0] * ray[0, 0] + ray[1, 0] * ray[1, 0] + ray[2, 0] * ray[2, 0])
    for a in range(3):
        for j in range(J):
            out[a, j] = ray[a, j] / length
    return length


@kernel
def waves(d, octaves, s, c, table):  # type: ignore[no-untyped-def]
    """table (1+2*octaves, 72): d, sin d, cos d, sin 2d ... of unit directions d (3,24). s, c: (24,) scratch."""
    for a in range(3):
        for j in range(J):
            table[0, a * J + j] = d[a, j]
            s[j] = abs(d[a, j])
        sines(s, 0, s, c)
        for j in range(J):
            s[j] = s[j] if d[a, j] >= 0 else -s[j]
        for o in range(octaves):
            for j in range(J):
                p, q = s[j], c[j]
                table[2 * o + 1, a * J + j] = p
                table[2 * o + 2, a * J + j] = q
                s[j] = TWO * p * q
                c[j] = ONE - TWO * p * p


@kernel
def view(frames, pixels, ray, depth, cutoff, tau, octaves, out, first):  # type: ignore[no-untyped-def]
    """out (B, >= first + 72*(1+2*octaves)): the columns from ``first`` on; arguments as in ``encode.encode``."""
    cube, lane = np.empty((3, 3, J), np.float32), np.empty((5, J), np.float32)
    direction, d, r = cube[0], cube[1], cube[2]
    v, w, s, c, power = lane[0], lane[1], lane[2], lane[3], lane[4]
    exponent = power.view(np.int32)
    blocks = 1 + 2 * octaves
    table = np.empty((blocks, C), np.float32)
    row = np.empty(blocks * C, np.float32)
    bits = row.view(np.uint32)
    last = -1
    for i in range(len(depth)):
        if ray[i] != last:
            last = ray[i]
            ray_of(frames, pixels[last, 0], pixels[last, 1], direction)
            unit(direction, d)
            waves(d, octaves, s, c, table)
        place(frames, direction, depth[i], v, r)
        weigh(v, cutoff, tau, power, exponent, w)
        for b in range(blocks):
            for a in range(3):
                for j in range(J):
                    row[b * C + a * J + j] = table[b, a * J + j] * w[j]
        put(row, bits, blocks * C, out, i, first)
