"""HDF5 of others, MATLAB's v7.3 files among them. It needs the extra ``datasets``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posegen.errors import AssetError, PosegenError

REPAIR = "download or copy the file again"
LARGEST = 2**28  # bytes of one array; the largest of the official files has a fiftieth of it
FILTERS = (1, 2, 3)  # gzip, shuffle, checksum: HDF5's own; any other is a library that a file could make us load

Shape = tuple[int | None, ...]


def read_hdf5(path: Path, wanted: Mapping[str, tuple[Shape, ...]]) -> dict[str, NDArray[np.float64]]:
    """Numeric arrays of an HDF5 file as float64. A v7.3 file's dimensions come reversed: MATLAB's (3,17,1,N) is
    (N,1,17,3) here.

    wanted: key -> the shapes it may have, where None is a length that is the same in all keys. Raises AssetError,
    naming file and key, for anything missing, damaged, of another shape or type, for a link to another file and for
    data that another file holds; PosegenError without h5py.
    """
    h5py = _h5py()
    if not path.is_file():
        raise AssetError(f"{path} does not exist", "check the path")
    key = ""
    try:
        with h5py.File(path, "r") as file:
            arrays = {}
            for key, shapes in wanted.items():
                arrays[key] = _dataset(path, key, _hard_linked(path, key, file, h5py), shapes, h5py)
    except AssetError:
        raise
    except Exception as error:  # h5py raises nearly any error for damaged files, by where the damage is
        where = f"{path}: '{key}'" if key else str(path)
        raise AssetError(f"{where} is damaged, or no HDF5 file: {_said(error)}", REPAIR) from error
    lengths = {key: len(array) for key, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise AssetError(f"{path}: the lengths of its arrays differ: {lengths}", REPAIR)
    return arrays


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise PosegenError(
            "this dataset needs h5py, which is not installed", "pip install posegen[datasets]"
        ) from error
    return h5py


def _hard_linked(path: Path, key: str, file: Any, h5py: Any) -> Any:
    link = file.get(key, getlink=True)
    if link is None:
        raise AssetError(f"{path} has no '{key}'; it has {', '.join(sorted(file)) or 'nothing'}", REPAIR)
    if not isinstance(link, h5py.HardLink):
        raise AssetError(f"{path}: '{key}' is a link to another place: refused", REPAIR)
    return file[key]


def _dataset(path: Path, key: str, data: Any, shapes: tuple[Shape, ...], h5py: Any) -> NDArray[np.float64]:
    if not isinstance(data, h5py.Dataset):
        raise AssetError(f"{path}: '{key}' is no array", REPAIR)
    plan = data.id.get_create_plist()
    if data.external or data.is_virtual:
        raise AssetError(f"{path}: the data of '{key}' lie in another file: refused", REPAIR)
    if any(plan.get_filter(i)[0] not in FILTERS for i in range(plan.get_nfilters())):
        raise AssetError(f"{path}: '{key}' is packed in a way that is not read", "save it with gzip or without")
    if data.dtype.kind not in "fiub":
        raise AssetError(f"{path}: '{key}' holds values of type {data.dtype}, not numbers", REPAIR)
    if not any(_fits(data.shape, shape) for shape in shapes):
        wanted = " or ".join(str(shape).replace("None", "N") for shape in shapes)
        raise AssetError(f"{path}: '{key}' has shape {data.shape}, not {wanted}", "is it another release?")
    if max(math.prod(data.shape), math.prod(data.chunks or ())) * 8 > LARGEST:
        raise AssetError(f"{path}: '{key}' of shape {data.shape} is larger than any release: refused", REPAIR)
    return np.asarray(data[()], dtype=np.float64)


def _fits(found: tuple[int, ...], wanted: Shape) -> bool:
    return len(found) == len(wanted) and all(want in (None, n) for n, want in zip(found, wanted, strict=True))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ").splitlines()[0]
