"""Kernel 5: volume rendering (Eq 12) of raw densities at nodes, and its adjoint.

Between neighbouring nodes the raw density, before its relu, follows the parabola through both and the node before, or
a line where that one was not looked at, and is integrated in ``PARTS`` steps, so that a surface lies where the density
crosses zero and not at a node. Each part's colour is interpolated between its two nodes, of which one that is not dense
has little say, and one of negative density none: outside of the person nobody taught the field colours. All is
continuous, so that gradients do not miss what jumps.
"""

from __future__ import annotations

import numpy as np

from posegen_anerf.fast.compile import kernel

PARTS = 4
FIRM = 5.0
"""Density, per NeRF unit, from which on a node has more than half a say in colour."""
_f = np.float32
OUTSIDE = _f(-1)
"""What stands for the density of a node that was not looked at."""
ZERO, ONE, HALF, _FIRM = _f(0), _f(1), _f(0.5), _f(FIRM)


@kernel
def say(raw):  # type: ignore[no-untyped-def]
    """A node's say in colour, from 0 at no density to 1."""
    return raw / (raw + _FIRM) if raw > 0 else ZERO


@kernel
def bend(first, nodes, raw, i):  # type: ignore[no-untyped-def]
    """By how much the raw density is curved before node i: the second difference of nodes i - 2, i - 1, i, or 0."""
    if i - 2 < first or nodes[i - 2] + 2 != nodes[i] or raw[i - 2] == OUTSIDE or raw[i - 1] == OUTSIDE:
        return ZERO
    return raw[i] - raw[i - 1] - (raw[i - 1] - raw[i - 2])


@kernel
def cell(a, b, bent, length, passed):  # type: ignore[no-untyped-def]
    """Raw densities a, b of two neighbouring nodes, and ``bend`` -> light that passes, and the shares of the two nodes'
    colours."""
    share_a, share_b = ZERO, ZERO
    if a <= 0 and b <= 0:
        return passed, share_a, share_b
    part, say_a, say_b = length / _f(PARTS), say(a), say(b)
    for p in range(PARTS):
        s = _f((p + 0.5) / PARTS)
        density = a + (b - a) * s - HALF * s * (ONE - s) * bent
        if density > 0:
            left = passed * np.exp(-density * part)
            of_b = s * say_b / ((ONE - s) * say_a + s * say_b)
            share_a += (passed - left) * (ONE - of_b)
            share_b += (passed - left) * of_b
            passed = left
    return passed, share_a, share_b


@kernel
def weigh(first, done, nodes, raw, length, weights, passed):  # type: ignore[no-untyped-def]
    """weights (n,): each node's share in its ray's colour.  passed (R,): light that comes from behind.

    first (R+1,), nodes (n,): see ``nodes.list_nodes``.  done (R,): how many of a ray's nodes count.  raw (n,): density
    per NeRF unit.  length (R,): NeRF units between neighbouring nodes.
    """
    for r in range(len(done)):
        light = ONE
        begin = first[r]
        for i in range(begin, begin + done[r]):
            weights[i] = 0
            if i > begin and nodes[i] == nodes[i - 1] + 1:
                bent = bend(begin, nodes, raw, i)
                light, share_a, share_b = cell(raw[i - 1], raw[i], bent, length[r], light)
                weights[i - 1] += share_a
                weights[i] += share_b
        passed[r] = light


@kernel
def blend(ray, node, weights, rgb, out):  # type: ignore[no-untyped-def]
    """out (R,3) += the colours rgb (K,3) of nodes node (K,) on rays ray (K,)."""
    for k in range(len(ray)):
        w = weights[node[k]]
        for c in range(3):
            out[ray[k], c] += w * rgb[k, c]


@kernel
def weigh_gradient(first, done, nodes, raw, length, value, g_passed, g_raw, g_length):  # type: ignore[no-untyped-def]
    """The adjoint of ``weigh``: g_raw (n,), and adds to g_length (R,).

    value (n,): dL/dweights.  g_passed (R,): dL/dpassed.
    """
    longest = 0
    for r in range(len(done)):
        longest = max(longest, done[r])
    light = np.empty(longest * PARTS + 1, np.float32)
    for r in range(len(done)):
        begin, end = first[r], first[r] + done[r]
        for i in range(begin, end):
            g_raw[i] = 0
        part = length[r] / _f(PARTS)
        n = 0
        light[0] = ONE
        for i in range(begin + 1, end):  # forward again, keeping the light before every part that takes some
            a, b = raw[i - 1], raw[i]
            if nodes[i] == nodes[i - 1] + 1 and (a > 0 or b > 0):
                bent = bend(begin, nodes, raw, i)
                for p in range(PARTS):
                    s = _f((p + 0.5) / PARTS)
                    density = a + (b - a) * s - HALF * s * (ONE - s) * bent
                    if density > 0:
                        light[n + 1] = light[n] * np.exp(-density * part)
                        n += 1
        behind = g_passed[r] * light[n]  # sum over what lies behind of dL/dvalue * value
        total = ZERO
        for i in range(end - 1, begin, -1):
            a, b = raw[i - 1], raw[i]
            if nodes[i] == nodes[i - 1] + 1 and (a > 0 or b > 0):
                say_a, say_b, bent, g_bent = say(a), say(b), bend(begin, nodes, raw, i), ZERO
                for p in range(PARTS - 1, -1, -1):
                    s = _f((p + 0.5) / PARTS)
                    density = a + (b - a) * s - HALF * s * (ONE - s) * bent
                    if density > 0:
                        both = (ONE - s) * say_a + s * say_b
                        of_b = s * say_b / both
                        own = (ONE - of_b) * value[i - 1] + of_b * value[i]
                        n -= 1
                        if a > 0 and b > 0:
                            turn = (light[n] - light[n + 1]) * (value[i] - value[i - 1]) * s * (ONE - s) / (both * both)
                            g_raw[i - 1] -= turn * say_b * _FIRM / ((a + _FIRM) * (a + _FIRM))
                            g_raw[i] += turn * say_a * _FIRM / ((b + _FIRM) * (b + _FIRM))
                        g = own * light[n + 1] - behind  # dL/d(density * part)
                        behind += own * (light[n] - light[n + 1])
                        g_raw[i - 1] += g * part * (ONE - s)
                        g_raw[i] += g * part * s
                        g_bent -= g * part * HALF * s * (ONE - s)
                        total += g * density
                if bent != 0:
                    g_raw[i - 2] += g_bent
                    g_raw[i - 1] -= (ONE + ONE) * g_bent
                    g_raw[i] += g_bent
        g_length[r] += total / _f(PARTS)
