"""MATLAB's v5 to v7 files: arrays of numbers, and cells of them, without scipy.

scipy makes room for what a file claims before it looks whether that is there: a few bytes can ask for gigabytes.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posegen.errors import AssetError

REPAIR = "download or copy the file again"
SMALL, LARGEST_RATIO = 2**22, 100  # measurements shrink a few times, a bomb shrinks a thousand times
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
MATRIX, COMPRESSED = 14, 15
CELL, CHARS, COMPLEX = 1, 4, 0x800


@dataclass(slots=True)
class _Cursor:
    data: memoryview
    order: str
    at: int = 0

    def element(self) -> tuple[int, memoryview]:
        """The next element's type and content; small ones hold it in their tag."""
        kind, size = struct.unpack_from(f"{self.order}II", self.data, self.at)
        start, step = self.at + 8, 8 + size
        if kind >> 16:
            kind, size, start, step = kind & 0xFFFF, kind >> 16, self.at + 4, 8
        elif kind != COMPRESSED:
            step += -size % 8
        if start + size > len(self.data):
            raise ValueError(f"an element of {size} bytes where {len(self.data) - start} are left")
        self.at = min(self.at + step, len(self.data))  # the last one may lack its padding
        return kind, self.data[start : start + size]

    def numbers(self) -> NDArray[Any]:
        kind, content = self.element()
        return np.frombuffer(content, np.dtype(NUMBERS[kind]).newbyteorder(self.order))  # type: ignore[arg-type]


def read_v5(path: Path, *keys: str) -> dict[str, NDArray[Any]]:
    """Variables of a file in the types and shapes of MATLAB; a cell array is an array of objects, each an array.

    Of a text only the kind is kept (an empty array of dtype ``U``). Raises AssetError, naming file and key, where
    something is missing, damaged, or of another kind, or claims much more than the file holds.
    """
    try:
        data = memoryview(path.read_bytes())
    except OSError as error:
        raise AssetError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    orders = {b"IM": "<", b"MI": ">"}
    order = orders.get(bytes(data[126:128]))
    if order is None or data[125 if order == "<" else 124] != 1:
        raise AssetError(f"{path} is not a whole MATLAB v5 file", f"{REPAIR}; v7.3 files are another format")
    found: dict[str, NDArray[Any]] = {}
    key = ""
    try:
        for key, cursor in _variables(data, order, keys):
            found[key] = _matrix(cursor)
    except (ValueError, KeyError, struct.error, zlib.error, OverflowError, RecursionError) as error:
        where = f"'{key}'" if key else " or ".join(f"'{key}'" for key in keys)
        raise AssetError(f"{path}: {where} or what follows it is damaged: {error}", REPAIR) from error
    for key in keys:
        if key not in found:
            raise AssetError(f"{path} has no '{key}'", REPAIR)
    return found


def _variables(data: memoryview, order: str, keys: tuple[str, ...]) -> Iterator[tuple[str, _Cursor]]:
    """The wanted variables of a file; of others no more than their names are unpacked."""
    outer = _Cursor(data, order, 128)
    while outer.at < len(data):
        kind, content = outer.element()
        if kind == COMPRESSED:
            head = zlib.decompressobj().decompress(content, 1024)
            if _name(_Cursor(memoryview(head[8:]), order)) not in keys:
                continue
            kind, content = _Cursor(_unpacked(content), order).element()
        if kind == MATRIX and len(content):
            name = _name(_Cursor(content, order))
            if name in keys:
                yield name, _Cursor(content, order)


def _unpacked(content: memoryview) -> memoryview:
    most = max(SMALL, LARGEST_RATIO * len(content))
    stream = zlib.decompressobj()
    data = stream.decompress(content, most)
    if stream.unconsumed_tail:
        raise ValueError(f"it would unpack to more than {most} bytes: refused")
    return memoryview(data)


def _name(cursor: _Cursor) -> str:
    cursor.element()
    cursor.element()
    return bytes(cursor.element()[1]).decode("latin1")


def _matrix(cursor: _Cursor) -> NDArray[Any]:
    flags = int(cursor.numbers()[0])
    shape = tuple(int(n) for n in cursor.numbers())
    cursor.element()  # the name
    kind, size = flags & 0xFF, math.prod(shape)
    if len(shape) < 2 or min(shape) < 0 or flags & COMPLEX:
        raise ValueError(f"an array of shape {shape} and flags {flags:#x}")
    if kind == CHARS:
        return np.empty(0, dtype="U1")
    if kind == CELL:
        if size > (len(cursor.data) - cursor.at) // 8:
            raise ValueError(f"{size} cells in {len(cursor.data) - cursor.at} bytes")
        cells = np.empty(size, dtype=object)
        for i in range(size):
            inner, content = cursor.element()
            if inner != MATRIX:
                raise ValueError(f"a cell of type {inner}")
            cells[i] = _matrix(_Cursor(content, cursor.order)) if len(content) else np.empty((0, 0))
        return cells.reshape(shape, order="F")
    values = cursor.numbers()
    if len(values) != size:
        raise ValueError(f"an array of shape {shape} holds {len(values)} numbers")
    return values.astype(CLASSES[kind]).reshape(shape, order="F")
