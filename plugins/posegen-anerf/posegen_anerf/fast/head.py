"""Kernel 7: the last, narrow layers in float32: a matrix of 1 or 3 columns is no work for a matrix unit."""

from __future__ import annotations

import numpy as np

from posegen_anerf.fast.compile import kernel
from posegen_anerf.fast.encode import get, put

_f = np.float32


@kernel
def narrow(hidden, weight, bias, out):  # type: ignore[no-untyped-def]
    """out (B,O) = hidden (B,W) float32 or bfloat16 bits @ weight (O,W) + bias (O,)."""
    outputs, width = weight.shape
    row = np.empty(width, np.float32)
    bits = row.view(np.uint32)
    for i in range(len(out)):
        get(hidden, i, 0, width, row, bits)
        for o in range(outputs):
            total = _f(0)
            for k in range(width):
                total += row[k] * weight[o, k]
            out[i, o] = total + bias[o]


@kernel
def narrow_gradient(gradient, weight, hidden, relu, add, out):  # type: ignore[no-untyped-def]
    """out (B,W) = gradient (B,O) @ weight (O,W), as ``hidden``'s type; added to out before if ``add``.

    relu: only where hidden (B,W) is positive.
    """
    outputs, width = weight.shape
    row, before = np.empty(width, np.float32), np.empty(width, np.float32)
    bits, before_bits = row.view(np.uint32), before.view(np.uint32)
    for i in range(len(gradient)):
        if add:
            get(out, i, 0, width, before, before_bits)
        else:
            before[:] = 0
        for o in range(outputs):
            g = gradient[i, o]
            for k in range(width):
                before[k] += g * weight[o, k]
        if relu:
            get(hidden, i, 0, width, row, bits)
            for k in range(width):
                row[k] = before[k] if row[k] > 0 else _f(0)
            put(row, bits, width, out, i, 0)
        else:
            put(before, before_bits, width, out, i, 0)
