"""How the kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

_LOOSE = {"contract", "reassoc", "nsz", "arcp", "afn"}  # no "nnan", "ninf": NaN must stay visible


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Machine code that releases the GIL. It is kept on disk, beside this package or in the user's cache folder.

    It is renewed when the kernel's own file changes, but not when a file changes that this one imports a kernel or a
    constant from: whoever edits those deletes ``__pycache__/*.nb?`` afterwards.
    """
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_LOOSE)(function)
    except RuntimeError:  # numba's only sign that no cache folder is writable: compile in every process instead
        return numba.njit(nogil=True, error_model="numpy", fastmath=_LOOSE)(function)
