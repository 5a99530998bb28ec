"""Kernel 6: front to back, many rays at a time: batches are always full, and a ray ends when its light is used up."""

from __future__ import annotations

from posegen_anerf.fast.compile import kernel
from posegen_anerf.fast.integrate import cell

AT_ONCE = 4
"""Nodes that a ray puts into a batch."""


@kernel
def fill(queue, state, first, done, nodes, step, ray, depth, begin):  # type: ignore[no-untyped-def]
    """Take rays from the ring ``queue`` (R,), state = [head, length], until the batch is full.

    ray, depth (B,): the batch.  begin (B+1,): where each ray's samples start in it -> (rays, samples).
    """
    head, waiting = state[0], state[1]
    n = taken = 0
    while waiting > 0:
        r = queue[head]
        i = first[r] + done[r]
        count = min(AT_ONCE, first[r + 1] - i)
        if n + count > len(ray):
            break
        begin[taken] = n
        for k in range(count):
            ray[n + k] = r
            depth[n + k] = (nodes[i + k] + 0.5) * step
        n += count
        taken += 1
        head = head + 1 if head + 1 < len(queue) else 0
        waiting -= 1
    begin[taken] = n
    state[0], state[1] = head, waiting
    return taken, n


@kernel
def advance(  # type: ignore[no-untyped-def]
    queue, state, first, done, nodes, length, stop, taken, begin, ray, density, raw, light, kept, kept_node
):
    """Take the densities (B,) of a batch that ``fill`` made; unfinished rays queue again.

    raw (n,): densities by node.  light (R,): what still passes; a ray ends below ``stop``.  kept, kept_node: rows of
    the batch, and their nodes, whose colour may count -> how many.
    """
    count = 0
    for s in range(taken):
        r = ray[begin[s]]
        base = first[r]
        passed = light[r]
        n = done[r]
        for row in range(begin[s], begin[s + 1]):
            i = base + n
            raw[i] = density[row]
            n += 1
            if n > 1 and nodes[i] == nodes[i - 1] + 1:
                passed, _, _ = cell(raw[i - 1], raw[i], length[r], passed)
            if raw[i] > 0:
                kept[count] = row
                kept_node[count] = i
                count += 1
            if passed < stop:
                break
        light[r] = passed
        done[r] = n
        if passed >= stop and base + n < first[r + 1]:
            tail = state[0] + state[1]
            queue[tail if tail < len(queue) else tail - len(queue)] = r
            state[1] += 1
    return count
