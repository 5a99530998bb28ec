"""torch's tensors in a plain pickle, as numpy's arrays: of any device, with or without gradients, without torch.

A tensor pickles as a call of ``_rebuild_tensor_v2`` on a storage, and a storage as the bytes of torch's file format of
before 1.6: five pickles (magic number, version, system, the storage, its key), then a length and the raw numbers.
"""

from __future__ import annotations

import io
import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posegen.pickles import NUMPY, Build, parse_next

MAGIC = 0x1950A86A20F9469CFC6C
TYPES = {"Double": "<f8", "Float": "<f4", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1",
         "Byte": "u1", "Bool": "?"}  # fmt: skip


def _storage(name: str, args: tuple[Any, ...], state: Any) -> NDArray[Any]:
    (data,) = args
    stream = io.BytesIO(data)
    magic, version, _, about, keys = (parse_next(stream, _STORAGE) for _ in range(5))
    if magic != MAGIC or version != 1001 or about[0] != "storage" or keys != [about[2]]:
        raise ValueError("a tensor in an unknown format")
    dtype = np.dtype(TYPES[about[1].rpartition(".")[2].removesuffix("Storage")])
    (size,) = struct.unpack("<q", stream.read(8))
    return np.frombuffer(stream.read(), dtype, count=size)


def _tensor(name: str, args: tuple[Any, ...], state: Any) -> NDArray[Any]:
    storage, offset, shape, stride = args[:4]
    if not isinstance(storage, np.ndarray) or min((offset, *shape, *stride), default=0) < 0:
        raise ValueError("a tensor without its numbers")
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if math.prod(shape) > len(storage) or (math.prod(shape) and last >= len(storage)):  # an expanded tensor is no data
        raise ValueError(f"a tensor of {shape} in {len(storage)} numbers")
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()


def _parameter(name: str, args: tuple[Any, ...], state: Any) -> Any:
    return args[0]


def _nothing(name: str, args: tuple[Any, ...], state: Any) -> None:
    """Hooks for gradients: an ordered dictionary, empty in every file."""


def _type(name: str, args: tuple[Any, ...], state: Any) -> Any:
    raise ValueError(f"'{name}' is not called")


_STORAGE: dict[str, Build] = {f"torch.{kind}Storage": _type for kind in TYPES}
TENSORS: dict[str, Build] = {
    **NUMPY,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.storage._load_from_bytes": _storage,
    "collections.OrderedDict": _nothing,
}
"""Dense tensors and parameters as arrays; what ``NUMPY`` reads as well."""
