"""Kernel 4: gradients of what the network saw, back to the bones' frames (the adjoint of ``encode`` and ``view``)."""

from __future__ import annotations

import numpy as np

from posegen_anerf.fast.compile import kernel
from posegen_anerf.fast.encode import ONE, TWO, J, get, place, ray_of, sines, weigh
from posegen_anerf.fast.views import C, unit, waves


@kernel
def encode_gradient(  # type: ignore[no-untyped-def]
    frames, pixels, ray, depth, cutoff, tau, halved, octaves, octaves_views, near, seen, first, out
):
    """Adds dL/dframes to out (3,4,24) float64.

    near (B,>=24*(4+2*octaves)): gradient of the features.  seen (B, >= first+72*(1+2*octaves_views)): its columns from
    ``first`` on are the gradient of the view features.  The samples of a ray must be neighbours.
    """
    cube, lane = np.empty((6, 3, J), np.float32), np.empty((7, J), np.float32)
    direction, d, r, at, along, gd = cube[0], cube[1], cube[2], cube[3], cube[4], cube[5]
    v, w, s, c, power, gv, gw = lane[0], lane[1], lane[2], lane[3], lane[4], lane[5], lane[6]
    exponent = power.view(np.int32)
    size, blocks = J * (4 + 2 * octaves), 1 + 2 * octaves_views
    g = np.empty(size, np.float32)
    g_bits = g.view(np.uint32)
    h = np.empty(blocks * C, np.float32)
    h_bits = h.view(np.uint32)
    table, turned = np.empty((blocks, C), np.float32), np.empty((blocks, C), np.float32)
    length = ONE
    last = -1
    for i in range(len(depth)):
        if ray[i] != last:
            if last >= 0:
                settle(pixels[last, 0], pixels[last, 1], d, length, octaves_views, table, turned, at, along, gd, out)
            last = ray[i]
            ray_of(frames, pixels[last, 0], pixels[last, 1], direction)
            length = unit(direction, d)
            waves(d, octaves_views, s, c, table)
            turned[:] = 0
            at[:] = 0
            along[:] = 0
        t = depth[i]
        get(near, i, 0, size, g, g_bits)
        get(seen, i, first, blocks * C, h, h_bits)
        place(frames, direction, t, v, r)
        weigh(v, cutoff, tau, power, exponent, w)
        for j in range(J):
            gv[j] = g[j]
            gw[j] = g[j] * v[j]
        sines(v, halved, s, c)
        scale = ONE
        for o in range(octaves):
            for j in range(J):
                a, b = s[j], c[j]
                ga, gb = g[(2 * o + 1) * J + j], g[(2 * o + 2) * J + j]
                gv[j] += scale * (ga * b - gb * a)
                gw[j] += ga * a + gb * b
                s[j] = TWO * a * b
                c[j] = ONE - TWO * a * a
            scale *= TWO
        for b in range(blocks):
            for a in range(3):
                for j in range(J):
                    q = h[b * C + a * J + j]
                    turned[b, a * J + j] += q * w[j]
                    gw[j] += q * table[b, a * J + j]
        k = (2 * octaves + 1) * J
        for j in range(J):
            gv[j] = gv[j] * w[j] - tau * w[j] * (ONE - w[j]) * gw[j]
            dot = g[k + j] * r[0, j] + g[k + J + j] * r[1, j] + g[k + 2 * J + j] * r[2, j]
            for a in range(3):
                q = (g[k + a * J + j] - r[a, j] * dot) / v[j] + gv[j] * r[a, j]
                at[a, j] += q
                along[a, j] += q * t
    if last >= 0:
        settle(pixels[last, 0], pixels[last, 1], d, length, octaves_views, table, turned, at, along, gd, out)


@kernel
def settle(x, y, d, length, octaves, table, turned, at, along, gd, out):  # type: ignore[no-untyped-def]
    """One ray's share: at = sum of dL/dpoint, along = sum of depth * dL/dpoint, turned = dL/d(table)."""
    for a in range(3):
        for j in range(J):
            n = a * J + j
            q = turned[0, n]
            scale = ONE
            for o in range(octaves):
                q += scale * (turned[2 * o + 1, n] * table[2 * o + 2, n] - turned[2 * o + 2, n] * table[2 * o + 1, n])
                scale *= TWO
            gd[a, j] = q
    for j in range(J):
        dot = gd[0, j] * d[0, j] + gd[1, j] * d[1, j] + gd[2, j] * d[2, j]
        for a in range(3):
            q = along[a, j] + (gd[a, j] - d[a, j] * dot) / length
            out[a, 0, j] += q * x
            out[a, 1, j] += q * y
            out[a, 2, j] += q
            out[a, 3, j] += at[a, j]
