"""Damage to the files of a data set, and what a loader may do about it: load correctly, or one PosegenError."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from posegen.errors import PosegenError

from .fixtures_pickles import Call

WHOLE = re.compile(
    "truncated|damaged|which is not data|holds no|where a dictionary|not a whole|does not exist|can(not)? be read"
)
MEMORY = 64 * 2**20
_watch: dict[str, Any] = {}


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event == "open" and _watch and isinstance(args[0], str | bytes):
        path = Path(os.path.realpath(os.fsdecode(args[0])))
        if not any(path.is_relative_to(folder) for folder in _watch["allowed"]):
            _watch["outside"].append(str(path))


sys.addaudithook(_audit)  # for good: a hook cannot be taken away, so this one looks only while it is asked to


def outcome(
    read: Callable[[], Any], root: Path, names: Sequence[str], keys: Sequence[str], place: str = ""
) -> PosegenError | None:
    """Run ``read`` on the data set in ``root``: None if it loads, its error otherwise, which must name one of the files
    ``names``, and one of ``keys`` unless the file as a whole cannot be read.

    place: a pattern of what may stand for a key in a file without keys.

    Fails for any other error, a file opened outside ``root``, more than 64 MB of memory, or values that are no numbers.
    """
    # this interpreter's own files (modules that are imported late) and the folder of the caches
    own = [
        root,
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(__file__).parents[2],
        Path(os.environ["POSEGEN_CACHE_DIR"]),
    ]
    _watch.update(allowed=[Path(os.path.realpath(p)) for p in own], outside=[])
    tracemalloc.start()
    error = None
    try:
        for value in read():
            _check(value)
    except PosegenError as caught:
        error = caught
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        outside = list(_watch["outside"])
        _watch.clear()
    assert peak < MEMORY, f"{peak} bytes"
    assert not outside, outside
    if error is not None:
        assert error.hint
        message = error.message.replace(str(root), "ROOT")  # the folder's name holds words of the test's name
        assert any(name in message for name in names), message
        assert (
            any(f"'{key}'" in message for key in keys) or re.search(place or "^$", message) or WHOLE.search(message)
        ), message
    return error


def _check(value: Any) -> None:
    """No tensor of a record or clip may hold a value that is no number."""
    for field in getattr(type(value), "__dataclass_fields__", ()):
        tensor = getattr(value, field)
        if isinstance(tensor, torch.Tensor):
            assert torch.isfinite(tensor.float()).all(), field


def evil(marker: Path) -> list[Any]:
    """Objects that create ``marker`` if their pickle is run."""
    return [
        Call(os.system, f"touch {marker}"),
        Call(eval, f"open({str(marker)!r}, 'w').close()"),
        Call(tempfile.mkdtemp, "", marker.name, str(marker.parent)),
    ]


def huge(dtype: Any = np.float64) -> Any:
    """An array that claims 2^40 numbers."""
    from numpy._core.multiarray import _reconstruct

    return Call(_reconstruct, np.ndarray, (0,), b"b", state=(1, (2**40,), np.dtype(dtype), False, b"1234"))


def bomb() -> Any:
    """Ten lists of ten lists of ten lists...: 10^9 numbers in a hundred objects."""
    held: list[Any] = [1.0] * 10
    for _ in range(8):
        held = [held] * 10
    return held


PATHS = ("../../../../etc/passwd", "/etc/passwd", "..", "a\0b", "C:\\Windows", "~/x", "x" * 5000)


def spoil_array(array: np.ndarray, rng: np.random.Generator) -> Any:
    """One of many ways in which an array can be wrong."""
    array = np.array(array)
    flat = array.astype(np.float64).ravel() if array.dtype.kind in "fiub" else np.zeros(array.size)
    some = rng.random(flat.shape) < 0.3
    ways: list[Callable[[], Any]] = [
        lambda: np.where(some, np.nan, flat).reshape(array.shape),
        lambda: np.where(some, np.inf, flat).reshape(array.shape),
        lambda: np.full(array.shape, np.nan),
        lambda: (flat * 1e300).reshape(array.shape),
        lambda: -flat.reshape(array.shape),
        lambda: np.zeros(array.shape),
        lambda: flat.reshape(array.shape).astype(np.float16),
        lambda: flat.reshape(array.shape).astype(np.complex128),
        lambda: flat.reshape(array.shape).astype(str),
        lambda: flat.reshape(array.shape).astype(object),
        lambda: flat.reshape(array.shape).astype(">f4"),
        lambda: array[None],
        lambda: array.T,
        lambda: array[:0] if array.ndim else array,
        lambda: array[:-1] if array.ndim else array,
        lambda: np.concatenate([array, array]) if array.ndim else np.zeros(2),
        lambda: flat,
        lambda: np.float64(flat.sum()),
    ]
    return ways[rng.integers(len(ways))]()


def spoil_values(content: dict[str, Any], keys: list[str], rng: np.random.Generator, marker: Path) -> dict[str, Any]:
    """A copy of the dictionary in which one or two of ``keys`` are gone, renamed, or hold something else."""
    content = dict(content)
    for key in rng.choice(keys, rng.integers(1, 3), replace=False):
        way = rng.integers(10)
        value = content.pop(key)
        if way == 0:
            continue
        if way == 1:
            content[key + "_"] = value
        elif way == 2:
            content[key] = PATHS[rng.integers(len(PATHS))]
        elif way == 3:
            content[key] = evil(marker)[rng.integers(3)]
        elif way == 4:
            content[key] = [huge(), bomb(), None, {}, -1, b"x", [[]], (1,)][rng.integers(8)]
        elif isinstance(value, list) and value:
            content[key] = list(value)
            i = rng.integers(len(value))
            ways = [
                lambda v=value, i=i: [*v[:i], *v[i + 1 :]],
                lambda v=value: v * 40,
                lambda v=value, i=i: [*v[:i], spoil_array(v[i], rng), *v[i + 1 :]],
                lambda v=value, i=i: [*v[:i], [huge(), bomb(), None, "?"][rng.integers(4)], *v[i + 1 :]],
            ]
            content[key] = ways[[0, 1, 2, 2, 2, 3][rng.integers(6)]]()
        else:
            content[key] = spoil_array(value, rng)
    return content


def spoil_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut short, overwritten in places, empty, or another kind of file."""
    way = rng.integers(5)
    if way == 0:
        return data[: rng.integers(len(data))]
    if way == 1:
        return [b"", b"<!DOCTYPE html><html>Please sign in</html>", b"PK\3\4", b"\0" * 300][rng.integers(4)]
    damaged = np.frombuffer(data, np.uint8).copy()
    count = rng.integers(1, 5)
    start = 0 if way == 2 else len(data) - 400 if way == 3 and len(data) > 400 else 0
    stop = min(400, len(data)) if way == 2 else len(data)
    damaged[rng.integers(start, stop, count)] = rng.integers(0, 256, count)
    return damaged.tobytes()
