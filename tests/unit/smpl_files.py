"""Files as other programs wrote them: Python 2's pickles, chumpy's arrays and scipy's matrices, with none installed."""

from __future__ import annotations

import io
import pickle
import struct
from types import BuiltinFunctionType, FunctionType
from typing import ClassVar

import numpy as np

PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]


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


def python2(value) -> bytes:
    """``value`` as cPickle of Python 2 wrote it: protocol 2, every text and every array's memory as byte strings."""
    out = io.BytesIO()
    _Python2(out, 2).dump(value)
    return out.getvalue()


def python3(value, protocol: int = 2) -> bytes:
    out = io.BytesIO()
    _Foreign(out, protocol).dump(value)
    return out.getvalue()


def foreign(module: str, name: str, **state):
    """An object of a class ``module.name`` that does not exist here, with this ``__dict__``."""
    thing = type(name, (), {"__module__": module})()
    thing.__dict__.update(state)
    return thing


def chumpy(array):
    return foreign("chumpy.ch", "Ch", x=np.asarray(array), _dirty_vars=set(), _itr=None, _depends_on_deps={})


def sparse(dense, layout: str = "csc", module: str = "scipy.sparse.csc"):
    """A compressed matrix, as scipy pickles it."""
    lines = dense.T if layout == "csc" else dense
    indices = [np.flatnonzero(line) for line in lines]
    return foreign(
        module,
        f"{layout}_matrix",
        _shape=dense.shape,
        maxprint=50,
        indices=np.concatenate(indices).astype(np.int32),
        indptr=np.cumsum([0, *map(len, indices)]).astype(np.int32),
        data=np.concatenate([line[i] for line, i in zip(lines, indices, strict=True)]),
    )


def smpl(vertices: int = 240, seed: int = 0) -> dict:
    """The content of an SMPL model with few vertices and no body's data: random, around a rough skeleton."""
    rng = np.random.default_rng(seed)
    offsets = np.array([[0.0, 0, 0]] + [[0.1 * (1 - i % 2 * 2), -0.3 if i in (1, 2, 4, 5, 7, 8) else 0.15, 0.01]
                                        for i in range(1, 24)])  # fmt: skip
    joints = np.zeros((24, 3))
    for j, parent in enumerate(PARENTS):
        joints[j] = offsets[j] + (joints[parent] if j else [0.02, -0.2, 0.03])
    owner = np.arange(vertices) % 24
    weights = np.zeros((vertices, 24))
    weights[np.arange(vertices), owner] = 0.7
    weights[np.arange(vertices), np.maximum(np.array(PARENTS)[owner], 0)] += 0.3
    regressor = (owner == np.arange(24)[:, None]) * rng.uniform(0.5, 1.5, (24, vertices))
    kintree = np.stack([np.array(PARENTS) % 2**32, np.arange(24)]).astype(np.uint32)
    return {
        "v_template": joints[owner] + 0.05 * rng.standard_normal((vertices, 3)),
        "shapedirs": 0.01 * rng.standard_normal((vertices, 3, 10)),
        "posedirs": 0.005 * rng.standard_normal((vertices, 3, 207)),
        "weights": weights,
        "J_regressor": regressor / regressor.sum(axis=1, keepdims=True),
        "f": rng.integers(0, vertices, (400, 3)).astype(np.uint32),
        "kintree_table": kintree,
        "bs_type": "lrotmin",
    }
