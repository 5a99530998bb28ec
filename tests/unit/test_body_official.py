import pickle
import zipfile

import numpy as np
import pytest
import torch
from smpl_files import PARENTS, chumpy, foreign, python2, python3, smpl, sparse

from posegen.body import Body, BodyArrays, load_body
from posegen.errors import AssetError

MODEL = smpl(240)
POSE = torch.randn(3, 23, 3, generator=torch.Generator().manual_seed(0)) * 0.5
BETAS = [0.5, -1.0, 0.2, 0.0, 0.0, 1.0, 0.0, 0.3, 0.0, -0.4]


def expected() -> torch.Tensor:
    m = MODEL
    arrays = BodyArrays(
        m["v_template"], m["shapedirs"], m["posedirs"], m["weights"], m["J_regressor"], m["f"], np.array(PARENTS)
    )
    return Body.from_arrays(arrays, BETAS).vertices(POSE)


def as_released(write, layout: str) -> bytes:
    """The 2015 release: chumpy arrays, a sparse regressor, Python 2's text, and keys that nobody needs."""
    node = foreign("chumpy.reordering", "Select", a=chumpy(MODEL["shapedirs"]), idxs=np.arange(240 * 30),
                   preferred_shape=(240, 3, 10), axis=None)  # fmt: skip
    return write(
        MODEL
        | {
            "v_template": chumpy(MODEL["v_template"]),
            "shapedirs": node,
            "J_regressor": sparse(MODEL["J_regressor"], layout, f"scipy.sparse.{layout}"),
            "J_regressor_prior": sparse(MODEL["J_regressor"], layout, f"scipy.sparse.{layout}"),
            "weights_prior": MODEL["weights"],
            "bs_style": "lbs",
            "J": chumpy(np.zeros((24, 3))),
        }
    )


@pytest.mark.parametrize("write", [python2, python3])
@pytest.mark.parametrize("layout", ["csc", "csr"])
def test_the_official_file(tmp_path, write, layout):
    path = tmp_path / "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl"
    path.write_bytes(as_released(write, layout))
    torch.testing.assert_close(load_body(path, BETAS).vertices(POSE), expected(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_converted_file(tmp_path, protocol):
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(MODEL, protocol))
    torch.testing.assert_close(load_body(str(path), BETAS).vertices(POSE), expected(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("root", [2**32 - 1, -1])
def test_npz_with_any_way_to_write_the_root(tmp_path, root):
    path = tmp_path / "SMPL_NEUTRAL.npz"
    kintree = MODEL["kintree_table"].astype(np.int64)
    kintree[0, 0] = root
    np.savez(path, **{**MODEL, "kintree_table": kintree})
    torch.testing.assert_close(load_body(path, BETAS).vertices(POSE), expected(), rtol=0, atol=1e-6)


def test_300_betas_are_cut_to_10(tmp_path):
    path = tmp_path / "model.npz"
    more = np.concatenate([MODEL["shapedirs"], np.ones((240, 3, 290))], axis=2)
    np.savez(path, **{**MODEL, "shapedirs": more})
    torch.testing.assert_close(load_body(path, BETAS).vertices(POSE), expected(), rtol=0, atol=1e-6)


def test_regressors_come_with_the_body(tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, **MODEL)
    body = load_body(path, regressors={"h36m17": np.full((17, 240), 1 / 240)})
    assert {"smpl24", "lsp14", "h36m17"} <= set(body.joint_sets)
    assert "blazepose33" not in body.joint_sets
    centre = body.vertices(POSE).mean(dim=1, keepdim=True).expand(3, 17, 3)
    torch.testing.assert_close(body.joints(POSE, joint_set="h36m17"), centre, rtol=0, atol=1e-5)


def refused(path) -> AssetError:
    with pytest.raises(AssetError) as caught:
        load_body(path)
    assert path.name in caught.value.message
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
@pytest.mark.parametrize("key", ["v_template", "shapedirs", "posedirs", "weights", "J_regressor", "f", "kintree_table"])
@pytest.mark.parametrize("how", ["missing", "wrong shape", "text"])
def test_every_key_is_named_when_it_is_wrong(tmp_path, suffix, key, how):
    content = dict(MODEL)
    if how == "missing":
        del content[key]
    else:
        content[key] = np.array("text") if how == "text" else content[key][..., :-1]
    path = tmp_path / f"model{suffix}"
    if suffix == ".pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        np.savez(path, **content)
    message = refused(path).message
    assert f"'{key}'" in message or f"'{ {'f': 'faces', 'kintree_table': 'parents'}.get(key, key) }'" in message


def test_a_misspelt_key_gets_a_hint(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({("J_regresor" if k == "J_regressor" else k): v for k, v in MODEL.items()}))
    assert "J_regresor" in refused(path).hint


def test_another_model_is_recognised(tmp_path):
    path = tmp_path / "SMPLH_male.pkl"
    path.write_bytes(pickle.dumps({**MODEL, "kintree_table": np.zeros((2, 52), np.uint32)}))
    assert "SMPL-H" in refused(path).hint


def test_an_expression_of_chumpy_is_named(tmp_path):
    path = tmp_path / "model.pkl"
    product = foreign("chumpy.linalg", "dot", a=chumpy(np.eye(3)), b=chumpy(np.eye(3)))
    path.write_bytes(python2({**MODEL, "v_template": product}))
    assert "chumpy.linalg.dot" in refused(path).message


@pytest.mark.parametrize("content", [b"", b"<html>", pickle.dumps([1, 2]), pickle.dumps(MODEL)[:50_000]])
def test_a_pickle_that_is_not_a_model(tmp_path, content):
    path = tmp_path / "model.pkl"
    path.write_bytes(content)
    refused(path)


def test_truncated_and_corrupted_archives(tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, **MODEL)
    whole = path.read_bytes()
    for cut in (0, 10, 1000, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:cut])
        refused(path)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    path.write_bytes(flipped)
    assert "'posedirs' is damaged" in refused(path).message


def test_an_archive_that_unpacks_to_a_thousand_times_its_size_is_refused_unread(tmp_path):
    path = tmp_path / "model.npz"
    np.savez_compressed(path, **{**MODEL, "posedirs": np.zeros((6890, 3, 207))})
    assert path.stat().st_size < 1_000_000
    assert "'posedirs' would unpack to" in refused(path).message


def test_an_archive_with_a_pickle_inside_is_not_unpickled(tmp_path):
    class Runs:
        def __reduce__(self):
            return (tmp_path / "ran").touch, ()

    path = tmp_path / "model.npz"
    np.savez(path, **{**MODEL, "J_regressor": np.array([Runs()], dtype=object)})
    with zipfile.ZipFile(path) as archive:
        assert b"Path" in archive.read("J_regressor.npy")  # the program is there
    assert "J_regressor" in refused(path).message
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["nothing.pkl", "nothing.npz", "model.txt"])
def test_a_path_that_is_no_model(tmp_path, name):
    refused(tmp_path / name)
