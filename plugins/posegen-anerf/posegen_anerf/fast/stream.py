"""Kernel 6: front to back, many rays at a time: batches are always full, and a ray ends when its light is used up.

Every second node is looked at first; one between two without density is taken to be as empty as they are.
"""

from __future__ import annotations

import numpy as np

from posegen_anerf.fast.compile import kernel
from posegen_anerf.fast.integrate import cell

AT_ONCE = 4
"""Nodes that a ray puts into a batch."""
_ZERO = np.float32(0)


@kernel
def leading(first, last, nodes, i):  # type: ignore[no-untyped-def]
    """Whether node i of a ray's nodes first .. last-1 is looked at in any case: every second, and the ends of a run."""
    if nodes[i] % 2 == 0 or i == first or i + 1 == last:
        return True
    return nodes[i - 1] + 1 != nodes[i] or nodes[i] + 1 != nodes[i + 1]


@kernel
def between(raw, i):  # type: ignore[no-untyped-def]
    """Whether a node that does not lead must be looked at: its two neighbours, which do, were."""
    return raw[i - 1] > _ZERO or raw[i + 1] > _ZERO


@kernel
def fill(queue, state, first, done, seen, nodes, step, raw, ray, node, depth, begin):  # type: ignore[no-untyped-def]
    """Take rays from the ring ``queue`` (R,), state = [head, length], until the batch is full.

    done (R,): nodes of a ray that are settled.  seen (R,): those up to which the leading ones were looked at: no more
    than ``done`` where the next are due, else what lies between them is.  ray, node, depth (B,): the batch.
    begin (B+1,): where each ray's samples start in it -> (rays, samples).
    """
    head, waiting = state[0], state[1]
    n = taken = 0
    while waiting > 0 and n + AT_ONCE <= len(ray):
        r = queue[head]
        start, last = first[r], first[r + 1]
        begin[taken] = n
        if seen[r] <= done[r]:
            i = start + done[r]
            while i < last and n - begin[taken] < AT_ONCE:
                if leading(start, last, nodes, i):
                    ray[n], node[n], depth[n] = r, i, (nodes[i] + 0.5) * step
                    n += 1
                i += 1
            seen[r] = i - start
        else:
            for i in range(start + done[r], start + seen[r]):
                if not leading(start, last, nodes, i) and between(raw, i):
                    ray[n], node[n], depth[n] = r, i, (nodes[i] + 0.5) * step
                    n += 1
        taken += 1
        head = head + 1 if head + 1 < len(queue) else 0
        waiting -= 1
    begin[taken] = n
    state[0], state[1] = head, waiting
    return taken, n


@kernel
def advance(  # type: ignore[no-untyped-def]
    queue, state, first, done, seen, nodes, length, stop, taken, begin, ray, node, density, raw, light, kept
):
    """Take the densities (B,) of a batch that ``fill`` made; unfinished rays queue again.

    raw (n,): densities by node.  light (R,): what still passes; a ray ends below ``stop``.  kept: rows of the batch
    whose colour may count -> how many.
    """
    count = 0
    for s in range(taken):
        r = ray[begin[s]]
        base, last = first[r], first[r + 1]
        for row in range(begin[s], begin[s + 1]):
            raw[node[row]] = density[row]
            if density[row] > 0:
                kept[count] = row
                count += 1
        more = False
        if leading(base, last, nodes, node[begin[s]]):
            for i in range(base + done[r], base + seen[r]):
                if not leading(base, last, nodes, i):
                    if between(raw, i):
                        more = True
                    else:
                        raw[i] = max(raw[i - 1], raw[i + 1])
        if not more:
            passed, n = light[r], done[r]
            while n < seen[r] and passed >= stop:
                i = base + n
                n += 1
                if n > 1 and nodes[i] == nodes[i - 1] + 1:
                    passed, _, _ = cell(raw[i - 1], raw[i], length[r], passed)
            light[r], done[r] = passed, n
            if n < seen[r] or passed < stop or base + n == last:
                continue
        tail = state[0] + state[1]
        queue[tail if tail < len(queue) else tail - len(queue)] = r
        state[1] += 1
    return count
