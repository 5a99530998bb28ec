import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import scipy.io

from posegen.datasets.matlab_v5 import read_v5
from posegen.errors import AssetError

HEAD = b"MATLAB 5.0 MAT-file".ljust(116) + b"\0" * 8 + struct.pack("<H", 0x100) + b"IM"


def element(kind: int, data: bytes, size: int | None = None) -> bytes:
    return struct.pack("<II", kind, len(data) if size is None else size) + data + b"\0" * (-len(data) % 8)


def matrix(shape: tuple[int, ...], data: bytes, flags: int = 6) -> bytes:
    about = element(6, struct.pack("<II", flags, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, about + element(1, b"pose") + data)


@pytest.mark.parametrize("packed", [True, False])
def test_everything_that_scipy_writes_is_read_as_scipy_reads_it(tmp_path, packed):
    rng = np.random.default_rng(0)
    kinds = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
    content = {f"a_{kind}": rng.integers(0, 100, (2, 3, 4)).astype(kind) for kind in kinds}
    cells = np.empty((14, 1), dtype=object)
    cells[:, 0] = [rng.standard_normal((5, 56)) for _ in range(14)]
    content |= {"small": np.array([[1]], "u1"), "none": np.empty((0, 3)), "cells": cells, "yes": np.array([[True]])}
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {**content, "text": "abc", "struct": {"x": 1}}, do_compression=packed)
    ours, theirs = read_v5(path, *content), scipy.io.loadmat(path)
    for key in content:
        assert ours[key].shape == theirs[key].shape
        if key == "cells":
            for a, b in zip(ours[key].ravel(), theirs[key].ravel(), strict=True):
                np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_array_equal(ours[key], theirs[key])
    assert read_v5(path, "text")["text"].dtype.kind == "U"


def test_big_endian_files(tmp_path):
    about = struct.pack(">II", 6, 8) + struct.pack(">II", 6, 0) + struct.pack(">II2i", 5, 8, 1, 2)
    body = about + struct.pack(">HH4s", 4, 1, b"pose") + struct.pack(">II2d", 9, 16, 1.5, -2)
    data = HEAD[:124] + struct.pack(">H", 0x100) + b"MI" + struct.pack(">II", 14, len(body)) + body
    (tmp_path / "a.mat").write_bytes(data)
    np.testing.assert_array_equal(read_v5(tmp_path / "a.mat", "pose")["pose"], [[1.5, -2]])


LIES = {
    "an element of 2 GB": matrix((72, 2**22), element(9, b"\0" * 64, 2**31)),
    "an array of 2^34 numbers": matrix((72, 2**28), element(9, b"\0" * 64)),
    "2^30 cells": matrix((1, 2**30), b"", flags=1),
    "a bomb": element(15, zlib.compress(matrix((72, 2**18), element(9, b"\0" * (72 * 2**21))))),
    "a negative size": matrix((-1, 3), element(9, b"")),
    "complex numbers": matrix((1, 1), element(9, b"\0" * 8), flags=6 | 0x800),
    "a structure": matrix((1, 1), element(5, b"\0" * 4), flags=2),
    "no dimension": matrix((), element(9, b"")),
    "an unknown type": matrix((1, 1), element(99, b"\0" * 8)),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_a_file_claims_and_does_not_hold_costs_no_memory(tmp_path, lie):
    path = tmp_path / "a.mat"
    path.write_bytes(HEAD + LIES[lie])
    tracemalloc.start()
    try:
        with pytest.raises(AssetError, match=r"a\.mat: 'pose'"):
            read_v5(path, "pose")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64e6


def test_other_files_and_missing_keys_are_named(tmp_path):
    path = tmp_path / "a.mat"
    for data in (b"", b"\x89HDF\r\n\x1a\n" + b"\0" * 200, HEAD[:124] + struct.pack("<H", 0x200) + b"IM", b"<html>"):
        path.write_bytes(data)
        with pytest.raises(AssetError, match=r"a\.mat is not a whole MATLAB v5 file"):
            read_v5(path, "pose")
    path.write_bytes(HEAD)
    with pytest.raises(AssetError, match=r"a\.mat has no 'pose'"):
        read_v5(path, "pose")
    with pytest.raises(AssetError, match="cannot be read"):
        read_v5(tmp_path / "none.mat", "pose")
