"""pandas' frames in a pickle, as columns of numpy: no pandas is needed, of whatever version it was that wrote them.

pandas pickles a frame as blocks of columns of one type, and each block with the places of its columns. The layouts read
here are those of pandas 0.24 to 3: ``BlockManager`` with its blocks in a state (to 1.2) or as arguments (from 1.3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posegen.pickles import NUMPY, Build, Opaque

Frame = dict[str, NDArray[Any]]
"""Column -> its values, one for each row; cells that are lists or arrays are those of an array of objects."""


def _pandas(name: str, args: tuple[Any, ...], state: Any) -> Any:
    kind = name.rpartition(".")[2]
    if kind == "DataFrame":
        axes, blocks = state["_mgr"] if "_mgr" in state else state["_data"]
        return _frame(axes, blocks)
    if kind == "BlockManager":
        return _manager(args, state)
    if kind == "_unpickle_block":
        return args[0], args[1]
    if kind == "__pyx_unpickle_NDArrayBacked":
        return state[1] if isinstance(state[1], np.ndarray) else state[0]
    if kind == "_new_Index":
        about = args[1]
        if "data" in about:
            return about["data"]
        return range(int(about["start"] or 0), int(about["stop"]), int(about["step"] or 1))
    if kind == "BlockPlacement":
        return args[0]
    return Opaque(name)  # types, attributes and all that a frame of columns does without


def _manager(args: tuple[Any, ...], state: Any) -> tuple[Any, list[tuple[Any, Any]]]:
    if not args:
        axes, parts = state[0], state[3]["0.14.1"]["blocks"]
        return axes, [(part["values"], part["mgr_locs"]) for part in parts]
    blocks, axes = args[:2]
    return axes, list(blocks)


def _frame(axes: Any, blocks: list[tuple[Any, Any]]) -> Frame:
    labels, rows = list(axes[0]), len(axes[1])
    if not all(isinstance(label, str) for label in labels):
        raise ValueError("a frame whose columns have no names")
    columns: dict[int, NDArray[Any]] = {}
    for values, placement in blocks:
        where = range(*placement.indices(len(labels))) if isinstance(placement, slice) else placement
        block = np.atleast_2d(values) if isinstance(values, np.ndarray) else None  # one column may lack its axis
        if block is None or block.shape != (len(where), rows):
            raise ValueError(f"the columns {[labels[int(i)] for i in where]} cannot be rebuilt")
        for i, column in zip(where, block, strict=True):
            columns[int(i)] = column
    if sorted(columns) != list(range(len(labels))) or len(set(labels)) != len(labels):
        raise ValueError("a frame whose blocks are not its columns")
    return {label: columns[i] for i, label in enumerate(labels)}


def _slice(name: str, args: tuple[Any, ...], state: Any) -> slice:
    return slice(*(None if a is None else int(a) for a in args))


FRAMES: dict[str, Build] = {
    **NUMPY,
    "pandas.*": _pandas,
    "builtins.slice": _slice,
    "__builtin__.slice": _slice,
}
"""pandas' frames as ``Frame``."""
