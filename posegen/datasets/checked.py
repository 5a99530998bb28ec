"""Arrays that a file of others claims to hold, checked before anything is computed from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posegen.errors import AssetError

REPAIR = "get the file again from its official source, and leave it as it is"
_SCALARS = (int, float, np.number, np.bool_)

Array = NDArray[np.float64]


def numbers(value: Any, where: str, *shape: int | None) -> Array:
    """``value``, an array or a flat list of numbers, as a new float64 array of ``shape``, where None is any length.

    where: the file and the key, for the message. Raises AssetError for anything else. The numbers may be nan.
    """
    if isinstance(value, list | tuple) and all(isinstance(item, _SCALARS) for item in value):
        value = np.array(value)  # flat: a list of lists in a pickle can stand for more numbers than memory holds
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        held = f"values of type {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        raise AssetError(f"{where} holds {held} where numbers are needed", REPAIR)
    fits = len(value.shape) == len(shape) and all(want in (None, n) for n, want in zip(value.shape, shape, strict=True))
    if not fits:
        wanted = ", ".join("N" if n is None else str(n) for n in shape)
        raise AssetError(f"{where} has shape {value.shape} where ({wanted}) is needed", f"{REPAIR}: is it another?")
    return value.astype(np.float64)


def finite(values: Array, where: str) -> Array:
    """The same values. Raises AssetError where one is not a finite number in float32."""
    if not (np.abs(values) < np.finfo(np.float32).max).all():  # nan is not below either
        raise AssetError(f"{where} holds values that are not finite numbers", REPAIR)
    return values


def rotations(values: Array, where: str) -> Array:
    """The same matrices (...,3,3). Raises AssetError where one is not a rotation, a reflection included."""
    finite(values, where)
    off = np.abs(values @ np.swapaxes(values, -1, -2) - np.eye(3)).max(initial=0)
    if off > 1e-3 or (np.linalg.det(values) < 0).any():
        raise AssetError(f"{where} holds matrices that are not rotations", f"{REPAIR}: is the camera given otherwise?")
    return values
