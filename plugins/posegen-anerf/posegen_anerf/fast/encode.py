"""Kernel 2: what the network sees of samples, in the order that the first matrix wants, and the way back.

``frames`` (3,4,24) as in ``nodes``. Features are block-major: distance, sin, cos, sin 2., cos 2. ... of 24 joints, each
times the cutoff weight, then the directions to the joints, axis-major. sin and cos of 2^k v follow from those of v by
doubling the angle, and loops over the 24 joints become vector instructions.
"""

from __future__ import annotations

import numpy as np

from posegen_anerf.fast.compile import kernel

J = 24
REACH = 1.6
"""The polynomials below are exact to float32 up to here; farther joints must have no weight (see ``halvings``)."""

_f = np.float32
LOG2E, LN2 = _f(1.4426950408889634), _f(0.6931471805599453)
S3, S5, S7, S9, S11 = _f(-1 / 6), _f(1 / 120), _f(-1 / 5040), _f(1 / 362880), _f(-1 / 39916800)
C2, C4, C6, C8, C10, C12 = _f(-1 / 2), _f(1 / 24), _f(-1 / 720), _f(1 / 40320), _f(-1 / 3628800), _f(1 / 479001600)
E2, E3, E4, E5, E6, E7 = _f(1 / 2), _f(1 / 6), _f(1 / 24), _f(1 / 120), _f(1 / 720), _f(1 / 5040)
ONE, TWO, TINY = _f(1), _f(2), _f(1e-24)


def halvings(cutoff: float, tau: float) -> int:
    """How often a distance must be halved before the polynomials hold for every joint with a weight above 1e-9."""
    return max(0, int(np.ceil(np.log2((cutoff + 20.7 / tau) / REACH))))


@kernel
def ray_of(frames, x, y, ray):  # type: ignore[no-untyped-def]
    """ray (3,24): the pixel's direction in bone axes."""
    for a in range(3):
        for j in range(J):
            ray[a, j] = frames[a, 0, j] * x + frames[a, 1, j] * y + frames[a, 2, j]


@kernel
def place(frames, ray, t, v, r):  # type: ignore[no-untyped-def]
    """v (24): distances of the point at depth t.  r (3,24): directions."""
    for j in range(J):
        x, y, z = frames[0, 3, j] + t * ray[0, j], frames[1, 3, j] + t * ray[1, j], frames[2, 3, j] + t * ray[2, j]
        q = np.sqrt(x * x + y * y + z * z + TINY)
        s = ONE / q
        v[j] = q
        r[0, j] = x * s
        r[1, j] = y * s
        r[2, j] = z * s


@kernel
def weigh(v, cutoff, tau, power, exponent, w):  # type: ignore[no-untyped-def]
    """w = 1 / (1 + exp(tau (v - cutoff))). power (24,) float32 and exponent, the same memory as int32: scratch."""
    for j in range(J):
        z = min(max(tau * (v[j] - cutoff[j]) * LOG2E, _f(-60)), _f(60))
        whole = np.floor(z)
        exponent[j] = (np.int32(whole) + np.int32(127)) << np.int32(23)
        w[j] = (z - whole) * LN2
    for j in range(J):
        u = w[j]
        e = ONE + u * (ONE + u * (E2 + u * (E3 + u * (E4 + u * (E5 + u * (E6 + u * E7))))))
        w[j] = ONE / (ONE + e * power[j])


@kernel
def sines(v, halved, s, c):  # type: ignore[no-untyped-def]
    """s, c (24): sin v and cos v, 0 <= v <= REACH * 2^halved; v beyond are wrong, and have no weight."""
    shrink = _f(0.5**halved)
    for j in range(J):
        a = min(v[j] * shrink, _f(REACH))
        b = a * a
        s[j] = a * (ONE + b * (S3 + b * (S5 + b * (S7 + b * (S9 + b * S11)))))
        c[j] = ONE + b * (C2 + b * (C4 + b * (C6 + b * (C8 + b * (C10 + b * C12)))))
    for _ in range(halved):
        for j in range(J):
            a = s[j]
            s[j] = TWO * a * c[j]
            c[j] = ONE - TWO * a * a


@kernel
def put(row, bits, n, target, i, first):  # type: ignore[no-untyped-def]
    """Store row[:n] in target[i, first:], as it is or, where the target is uint16, rounded to bfloat16."""
    if target.itemsize == 2:
        for k in range(n):
            q = bits[k]
            target[i, first + k] = (q + np.uint32(0x7FFF) + ((q >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    else:
        for k in range(n):
            target[i, first + k] = row[k]


@kernel
def get(source, i, first, n, row, bits):  # type: ignore[no-untyped-def]
    """The inverse of ``put``."""
    if source.itemsize == 2:
        for k in range(n):
            bits[k] = np.uint32(source[i, first + k]) << np.uint32(16)
    else:
        for k in range(n):
            row[k] = source[i, first + k]


@kernel
def encode(frames, pixels, ray, depth, cutoff, tau, halved, octaves, out):  # type: ignore[no-untyped-def]
    """out (B, >= 24*(4+2*octaves)) of samples at depth (B,) on rays ray (B,) through pixels (R,2)."""
    direction, r = np.empty((3, J), np.float32), np.empty((3, J), np.float32)
    lane = np.empty((5, J), np.float32)
    v, w, s, c, power = lane[0], lane[1], lane[2], lane[3], lane[4]
    exponent = power.view(np.int32)
    size = J * (4 + 2 * octaves)
    row = np.empty(size, np.float32)
    bits = row.view(np.uint32)
    last = -1
    for i in range(len(depth)):
        if ray[i] != last:
            last = ray[i]
            ray_of(frames, pixels[last, 0], pixels[last, 1], direction)
        place(frames, direction, depth[i], v, r)
        weigh(v, cutoff, tau, power, exponent, w)
        for j in range(J):
            row[j] = v[j] * w[j]
        sines(v, halved, s, c)
        for o in range(octaves):
            for j in range(J):
                a, b = s[j], c[j]
                row[(2 * o + 1) * J + j] = a * w[j]
                row[(2 * o + 2) * J + j] = b * w[j]
                s[j] = TWO * a * b
                c[j] = ONE - TWO * a * a
        k = (2 * octaves + 1) * J
        for a in range(3):
            for j in range(J):
                row[k + a * J + j] = r[a, j]
        put(row, bits, size, out, i, 0)
