"""How the kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Machine code that releases the GIL. It is kept on disk, beside this package or in the user's cache folder.

    It is renewed when the kernel's own file changes, but not when a file changes that this one imports a kernel or a
    constant from: whoever edits those deletes ``__pycache__/*.nb?`` afterwards.

    No fast-math: neighbouring triangles rely on ``a*b - c*d`` being exactly the negative of ``c*d - a*b``.
    """
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # numba's only sign that no cache folder is writable: compile in every process instead
        return numba.njit(nogil=True, error_model="numpy")(function)
