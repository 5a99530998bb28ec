"""npz archives of others: one array at a time, never an object, never more memory than the file can justify."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from posegen.errors import AssetError
from posegen.files import read_error

REPAIR = "download or copy the file again"
LARGEST_RATIO = 100  # arrays of measurements shrink a few times; a bomb shrinks a thousand times
SMALL = 2**24  # bytes that any array may take
DAMAGED = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError,
           RuntimeError, OverflowError, SyntaxError, TypeError, MemoryError)  # fmt: skip
"""What zipfile and numpy raise for damaged archives and headers."""


class NpzFile:
    """The arrays of one npz. Nothing but the table of contents is read before an array is asked for.

    An array that is stored uncompressed, as ``np.savez`` does, is mapped into memory and read row by row.
    Raises AssetError for a file that is missing or no npz.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                entries = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        except OSError as error:
            raise read_error(path, error, "check the path") from error
        except DAMAGED as error:
            raise AssetError(f"{path} is not a whole npz file: {error}", REPAIR) from error
        self._entries = entries

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def read(self, key: str, *shape: int | None, kinds: str = "fiub", mapped: bool = True) -> NDArray[Any]:
        """The array ``key``: its shape must be ``shape``, where None is any length, its dtype of one of ``kinds``.

        mapped: a large uncompressed one may stay on the disk, where its checksum is not looked at.
        Raises AssetError, naming file and key, for a missing or damaged array, another shape or kind, an array of
        objects, and one that claims much more than the file holds.
        """
        with self._opened(key) as file:
            found, fortran, dtype = self._header(key, file)
            if dtype.hasobject or dtype.kind not in kinds:
                held = "Python objects, which are never loaded" if dtype.hasobject else f"values of type {dtype}"
                raise AssetError(f"{self.path}: '{key}' holds {held}", "save it as a plain numpy array")
            if len(found) != len(shape) or any(want not in (None, n) for n, want in zip(found, shape, strict=True)):
                wanted = ", ".join("N" if n is None else str(n) for n in shape)
                raise AssetError(f"{self.path}: '{key}' has shape {found}, not ({wanted})", "is it another format?")
            return self._data(key, file, found, fortran, dtype, mapped)

    def shape(self, key: str) -> tuple[int, ...]:
        """Of an array that need not be read. Raises AssetError as ``read`` does."""
        with self._opened(key) as file:
            return self._header(key, file)[0]

    def pickled(self, key: str) -> bytes:
        """The pickle that an array of objects is stored as; it is for ``posegen.pickles`` alone."""
        with self._opened(key) as file:
            if not self._header(key, file)[2].hasobject:
                raise AssetError(f"{self.path}: '{key}' is a plain array", "is it another format?")
            try:
                return file.read()
            except DAMAGED as error:
                raise self._damaged(key, error) from error

    def _opened(self, key: str) -> IO[bytes]:
        info = self._entries.get(key)
        if info is None:
            raise AssetError(
                f"{self.path} has no '{key}'; it has {', '.join(sorted(self._entries)) or 'nothing'}", REPAIR
            )
        if info.file_size > max(SMALL, LARGEST_RATIO * info.compress_size):
            raise AssetError(f"{self.path}: '{key}' would unpack to {info.file_size} bytes: refused", REPAIR)
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.open(info)
        except DAMAGED as error:
            raise self._damaged(key, error) from error

    def _header(self, key: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        try:
            version = npy.read_magic(file)
            if version not in ((1, 0), (2, 0)):
                raise ValueError(f"npy format {version}")
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, fortran, dtype = read(file)
        except DAMAGED as error:
            raise self._damaged(key, error) from error
        if dtype.names or any(n < 0 for n in shape):
            raise AssetError(f"{self.path}: '{key}' is no plain array: {shape} {dtype}", REPAIR)
        return shape, fortran, dtype

    def _data(
        self, key: str, file: IO[bytes], shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any], mapped: bool
    ) -> NDArray[Any]:
        info, size = self._entries[key], math.prod(shape) * dtype.itemsize
        start = file.tell()
        if start + size != info.file_size:
            raise AssetError(f"{self.path}: '{key}' claims {shape} {dtype}, its file has not that size", REPAIR)
        try:
            if mapped and info.compress_type == zipfile.ZIP_STORED and size > SMALL and dtype.kind != "U":
                offset = self._offset(info) + start
                order = "F" if fortran else "C"
                return np.memmap(self.path, dtype, "r", offset, shape, order)  # type: ignore[call-overload, no-any-return]
            data = file.read(size)
            if len(data) != size:
                raise ValueError(f"{len(data)} of {size} bytes")
            return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
        except DAMAGED as error:
            raise self._damaged(key, error) from error

    def _offset(self, info: zipfile.ZipInfo) -> int:
        """Where a member's data start: behind its local header, whose lengths the table of contents does not say."""
        with self.path.open("rb") as file:
            file.seek(info.header_offset)
            header = file.read(30)
            name, extra = struct.unpack("<26x2H", header)
            if not header.startswith(b"PK\x03\x04"):
                raise ValueError("no member here")
            return info.header_offset + 30 + int(name) + int(extra)

    def _damaged(self, key: str, error: BaseException) -> AssetError:
        return AssetError(f"{self.path}: '{key}' is damaged: {type(error).__name__}: {error}", REPAIR)
