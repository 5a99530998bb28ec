"""Kernel 6: front to back, many rays at a time: batches are always full, and a ray ends when its light is used up.

The ends of a run of nodes lie outside of the profile, where nothing is: they are never looked at. Of the others some
lead: every second of those listed, ``Rays.stride`` apart. Those between two that lead are looked at only where one of
the two has density; otherwise they are taken to be as empty as both.
"""

from __future__ import annotations

import numpy as np

from posegen_anerf.fast.compile import kernel
from posegen_anerf.fast.integrate import OUTSIDE, bend, cell

AT_ONCE, LAST = 2, 4
"""Leading nodes that a ray puts into a batch, and into one that would be half empty: less than that takes as long."""
_ZERO = np.float32(0)


@kernel
def fill(  # type: ignore[no-untyped-def]
    queue, state, first, done, seen, nodes, stride, shift, step, raw, who, ray, node, depth, begin
):
    """Take rays from the ring ``queue`` (R,), state = [head, length], until the batch is full.

    done (R,): nodes of a ray that are settled.  seen (R,): those up to which the leading ones were looked at: no more
    than ``done`` where the next are due, else those from ``done`` on are whose density is not known.  raw (n,):
    densities, NaN where unknown.  who (B,): the rays.  ray, node, depth (B,): the batch.  begin (B+1,): where each
    ray's samples start in it -> (rays, samples).
    """
    head, waiting = state[0], state[1]
    n = taken = 0
    at_once = AT_ONCE if 2 * AT_ONCE * waiting > len(ray) else LAST
    while waiting > 0 and taken < len(who) and n + max(at_once, stride) <= len(ray):
        r = queue[head]
        who[taken], begin[taken] = r, n
        start, last = first[r], first[r + 1]
        i = start + done[r]
        leads = seen[r] <= done[r]
        while i < last and (n - begin[taken] < at_once if leads else raw[i] != raw[i]):
            if raw[i] != raw[i] and (not leads or nodes[i] % stride == 0):
                ray[n], node[n], depth[n] = r, i, (nodes[i] + shift) * step
                n += 1
            i += 1
        if leads:
            seen[r] = i - start
        taken += 1
        head = head + 1 if head + 1 < len(queue) else 0
        waiting -= 1
    begin[taken] = n
    state[0], state[1] = head, waiting
    return taken, n


@kernel
def known(raw, i):  # type: ignore[no-untyped-def]
    """Whether node i, behind a known one, has its density. Those up to the next known one get it if both are empty."""
    if raw[i] == raw[i]:
        return True
    end = i
    while raw[end] != raw[end]:
        end += 1
    if raw[i - 1] > _ZERO or raw[end] > _ZERO:
        return False
    for k in range(i, end):
        raw[k] = OUTSIDE
    return True


@kernel
def advance(  # type: ignore[no-untyped-def]
    queue, state, first, done, seen, nodes, length, stop, taken, who, begin, node, density, raw, light, kept
):
    """Take the densities (B,) of a batch that ``fill`` made; unfinished rays queue again.

    light (R,): what still passes; a ray ends below ``stop``.  kept: rows of the batch whose colour may count -> how
    many.
    """
    count = 0
    for s in range(taken):
        r = who[s]
        base, last = first[r], first[r + 1]
        for row in range(begin[s], begin[s + 1]):
            raw[node[row]] = density[row]
            if density[row] > 0:
                kept[count] = row
                count += 1
        passed, n = light[r], done[r]
        while n < seen[r] and passed >= stop and known(raw, base + n):
            i = base + n
            n += 1
            if n > 1 and nodes[i] == nodes[i - 1] + 1:
                passed, _, _ = cell(raw[i - 1], raw[i], bend(base, nodes, raw, i), length[r], passed)
        light[r], done[r] = passed, n
        if passed < stop or base + n == last:
            continue
        tail = state[0] + state[1]
        queue[tail if tail < len(queue) else tail - len(queue)] = r
        state[1] += 1
    return count
