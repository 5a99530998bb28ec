"""Kernel 1: which pixels may see the person, and at which depths (ray and capsule intersections).

Depths are measured along the optical axis, in NeRF units, and sampled at nodes (k + 1/2) * step. A ray has the nodes
that lie in a capsule's profile, and their neighbours. All in bone axes: ``frames`` (3,4,24) carries the
pixel (x, y, 1) and the camera's centre into each bone's axes, so that a point is depth * (x, y, 1) direction + centre.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posegen_anerf.fast.capsules import ALONG, RADIUS, Capsules
from posegen_anerf.fast.compile import kernel

TILE = 8
"""Pixels are first culled in squares of this side."""


@kernel
def interval(ox, oy, oz, dx, dy, dz, ex, ey, ez, radius):  # type: ignore[no-untyped-def]
    """Where a ray o + t d is within ``radius`` of the segment from 0 to e: (enters, leaves), enters > leaves if never.

    The union of a cylinder's side and two end spheres, each solved in closed form.
    """
    enters, leaves = 1e30, -1e30
    dd = dx * dx + dy * dy + dz * dz
    ee = ex * ex + ey * ey + ez * ez
    de, oe = dx * ex + dy * ey + dz * ez, ox * ex + oy * ey + oz * ez
    do, oo = dx * ox + dy * oy + dz * oz, ox * ox + oy * oy + oz * oz
    a, b, c = ee * dd - de * de, ee * do - oe * de, ee * oo - oe * oe - radius * radius * ee
    h = b * b - a * c
    if h > 0 and a > 1e-12 * ee * dd:
        root = np.sqrt(h)
        for t in ((-b - root) / a, (-b + root) / a):
            if 0 < oe + t * de < ee:
                enters, leaves = min(enters, t), max(leaves, t)
    for at_end in range(2):
        if at_end:
            do, oo = do - de, oo - 2 * oe + ee
        h = do * do - dd * (oo - radius * radius)
        if h > 0:
            root = np.sqrt(h)
            enters, leaves = min(enters, (-do - root) / dd), max(leaves, (-do + root) / dd)
    return enters, leaves


@kernel
def meet(table, m, x, y, slack):  # type: ignore[no-untyped-def]
    """Where the ray of pixel (x,y) is in capsule m, or nearer to it than ``slack`` times the distance: see interval."""
    c = table[m]
    dx, dy, dz = c[0] * x + c[1] * y + c[2], c[4] * x + c[5] * y + c[6], c[8] * x + c[9] * y + c[10]
    radius = c[15] + slack * c[16]
    return interval(c[3], c[7], c[11], dx, dy, dz, c[12], c[13], c[14], radius)


@kernel
def near_capsules(table, x, y, slack, out):  # type: ignore[no-untyped-def]
    """Capsules that a ray within ``slack`` of pixel (x,y)'s direction may meet -> their number, listed in ``out``."""
    found = 0
    for m in range(len(table)):
        _, leaves = meet(table, m, x, y, slack)
        if leaves > 0:
            out[found] = m
            found += 1
    return found


@kernel
def turn(x, y):  # type: ignore[no-untyped-def]
    """The direction of (x,y) as a number from 0 to 1 that grows with the angle, but needs no arc tangent."""
    part = y / max(abs(x) + abs(y), 1e-30)
    if x < 0:
        part = 2 - part
    elif y < 0:
        part = 4 + part
    return 0.25 * part


