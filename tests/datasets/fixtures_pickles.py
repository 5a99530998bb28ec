"""Pickles as other programs wrote them, with none of them installed: Python 2's, pandas' frames, torch's tensors."""

from __future__ import annotations

import io
import pickle
import struct
from types import BuiltinFunctionType, FunctionType
from typing import Any, ClassVar

import numpy as np


class _Foreign(pickle._Pickler):
    """Writes names as they are, without looking whether they can be imported here."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_name(self, obj, name=None):
        module = obj.__module__.replace("numpy._core", "numpy.core")
        self.write(b"c" + f"{module}\n{name or obj.__qualname__}\n".encode())
        self.memoize(obj)

    save_global = save_name
    dispatch[type] = dispatch[FunctionType] = dispatch[BuiltinFunctionType] = save_name


class _Python2(_Foreign):
    dispatch: ClassVar = dict(_Foreign.dispatch)

    def save_text(self, obj):
        raw = obj if isinstance(obj, bytes) else obj.encode("latin1")
        self.write((b"U" + bytes([len(raw)]) if len(raw) < 256 else b"T" + struct.pack("<i", len(raw))) + raw)
        self.memoize(obj)

    dispatch[bytes] = dispatch[str] = save_text


def python2(value: Any) -> bytes:
    """As cPickle of Python 2 wrote it: protocol 2, every text and every array's memory as byte strings."""
    out = io.BytesIO()
    _Python2(out, 2).dump(value)
    return out.getvalue()


def foreign(value: Any, protocol: int = 4) -> bytes:
    out = io.BytesIO()
    _Foreign(out, protocol).dump(value)
    return out.getvalue()


def name(qualified: str) -> type:
    """A class or function of that name that does not exist here."""
    module, _, short = qualified.rpartition(".")
    return type(short, (), {"__module__": module})


class Call:
    """Pickles as a call of ``function`` with ``args``, and a state."""

    def __init__(self, function: Any, *args: Any, state: Any = None) -> None:
        self.call = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.call


def instance(qualified: str, state: Any) -> Any:
    """An object of a class of that name, made without arguments and given ``state``."""
    module, _, short = qualified.rpartition(".")
    return type(short, (), {"__module__": module, "__getstate__": lambda self: state})()


def objects(values: list[Any], *shape: int) -> np.ndarray:
    out = np.empty(len(values), dtype=object)
    out[:] = [None] * len(values)
    for i, value in enumerate(values):
        out[i] = value
    return out.reshape(shape or (len(values),))


def frame(columns: dict[str, list[Any]], layout: str = "1.0") -> Any:
    """A pandas frame as pandas 1.0 (as AGORA's), 1.5 or 3.1 pickles it: a block of floats and one of objects."""
    rows = len(next(iter(columns.values())))
    numeric = [key for key, values in columns.items() if all(isinstance(v, float) for v in values) and rows]
    other = [key for key in columns if key not in numeric]
    labels, place = list(columns), list(columns).index
    blocks = [(np.array([columns[k] for k in numeric]).reshape(len(numeric), rows), numeric)] if numeric else []
    if layout == "3.1":  # each text column alone, in pandas' own array
        texts = [key for key in other if all(isinstance(v, str) for v in columns[key])]
        other = [key for key in other if key not in texts]
        blocks += [(_string_array(columns[key]), [key]) for key in texts]
    cells = [value for key in other for value in columns[key]]
    blocks.append((objects(cells, len(other), rows), other))
    axes = [_index({"data": objects(labels), "name": None}),
            _index({"name": None, "start": 0, "stop": rows, "step": 1}, "range.RangeIndex")]  # fmt: skip
    placed = [(values, _placement([place(k) for k in keys])) for values, keys in blocks]
    manager = "pandas.core.internals.managers.BlockManager"
    if layout == "1.0":
        parts = [{"values": values, "mgr_locs": where} for values, where in placed]
        state = (axes, [values for values, _ in placed], [], {"0.14.1": {"axes": axes, "blocks": parts}})
        held = {"_data": instance(manager, state), "_typ": "dataframe", "_metadata": [], "attrs": {}}
        return instance("pandas.core.frame.DataFrame", held)
    unpickle = name("pandas._libs.internals._unpickle_block")
    made = tuple(Call(unpickle, values, where, 2) for values, where in placed)
    held = {
        "_mgr": Call(name(manager), made, axes),
        "_typ": "dataframe",
        "_metadata": [],
        "attrs": {},
        "_flags": {"allows_duplicate_labels": True},
    }
    return instance("pandas.DataFrame" if layout == "3.1" else "pandas.core.frame.DataFrame", held)


def _index(about: dict[str, Any], kind: str = "base.Index") -> Any:
    return Call(name("pandas.core.indexes.base._new_Index"), name(f"pandas.core.indexes.{kind}"), about)


def _placement(places: list[int]) -> Any:
    if places == list(range(places[0], places[-1] + 1)):
        return Call(name("builtins.slice"), places[0], places[-1] + 1, 1)
    return np.array(places)


def _string_array(values: list[str]) -> Any:
    unpickle = name("pandas._libs.arrays.__pyx_unpickle_NDArrayBacked")
    dtype = Call(name("pandas.StringDtype"), "python", float("nan"))
    return Call(unpickle, name("pandas.arrays.StringArray"), 82904607, None, state=(dtype, objects(values)))


_TYPES = {"f4": "Float", "f8": "Double", "i8": "Long"}


class _Storing(_Foreign):
    def persistent_id(self, obj: Any) -> Any:
        return obj.about if isinstance(obj, _Storage) else None


class _Storage:
    def __init__(self, *about: Any) -> None:
        self.about = about


def tensor(values: np.ndarray, device: str = "cpu", kind: str = "tensor") -> Any:
    """A tensor (or ``parameter``) of torch on ``device`` in a plain pickle; ``foreign`` writes it."""
    flat = np.ascontiguousarray(values).reshape(-1)
    about = _Storage("storage", name(f"torch.{_TYPES[flat.dtype.str[1:]]}Storage"), "7", device, flat.size, None)
    out = io.BytesIO()
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    for part in (0x1950A86A20F9469CFC6C, 1001, system, about, ["7"]):
        _Storing(out, 2).dump(part)
    out.write(struct.pack("<q", flat.size) + flat.tobytes())
    strides = tuple(int(np.prod(values.shape[i + 1 :])) for i in range(values.ndim))
    hooks = Call(name("collections.OrderedDict"))
    storage = Call(name("torch.storage._load_from_bytes"), out.getvalue())
    made = Call(name("torch._utils._rebuild_tensor_v2"), storage, 0, values.shape, strides, True, hooks)
    return made if kind == "tensor" else Call(name("torch._utils._rebuild_parameter"), made, True, hooks)
