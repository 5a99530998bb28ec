import contextlib
import os
import pickle
import struct
import subprocess
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from smpl_files import chumpy, foreign, python2, python3, smpl, sparse

from posegen.errors import AssetError
from posegen.pickles import NUMPY, SMPL, Opaque, load_pickle


def load(folder, data: bytes, allow=SMPL):
    path = folder / "model.pkl"
    path.write_bytes(data)
    return load_pickle(path, allow)


def refused(folder, data: bytes, allow=SMPL) -> AssetError:
    with pytest.raises(AssetError) as caught:
        load(folder, data, allow)
    assert "model.pkl" in caught.value.message
    assert caught.value.hint
    return caught.value


def array_of(
    shape: str, dtype: bytes = b"(S'f8'\nI00\nI01\ntR", raw: bytes = b"S'12345678'\n", state: bytes = b""
) -> bytes:
    """A numpy array that declares ``shape``, as text of protocol 0."""
    return (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(" + shape.encode()
            + b"tcnumpy\ndtype\n" + dtype + state + b"I00\n" + raw + b"tb")  # fmt: skip


# what is read

DTYPES = st.one_of(
    hnp.floating_dtypes(), hnp.integer_dtypes(endianness="?"), hnp.unsigned_integer_dtypes(), hnp.boolean_dtypes(),
    hnp.complex_number_dtypes(), hnp.unicode_string_dtypes(max_len=4), hnp.byte_string_dtypes(max_len=4),
)  # fmt: skip
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pickles")


@settings(deadline=None)
@given(array=ARRAYS, protocol=st.integers(0, 5), fortran=st.booleans())
def test_any_numpy_array_of_any_protocol_comes_back(folder, array, protocol, fortran):
    array = np.asfortranarray(array) if fortran else array
    got = load(folder, pickle.dumps({"a": [array, (array,)]}, protocol), NUMPY)["a"]
    assert type(got[0]) is np.ndarray
    assert got[0].dtype == array.dtype
    np.testing.assert_array_equal(got[0], array)
    assert got[1][0] is got[0]  # shared objects stay shared


@pytest.mark.parametrize("protocol", range(6))
def test_scalars_types_and_plain_values(tmp_path, protocol):
    value = {"a": np.float32(1.5), "b": np.int64(-3), "c": np.dtype(">f4"), "d": [True, None, 1 << 80, 2.5, b"x\xff"],
             "e": {"text": "ü"}, "f": (1, frozenset({2})), "g": {3},
             "h": np.bool_(True), "i": b"", "j": bytearray(b"ab"), "k": 1 - 2j}  # fmt: skip
    got = load(tmp_path, pickle.dumps(value, protocol), NUMPY)
    assert got == value


def test_arrays_of_objects_keep_their_objects(tmp_path):
    array = np.empty((2, 1), dtype=object)
    array[0, 0], array[1, 0] = np.arange(3), np.arange(3)
    got = load(tmp_path, pickle.dumps(array), NUMPY)
    assert got.shape == (2, 1)
    np.testing.assert_array_equal(got[1, 0], [0, 1, 2])


def test_python_2_text_and_arrays(tmp_path):
    value = {"poses": [np.random.default_rng(0).standard_normal((3, 72))], "sequence": "caf\xe9", "n": np.arange(300)}
    data = python2(value)
    assert b"numpy.core.multiarray" in data
    got = load(tmp_path, data, NUMPY)
    np.testing.assert_array_equal(got["poses"][0], value["poses"][0])
    np.testing.assert_array_equal(got["n"], value["n"])
    assert got["sequence"] == "caf\xe9"


@pytest.mark.parametrize("layout", ["csc", "csr"])
@pytest.mark.parametrize("module", ["scipy.sparse.{}", "scipy.sparse._{}", "scipy.sparse"])
@pytest.mark.parametrize("write", [python2, python3])
def test_sparse_matrices_become_dense(tmp_path, layout, module, write):
    dense = np.random.default_rng(0).random((5, 9)) * (np.random.default_rng(1).random((5, 9)) < 0.3)
    got = load(tmp_path, write(sparse(dense, layout, module.format(layout))))
    np.testing.assert_array_equal(got, dense)


@pytest.mark.parametrize("write", [python2, python3])
def test_chumpy_arrays_become_arrays(tmp_path, write):
    x = np.arange(12.0).reshape(4, 3)
    select = foreign("chumpy.reordering", "Select", a=chumpy(x), idxs=np.array([2, 5, 8, 11]), preferred_shape=(2, 2))
    product = foreign("chumpy.linalg", "dot", a=chumpy(x), b=chumpy(x))
    got = load(tmp_path, write({"x": chumpy(x), "select": select, "product": product}))
    np.testing.assert_array_equal(got["x"], x)
    np.testing.assert_array_equal(got["select"], [[2, 5], [8, 11]])
    assert got["product"] == Opaque("chumpy.linalg.dot")


def test_chumpy_written_with_protocol_0(tmp_path):
    node = b"ccopy_reg\n_reconstructor\n(cchumpy.ch\nCh\nc__builtin__\nobject\nNtR"
    data = node + b"(dS'x'\n" + array_of("I2\n", raw=b"S'" + b"\\x00" * 16 + b"'\n") + b"sb."
    np.testing.assert_array_equal(load(tmp_path, data), [0, 0])


# what is refused


class Calls:
    """Pickles as the call that it is given."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def hostile(marker: Path) -> dict[str, bytes]:
    """Programs that create ``marker`` when they run."""
    shell, python = f"touch {marker}", f"open({str(marker)!r}, 'w').close()"
    in_array = np.empty(1, dtype=object)
    in_array[0] = Calls(os.system, shell)
    return {
        "os.system": pickle.dumps(Calls(os.system, shell)),
        "eval": pickle.dumps(Calls(eval, python)),
        "exec": pickle.dumps(Calls(exec, python)),
        "check_call": pickle.dumps(Calls(subprocess.check_call, ["touch", str(marker)])),
        "nested": pickle.dumps({"v_template": np.zeros(3), "more": [({1: [Calls(os.system, shell)]},)]}),
        "in an array of objects": pickle.dumps(in_array),
        "as an argument": pickle.dumps(Calls(str, Calls(os.system, shell))),
        "as a state": b"cnumpy\ndtype\n(" + text("f8") + b"I00\nI01\ntR(I3\ncos\nsystem\n" + text(shell) + b"\x85Rtb.",
        "numpy.load": pickle.dumps(Calls(np.load, str(marker.with_suffix(".npy")), None, True)),
        "getattr chain": b"cbuiltins\ngetattr\n(cbuiltins\n__import__\n" + text("os") + b"\x85R" + text("system")
        + b"tR" + text(shell) + b"\x85R.",
        "dotted name": b"\x80\x04" + text("os") + text("system") + b"\x93" + text(shell) + b"\x85R.",
        "dotted way out of numpy": b"\x80\x04" + text("numpy.lib") + text("format.os.system") + b"\x93" + text(shell)
        + b"\x85R.",
        "code inside numpy": b"cnumpy.testing\nrundocs\n" + text(str(marker)) + b"\x85R.",
        "INST": b"(" + text(shell) + b"ios\nsystem\n.",
        "OBJ": b"(csubprocess\nPopen\n(" + text("touch") + text(str(marker)) + b"lo.",
        "NEWOBJ": b"\x80\x02csubprocess\nPopen\n(" + text("touch") + text(str(marker)) + b"l\x85\x81.",
        "after a good array": pickle.dumps(np.arange(3))[:-1] + b"0cos\nsystem\n" + text(shell) + b"\x85R.",
        "python 2": b"cposix\nsystem\n(S" + repr(shell).encode() + b"\ntR.",
    }  # fmt: skip


NAMES = sorted(hostile(Path("marker")))
NOT_HERE = {"code inside numpy", "dotted way out of numpy", "NEWOBJ"}  # need another numpy, or an object's __init__


@pytest.fixture
def marker(tmp_path):
    marker = tmp_path / "ran"
    in_array = np.empty(1, dtype=object)
    in_array[0] = Calls(os.system, f"touch {marker}")
    np.save(marker.with_suffix(".npy"), in_array, allow_pickle=True)
    return marker


@pytest.mark.parametrize("name", NAMES)
def test_a_program_is_refused_by_name_before_it_runs(tmp_path, marker, name):
    error = refused(tmp_path, hostile(marker)[name])
    assert not marker.exists()
    assert "which is not data" in error.message


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NOT_HERE])
def test_the_programs_above_are_real(marker, name):
    with contextlib.suppress(Exception):  # some fail, after they have run
        value = pickle.loads(hostile(marker)[name])
        if isinstance(value, subprocess.Popen):
            value.wait()
    assert marker.exists()


@pytest.mark.parametrize("name", ["chumpy.os\nsystem", "chumpy\nos.system", "chumpy.utils\nsubprocess.call"])
@pytest.mark.parametrize("call", [b"\x85R.", b"\x85\x81."])
def test_chumpys_names_are_inert_whatever_they_spell(tmp_path, marker, name, call):
    got = load(tmp_path, b"\x80\x02c" + name.encode() + b"\n" + text(f"touch {marker}") + call)
    assert got == Opaque(name.replace("\n", "."))
    assert not marker.exists()


def test_a_file_cannot_change_how_the_next_one_is_read(tmp_path):
    write_attributes = b"\x80\x02cchumpy.ch\nCh\nN}" + text("__setstate__") + b"cchumpy.ch\nBad\ns\x86b."
    with contextlib.suppress(AssetError):
        load(tmp_path, write_attributes)
    np.testing.assert_array_equal(load(tmp_path, python2(chumpy(np.arange(3)))), [0, 1, 2])


DAMAGED = {
    "empty": b"",
    "text": b"this is not a pickle",
    "html": b"<!DOCTYPE html><html>Please sign in</html>",
    "array of 2^40 numbers": array_of(f"I{2**40}\n") + b".",
    "array whose size overflows": array_of(f"L{2**62}L\nI4\n") + b".",
    "array of negative size": array_of("I-1\n") + b".",
    "memory read as objects": array_of("I1\n", b"(S'O8'\nI00\nI01\ntR") + b".",
    "structured memory": array_of(
        "I1\n",
        b"(S'V8'\nI00\nI01\ntR",
        state=b"(I3\nS'|'\nN(S'a'\nt}S'a'\n(cnumpy\ndtype\n(S'O8'\ntRI0\ntsI8\nI1\nI27\ntb",
    )
    + b".",
    "type with fields hidden in its state": array_of("I1\n", state=b"(I3\nS'<'\nN(S'a'\nt}I8\nI1\nI27\ntb") + b".",
    "memo index of 2^31": b"\x80\x02Nr\xff\xff\xff\x7f0\x8e" + struct.pack("<Q", 2**40),
    "bytes of 2^40": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
    "bytes of 2^63": b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"x.",
    "text of 2^31": b"\x80\x02X" + struct.pack("<I", 2**31 - 1) + b"x.",
    "frame of 2^40": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"N",
    "bytearray of 2^40": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
    "bytearray of 2^33": b"\x80\x05\x96" + struct.pack("<Q", 2**33) + b"x.",
    "integer of negative length": b"\x80\x02\x8b" + struct.pack("<i", -5) + b".",
    "sparse matrix of 2^60": python2(
        foreign("scipy.sparse.csc", "csc_matrix", _shape=(2**30, 2**30), data=[], indices=[], indptr=[0])
    ),
    "sparse matrix that writes outside": python2(
        foreign("scipy.sparse.csc", "csc_matrix", _shape=(2, 1), data=[1.0], indices=[-9], indptr=[0, 1])
    ),
    "a hundred thousand lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "a list inside itself": b"\x80\x02]q\x00h\x00a.",
    "an array inside itself": b"cchumpy.ch\nCh\n)\x81q\x00}S'x'\nh\x00sb.",
    "extension code": b"\x80\x02\x82\x01.",
    "persistent id": b"Pfile:///etc/passwd\n.",
    "a call of a text": b"S'os.system'\n(S'id'\ntR.",
    "a call without arguments": b"cnumpy\ndtype\n)R.",
    "state of a number": b"I1\n}I1\nI2\nsb.",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_and_impossible_sizes_are_errors_that_cost_no_memory(tmp_path, name):
    tracemalloc.start()
    try:
        error = refused(tmp_path, DAMAGED[name])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "damaged" in error.message
    assert peak < 100e6


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_every_truncation_of_a_model_is_an_error(tmp_path, protocol):
    content = {**smpl(48), "posedirs": np.zeros((48, 3, 2))}
    data = pickle.dumps(content, protocol)
    assert set(load(tmp_path, data)) == set(content)
    for cut in np.linspace(0, len(data) - 1, 40).astype(int):
        refused(tmp_path, data[:cut])


def test_random_damage_never_escapes_as_another_error(tmp_path):
    data = np.frombuffer(python2({"x": chumpy(np.arange(4)), "J": sparse(np.eye(3)), "n": [1, "a"]}), np.uint8)
    rng = np.random.default_rng(0)
    failed = 0
    for _ in range(400):
        damaged = data.copy()
        damaged[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
        try:
            load(tmp_path, damaged.tobytes())
        except AssetError:
            failed += 1
    assert failed > 200


@pytest.mark.parametrize("path", ["nothing.pkl", "."])
def test_a_missing_file_is_named(tmp_path, path):
    with pytest.raises(AssetError, match="cannot be read"):
        load_pickle(tmp_path / path, SMPL)