@kernel
def mark(table, profile, near, count, x, y, step, scratch):  # type: ignore[no-untyped-def]
    """Mark the nodes of one ray in ``scratch`` (bool, all False before) -> node of scratch[0], entries in use."""
    enters, leaves = np.empty(count), np.empty(count)
    low, high = 1e30, -1e30
    for i in range(count):
        enters[i], leaves[i] = meet(table, near[i], x, y, 0.0)
        if enters[i] <= leaves[i] and leaves[i] > 0:
            low, high = min(low, max(enters[i], 0.0)), max(high, leaves[i])
    if low > high:
        return 0, 0
    first = max(int(np.floor(low / step - 0.5)), 0)
    last = min(int(np.ceil(high / step - 0.5)), first + len(scratch) - 1)
    _, along, around = profile.shape
    for i in range(count):
        if enters[i] > leaves[i] or leaves[i] <= 0:
            continue
        m = near[i]
        c = table[m]
        dx, dy, dz = c[0] * x + c[1] * y + c[2], c[4] * x + c[5] * y + c[6], c[8] * x + c[9] * y + c[10]
        axis, axis_d = c[17] * c[3] + c[18] * c[7] + c[19] * c[11], c[17] * dx + c[18] * dy + c[19] * dz
        side, side_d = c[20] * c[3] + c[21] * c[7] + c[22] * c[11], c[20] * dx + c[21] * dy + c[22] * dz
        up, up_d = c[23] * c[3] + c[24] * c[7] + c[25] * c[11], c[23] * dx + c[24] * dy + c[25] * dz
        begin = max(int(np.floor(max(enters[i], 0.0) / step - 0.5)), first)
        until = min(int(np.ceil(leaves[i] / step - 0.5)), last)
        for k in range(begin, until + 1):
            t = (k + 0.5) * step
            p, q = side + t * side_d, up + t * up_d
            row = min(max(int(c[26] + axis + t * axis_d), 0), along - 1)
            reach = profile[m, row, min(int(turn(p, q) * around), around - 1)]
            if p * p + q * q < reach * reach:
                scratch[max(k - 1 - first, 0)] = True
                scratch[k - first] = True
                scratch[min(k + 1, last) - first] = True
    return first, last - first + 1


@kernel
def list_nodes(table, profile, width, height, step, room, pixel, first, nodes):  # type: ignore[no-untyped-def]
    """The rays that have nodes, and those -> their numbers, rays and nodes; of too many for ``nodes`` only the number.

    table, room: see ``place``.  profile: (M,ALONG,AROUND).  pixel: (H*W,) y * width + x of each ray.  first: (H*W+1,)
    each ray's first node, and behind the last ray's.  nodes: int32, ascending on a ray.
    """
    near, scratch = np.empty(len(table), np.int64), np.zeros(room, np.bool_)
    corner, slack = 0.5 * TILE, 0.0
    for sign in (-1.0, 1.0):
        total = 0.0
        for a in range(3):
            d = corner * (table[0, 4 * a] + sign * table[0, 4 * a + 1])
            total += d * d
        slack = max(slack, np.sqrt(total))
    rays = n = 0
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            found = near_capsules(table, left + corner, top + corner, slack, near)
            if found == 0:
                continue
            for y in range(top, min(top + TILE, height)):
                for x in range(left, min(left + TILE, width)):
                    origin, used = mark(table, profile, near, found, x + 0.5, y + 0.5, step, scratch)
                    pixel[rays], first[rays] = y * width + x, n
                    for k in range(used):
                        if scratch[k]:
                            if n < len(nodes):
                                nodes[n] = origin + k
                            n += 1
                            scratch[k] = False
                    rays += n > first[rays]
    first[rays] = n
    return rays, n


def place(frames: NDArray[np.float64], capsules: Capsules, step: float) -> tuple[NDArray[np.float64], int]:
    """Capsules seen by one camera: ``table`` (M,27) and ``room``, a bound for the nodes of any ray.

    A row has the bone's frame (3,4), the end, the radius, the farthest point's distance from the camera, the axis,
    scaled to count the profile's cells the two sides, and the cell where the axis starts.
    """
    frame = np.moveaxis(frames[:, :, capsules.joint], -1, 0)
    length = np.linalg.norm(capsules.end, axis=1)
    ends = np.linalg.norm(frame[:, :, 3], axis=1), np.linalg.norm(frame[:, :, 3] - capsules.end, axis=1)
    far = np.maximum(*ends) + capsules.radius
    depth = far.max() - (np.minimum(*ends) - length - capsules.radius).clip(0).min()
    scale = ALONG / (length + 2 * RADIUS)
    axis = capsules.end * (scale / np.maximum(length, 1e-9))[:, None]
    columns = frame.reshape(-1, 12), capsules.end, capsules.radius[:, None], far[:, None], axis
    return np.concatenate([*columns, capsules.side.reshape(-1, 6), (scale * RADIUS)[:, None]], axis=1), int(
        depth / step
    ) + 4
