"""Pickles of others, read without running anything.

A pickle is a program. Here it runs on a machine that knows no function: a global becomes an inert ``_Call``, which only
remembers its arguments and state, and a global that is not on the caller's list stops the reading by name. Afterwards
the remembered calls of the list are turned into plain arrays by the functions below, which check every size, so that
neither numpy's, scipy's nor chumpy's own unpickling code sees the file; the last two need not be installed.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from posegen.errors import AssetError

Build = Callable[[str, tuple[Any, ...], Any], Any]
"""(qualified name, arguments, state) -> value. A wrong argument may raise anything: the file is then damaged."""

_DTYPE = re.compile(r"[?biufcSU]\d*|O8?")
_LARGEST_DENSE = 2**28


@dataclass(frozen=True, slots=True)
class Opaque:
    """An object that the file holds and that cannot be evaluated without its own library."""

    name: str


class _Call:
    """What a global of the file leaves behind: its name, and what the file gave to it."""

    name = ""
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> _Call:  # not __init__: the instruction NEWOBJ calls this alone
        call = super().__new__(cls)
        call.args, call.state = args, None
        return call

    def __setstate__(self, state: Any) -> None:
        self.state = state


# The reference implementation in Python: the C one allocates whatever size a file declares.
class _Reader(pickle._Unpickler):
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    read: Callable[[int], bytes]
    append: Callable[[Any], None]

    def __init__(self, stream: io.BytesIO, path: Path | str, allow: Mapping[str, Build]) -> None:
        super().__init__(stream, encoding="latin1", fix_imports=False)
        self._path, self._allow = path, allow
        self._calls: dict[str, type[_Call]] = {}

    def find_class(self, module: str, name: str) -> type[_Call]:
        qualified = f"{module}.{name}"
        if _builder(qualified, self._allow) is None:
            raise AssetError(
                f"{self._path}: refused, the file asks for '{qualified}', which is not data.",
                "Nothing was run. Get the file from its official source.",
            )
        # classes of this reading alone: a file may write attributes on what it names
        return self._calls.setdefault(qualified, type("_Call", (_Call,), {"name": qualified}))

    def load_bytearray8(self) -> None:
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(size)))  # not bytearray(size): the file need not be that long

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

    def get_extension(self, code: int) -> None:
        raise ValueError("extension codes are not read")  # the registry they come from holds real functions


def load_pickle(path: Path | str, allow: Mapping[str, Build]) -> Any:
    """Read a pickle (Python 2 or 3, any protocol) that holds plain data and what ``allow`` can build.

    allow: qualified name -> builder, such as ``NUMPY`` or ``SMPL``; ``chumpy.*`` stands for every name below.
    Text that Python 2 wrote is decoded as latin-1. Raises AssetError, naming the file, where it is missing, damaged or
    asks for anything else.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AssetError(f"{path}: cannot be read ({error.strerror}).", "Check the path.") from error
    return parse_pickle(data, path, allow)


def parse_pickle(data: bytes, source: Path | str, allow: Mapping[str, Build]) -> Any:
    """``load_pickle`` of bytes that came from ``source``, which errors name, such as ``archive.npz: key``."""
    try:
        return _resolve(_Reader(io.BytesIO(data), source, allow).load(), allow, {})
    except AssetError:
        raise
    except Exception as error:  # a damaged or hostile program can fail in any instruction, with any error
        cause = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise AssetError(f"{source}: truncated or damaged ({cause}).", "Download or copy the file again.") from error


class _Referring(_Reader):
    """Gives a persistent id, with which a file points to data outside the pickle, as the plain value that it is."""

    def persistent_load(self, pid: Any) -> Any:
        return pid


def parse_next(stream: io.BytesIO, allow: Mapping[str, Build]) -> Any:
    """The next pickle of a stream of several, for a builder whose object holds pickles.

    Raises ValueError where it asks for what is not in ``allow``, and whatever damage leads to.
    """
    try:
        return _resolve(_Referring(stream, "inside", allow).load(), allow, {})
    except AssetError as error:  # the caller knows the file's name
        raise ValueError(error.message) from error


def _builder(name: str, allow: Mapping[str, Build]) -> Build | None:
    return allow.get(name) or allow.get(f"{name.partition('.')[0]}.*")


def _resolve(value: Any, allow: Mapping[str, Build], done: dict[int, Any]) -> Any:
    """The value with every remembered call built. ``done`` keeps shared objects shared and refuses loops."""
    if isinstance(value, type) and issubclass(value, _Call):
        return value.name
    if not isinstance(value, _Call | dict | list | tuple | set | frozenset):
        return value
    if id(value) in done:
        if done[id(value)] is _Call:
            raise ValueError("an object contains itself")
        return done[id(value)]
    done[id(value)] = _Call
    resolved: Any
    if isinstance(value, _Call):
        args, state = _resolve(value.args, allow, done), _resolve(value.state, allow, done)
        if value.name in _RECONSTRUCTORS:
            value.name, args = args[0], ()
        build = _builder(value.name, allow)
        if build is None:
            raise ValueError(f"'{value.name}' cannot be rebuilt")
        resolved = build(value.name, args, state)
    elif isinstance(value, dict):
        resolved = {_resolve(k, allow, done): _resolve(v, allow, done) for k, v in value.items()}
    else:
        resolved = type(value)(_resolve(v, allow, done) for v in value)
    done[id(value)] = resolved
    return resolved


def _raw(data: Any) -> bytes:
    return data.encode("latin1") if isinstance(data, str) else bytes(memoryview(data))


