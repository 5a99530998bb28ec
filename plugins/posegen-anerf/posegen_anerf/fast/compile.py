"""How the kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba

_LOOSE = {"contract", "reassoc", "nsz", "arcp", "afn"}  # no "nnan", "ninf": NaN must stay visible


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Machine code that releases the GIL. It is kept on disk, beside this package or in the user's cache folder.

    numba renews it when the kernel's own file changes, but not when a file changes that this one imports a kernel or a
    constant from: hence ``_forget``. Kernels in the user's cache folder are deleted by whoever edits an installed copy.
    """
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_LOOSE)(function)
    except RuntimeError:  # numba's only sign that no cache folder is writable: compile in every process instead
        return numba.njit(nogil=True, error_model="numpy", fastmath=_LOOSE)(function)


def _forget(folder: Path) -> None:
    """Delete compiled kernels that are older than any source in the folder, as after an edit, or after git pull."""
    newest = max((file.stat().st_mtime for file in folder.glob("*.py")), default=0.0)
    for kept in (folder / "__pycache__").glob("*.nb[ic]"):
        with suppress(OSError):
            if kept.stat().st_mtime < newest:
                kept.unlink()


_forget(Path(__file__).parent)
