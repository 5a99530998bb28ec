"""HDF5 files with arrays of any kind, also such as no official file has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np


def write_hdf5(path: Path, content: dict[str, Any], **options: Any) -> Path:
    """Every value as a dataset; what HDF5 cannot hold becomes text. options: of h5py.File."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", **options) as file:
        for key, value in content.items():
            try:
                file.create_dataset(key, data=np.asarray(value))
            except (TypeError, ValueError, OSError):  # objects, text and things that are no array
                file[key] = str(value)[:100]
    return path


def spoil_hdf5(path: Path, key: str, way: int) -> None:
    """One of the ways in which only HDF5 can be wrong: links, places outside, shapes that nothing stands behind."""
    with h5py.File(path, "a") as file:
        if key in file:
            del file[key]
        if way == 0:
            file[key] = h5py.ExternalLink("/etc/hostname", "/data")
        elif way == 1:
            file[key] = h5py.SoftLink("/elsewhere")
        elif way == 2:
            file.create_dataset(key, (100, 51), "f8", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])
        elif way == 3:
            file.create_dataset(key, (10**9, 51), "f8", chunks=(1000, 51), compression="gzip")
        elif way == 4:
            layout = h5py.VirtualLayout((4, 51), "f8")
            layout[:] = h5py.VirtualSource("/etc/shadow.h5", "data", (4, 51))
            file.create_virtual_dataset(key, layout)
        elif way == 5:
            file.create_group(key)
        elif way == 6:
            file.create_dataset(key, data=h5py.Empty("f8"))
        else:
            file.create_dataset(key, (4,), h5py.special_dtype(ref=h5py.Reference))


SPOILT = 8