def _name(name: str, args: tuple[Any, ...], state: Any) -> Any:
    raise ValueError(f"'{name}' is not called")


def _plain(name: str, args: tuple[Any, ...], state: Any) -> Any:
    """What old protocols write as a call: sets, complex numbers, and bytes, never ``bytes(size)``."""
    kind = name.rpartition(".")[2]
    if kind in ("bytes", "bytearray"):
        data = _raw(args[0]) if args else b""
        return bytearray(data) if kind == "bytearray" else data
    if kind == "complex":
        real, imaginary = args
        return complex(real, imaginary)
    return frozenset(*args) if kind == "frozenset" else set(*args)


def _latin1(name: str, args: tuple[Any, ...], state: Any) -> bytes:
    text, encoding = args
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"encoding {encoding!r}")
    return _raw(str(text))


def _dtype(name: str, args: tuple[Any, ...], state: Any) -> np.dtype[Any]:
    if not _DTYPE.fullmatch(args[0]):
        raise ValueError(f"arrays of type {args[0]!r} are not read")
    dtype: np.dtype[Any] = np.dtype(args[0])
    if state is None:
        return dtype
    if any(part is not None for part in state[2:5]):
        raise ValueError("structured arrays are not read")
    return dtype.newbyteorder(state[1])


def _filled(shape: Any, dtype: Any, data: Any, order: str) -> NDArray[Any]:
    shape = tuple(int(n) for n in shape)
    if min(shape, default=0) < 0 or not isinstance(dtype, np.dtype):
        raise ValueError("an array without a size or a type")
    if dtype.hasobject:
        flat = np.empty(len(data), dtype=object)
        for i, item in enumerate(data):  # not flat[:] = data, which would look inside equal-sized items
            flat[i] = item
    else:
        data = _raw(data)
        if math.prod(shape) * dtype.itemsize != len(data):
            raise ValueError(f"an array of {shape} {dtype} holds {len(data)} bytes")
        flat = np.frombuffer(data, dtype=dtype) if data else np.empty(0, dtype=dtype)
    return flat.reshape(shape, order="F" if order == "F" else "C").copy(order="K")


def _array(name: str, args: tuple[Any, ...], state: Any) -> NDArray[Any]:
    shape, dtype, fortran, data = state[-4:]
    return _filled(shape, dtype, data, "F" if fortran else "C")


def _from_buffer(name: str, args: tuple[Any, ...], state: Any) -> NDArray[Any]:
    data, dtype, shape, order = args
    return _filled(shape, dtype, data, order)


def _scalar(name: str, args: tuple[Any, ...], state: Any) -> Any:
    dtype, data = args
    return _filled((), dtype, data, "C")[()]


def _dense(name: str, args: tuple[Any, ...], state: Any) -> NDArray[Any]:
    """A compressed sparse matrix as the dense array it stands for."""
    rows, columns = (int(n) for n in state.get("_shape", state.get("shape")))
    data, indices, indptr = (np.asarray(state[key]) for key in ("data", "indices", "indptr"))
    if rows < 0 or columns < 0 or rows * columns > _LARGEST_DENSE:
        raise ValueError(f"a sparse matrix of {rows} x {columns}")
    by_column = "csc" in name
    major, minor = (columns, rows) if by_column else (rows, columns)
    counts = np.diff(indptr)
    if len(counts) != major or (counts < 0).any() or counts.sum() != len(data) or (indices < 0).any():
        raise ValueError("a sparse matrix whose parts do not fit")
    dense = np.zeros((major, minor), dtype=data.dtype)
    np.add.at(dense, (np.repeat(np.arange(major), counts), indices), data)
    return dense.T if by_column else dense


def _chumpy(name: str, args: tuple[Any, ...], state: Any) -> Any:
    """chumpy's arrays are nodes of an expression: a leaf keeps its numbers in ``x``, a Select picks from a node."""
    if isinstance(state, dict) and isinstance(state.get("x"), np.ndarray):
        return state["x"]
    if isinstance(state, dict) and name.endswith(".Select") and isinstance(state.get("a"), np.ndarray):
        picked = state["a"].ravel()[np.asarray(state["idxs"])]
        return picked.reshape(state["preferred_shape"]) if state.get("preferred_shape") is not None else picked
    return Opaque(name)


_RECONSTRUCTORS = ("copyreg._reconstructor", "copy_reg._reconstructor")
NUMPY: dict[str, Build] = {
    **{f"numpy.{core}.multiarray._reconstruct": _array for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")},
    "numpy.dtype": _dtype,
    "numpy.ndarray": _name,
    "_codecs.encode": _latin1,
    **{
        f"{module}.{kind}": _plain
        for module in ("builtins", "__builtin__")
        for kind in ("bytes", "bytearray", "complex", "frozenset", "set")
    },
}
"""Python's plain values, and numpy's arrays, numbers and types."""

SCIPY_SPARSE: dict[str, Build] = {
    f"scipy.sparse.{module}{layout}_{kind}": _dense
    for layout in ("csc", "csr")
    for module in ("", f"{layout}.", f"_{layout}.")
    for kind in ("matrix", "array")
}
"""Compressed sparse matrices of any scipy, as dense arrays."""

CHUMPY: dict[str, Build] = {
    "chumpy.*": _chumpy,
    **{name: _name for name in (*_RECONSTRUCTORS, "builtins.object", "__builtin__.object")},
}
"""chumpy's arrays, as numpy's."""

SMPL: dict[str, Build] = {**NUMPY, **SCIPY_SPARSE, **CHUMPY}
"""The model files of SMPL."""
