"""A user's own SMPL file: the official ``.pkl``, chumpy and Python 2 included, or an ``.npz`` with the same keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from posegen.body.arrays import BodyArrays
from posegen.body.model import Body
from posegen.errors import AssetError, nearest
from posegen.npz_file import NpzFile
from posegen.pickles import SMPL, Opaque, load_pickle

_KEYS = ("v_template", "shapedirs", "posedirs", "weights", "J_regressor", "f", "kintree_table")

# Vertices of SMPL's mesh, from smplx's table of extra joints; no landmark of the head's top: published lsp14 numbers
# come from a regressor, and an approximation under the same name would not compare with them.
_SMPL_VERTICES = 6890
_SMPL_LANDMARKS = {
    "nose": [332],
    "left_eye": [2800],
    "right_eye": [6260],
    "left_ear": [583],
    "right_ear": [4071],
    "left_big_toe": [3216],
    "left_small_toe": [3226],
    "left_heel": [3387],
    "right_big_toe": [6617],
    "right_small_toe": [6624],
    "right_heel": [6787],
}


def load_body(
    path: Path | str,
    betas: Sequence[float] | Tensor | None = None,
    regressors: Mapping[str, Any] | None = None,
) -> Body:
    """The body in an SMPL file with this shape (10 betas, None is the mean).

    regressors: joint set -> (J,6890) matrix, such as SPIN's ``J_regressor_h36m`` for ``h36m17``.
    Raises AssetError naming the file and the key where the file cannot be used; nothing in it is ever run.
    """
    arrays = read_smpl(path)
    landmarks = _SMPL_LANDMARKS if len(arrays.v_template) == _SMPL_VERTICES else None
    return Body.from_arrays(arrays, betas, landmarks, regressors)


def read_smpl(path: Path | str) -> BodyArrays:
    """The arrays of an SMPL file. Raises AssetError as ``load_body`` does."""
    path = Path(path)
    if path.suffix not in (".pkl", ".npz"):
        raise AssetError(f"{path}: an SMPL model is a .pkl or an .npz file.", "Give the file as it was downloaded.")
    content = load_pickle(path, SMPL) if path.suffix == ".pkl" else _read_npz(path)
    if not isinstance(content, Mapping):
        raise AssetError(f"{path}: holds a {type(content).__name__} where a dictionary is needed.", "Is it SMPL?")
    a = {key: _array(path, content, key) for key in _KEYS}
    if a["kintree_table"].shape != (2, 24):
        raise AssetError(
            f"{path}: 'kintree_table' has shape {a['kintree_table'].shape}, SMPL's is (2, 24).",
            "Is it SMPL-H or SMPL-X?",
        )
    parents = a["kintree_table"][0].astype(np.int64)
    parents[0] = -1  # stored unsigned, as 2**32 - 1
    return BodyArrays(
        a["v_template"], a["shapedirs"], a["posedirs"], a["weights"], a["J_regressor"], a["f"], parents, str(path)
    )


def _array(path: Path, content: Mapping[str, Any], key: str) -> np.ndarray[Any, Any]:
    if key not in content:
        raise AssetError(f"{path}: has no key '{key}'.", nearest(key, tuple(map(str, content))) or "Is it SMPL?")
    value = content[key]
    if isinstance(value, Opaque):
        raise AssetError(
            f"{path}: '{key}' is a {value.name}, which cannot be read without chumpy.", "Convert it to .npz."
        )
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise AssetError(f"{path}: '{key}' is not an array of numbers.", "Give the file as it was downloaded.")
    return array


def _read_npz(path: Path) -> dict[str, Any]:
    file = NpzFile(path)
    return {key: file.read(key, *file.shape(key), mapped=False) for key in _KEYS if key in file}
