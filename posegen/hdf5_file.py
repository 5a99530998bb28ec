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
LARGEST = 2**26  # values of one array; the largest of the official data sets has a hundredth of it
FILTERS = (1, 2, 3)  # gzip, shuffle, checksum: HDF5's own; any other is a library that a file could make us load

Shape = tuple[int | None, ...]


class Hdf5File:
    """The numeric arrays of one HDF5 file, each checked before it is read. A v7.3 file's dimensions come reversed:
    MATLAB's (3,17,1,N) is (N,1,17,3) here.

    Links to other places and data that another file holds are refused, and so are arrays of more than ``LARGEST``
    values, unless a caller knows their whole shape.
    Raises AssetError for a file that is missing or damaged, PosegenError without h5py.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._h5py = path, h5py_for(path)
        if not path.is_file():
            raise AssetError(f"{path} does not exist", "check the path")
        try:
            with self._h5py.File(path, "r") as file:
                self.keys = tuple(sorted(file))
        except Exception as error:  # h5py raises nearly any error for damaged files, by where the damage is
            raise AssetError(f"{path} is damaged, or no HDF5 file: {_said(error)}", REPAIR) from error

    def __contains__(self, key: str) -> bool:
        return key in self.keys

    def numbers(self, key: str, *shapes: Shape) -> NDArray[np.float64]:
        """An array of one of these shapes, where None is any length, as float64. Raises AssetError."""
        return self._read(key, shapes).astype(np.float64)

    def pixels(self, key: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """An array of uint8 of this shape. Raises AssetError."""
        values = self._read(key, (shape,))
        if values.dtype != np.uint8:
            raise AssetError(f"{self.path}: '{key}' holds values of type {values.dtype}, not uint8", REPAIR)
        return values

    def columns(self, wanted: Mapping[str, tuple[Shape, ...]]) -> dict[str, NDArray[np.float64]]:
        """Arrays of one length. wanted: key -> the shapes that it may have. Raises AssetError."""
        arrays = {key: self.numbers(key, *shapes) for key, shapes in wanted.items()}
        lengths = {key: len(array) for key, array in arrays.items()}
        if len(set(lengths.values())) > 1:
            raise AssetError(f"{self.path}: the lengths of its arrays differ: {lengths}", REPAIR)
        return arrays

    def _read(self, key: str, shapes: tuple[Shape, ...]) -> NDArray[Any]:
        try:
            with self._h5py.File(self.path, "r") as file:
                data = self._linked(file, key)
                self._check(key, data, shapes)
                return np.asarray(data[()])
        except AssetError:
            raise
        except Exception as error:  # as above
            raise AssetError(f"{self.path}: '{key}' is damaged: {_said(error)}", REPAIR) from error

    def _linked(self, file: Any, key: str) -> Any:
        link = file.get(key, getlink=True)
        if link is None:
            raise AssetError(f"{self.path} has no '{key}'; it has {', '.join(self.keys) or 'nothing'}", REPAIR)
        if not isinstance(link, self._h5py.HardLink):
            raise AssetError(f"{self.path}: '{key}' is a link to another place: refused", REPAIR)
        if not isinstance(file[key], self._h5py.Dataset):
            raise AssetError(f"{self.path}: '{key}' is no array", REPAIR)
        return file[key]

    def _check(self, key: str, data: Any, shapes: tuple[Shape, ...]) -> None:
        plan = data.id.get_create_plist()
        if data.external or data.is_virtual:
            raise AssetError(f"{self.path}: the data of '{key}' lie in another file: refused", REPAIR)
        if any(plan.get_filter(i)[0] not in FILTERS for i in range(plan.get_nfilters())):
            raise AssetError(
                f"{self.path}: '{key}' is packed in a way that is not read", "save it with gzip or without"
            )
        if data.dtype.kind not in "fiub":
            raise AssetError(f"{self.path}: '{key}' holds values of type {data.dtype}, not numbers", REPAIR)
        found: tuple[int, ...] = data.shape
        fitting = [shape for shape in shapes if _fits(found, shape)]
        if not fitting:
            wanted = " or ".join(str(shape).replace("None", "N") for shape in shapes)
            raise AssetError(f"{self.path}: '{key}' has shape {found}, not {wanted}", "is it another release?")
        known = math.prod(found) if found in fitting else 0
        if max(math.prod(found), math.prod(data.chunks or ())) > max(LARGEST, known):
            raise AssetError(f"{self.path}: '{key}' of shape {found} is larger than any release: refused", REPAIR)


def h5py_for(path: Path) -> Any:
    """The module h5py. Raises PosegenError without it."""
    try:
        import h5py
    except ImportError as error:
        raise PosegenError(f"{path} needs h5py, which is not installed", "pip install 'posegen[datasets]'") from error
    return h5py


def _fits(found: tuple[int, ...], wanted: Shape) -> bool:
    return len(found) == len(wanted) and all(want in (None, n) for n, want in zip(found, wanted, strict=True))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ").splitlines()[0]
