import sys

import numpy as np
import pytest
import scipy.io
import torch

from posegen.body import JOINT_SETS
from posegen.datasets.surreal import Surreal
from posegen.errors import AssetError, UsageError
from posegen.geometry import rotvec_to_rotmat

from .fixtures_surreal import clip, write
from .fixtures_threedpw import skeleton
from .fuzz import PATHS, outcome, spoil_array, spoil_bytes

CLIP = "test/run0/01_01/01_01_c0001"
PAIRS = JOINT_SETS["smpl24"].left_right


@pytest.fixture
def root(tmp_path):
    return write(tmp_path / "SURREAL", {CLIP: clip()})


def swapped(joints):
    order = list(range(24))
    for left, right in PAIRS:
        order[left], order[right] = right, left
    return joints[order]


def test_a_record_is_a_frame_of_a_clip(tmp_path):
    root = write(tmp_path, {CLIP: clip(3), "test/run2/ung_104_07/ung_104_07_c0002": clip(5, seed=1)})
    dataset = Surreal(root, "test")
    assert [r.key for r in dataset][2:5] == [
        "run0/01_01_c0001/002/0", "run2/ung_104_07_c0002/000/0", "run2/ung_104_07_c0002/001/0"]  # fmt: skip
    assert len(dataset) == 8
    record = dataset[3]
    assert (record.image, record.groups["frame"]) == (None, "0")
    assert record.groups["video"].endswith("run2/ung_104_07/ung_104_07_c0002.mp4")


def test_the_mirror_left_and_right_are_exchanged_so_that_labels_fit_the_video(root):
    content = clip()
    for t, record in enumerate(Surreal(root, "test")):
        np.testing.assert_array_equal(record.keypoints, swapped(content["joints2D"][:, :, t].T))


def test_the_mirror_joints_and_pose_tell_of_the_same_body(root):
    for record in Surreal(root, "test"):
        around = record.joints - record.joints[0]
        np.testing.assert_allclose(around, skeleton(record.pose.double().numpy()[None])[0], atol=1e-5)


def test_the_mirror_joints_project_to_their_pixels_without_a_reflection(root):
    for record in Surreal(root, "test"):
        points = record.joints @ record.intrinsics.T
        np.testing.assert_allclose(points[:, :2] / points[:, 2:], record.keypoints, atol=0.51)
        assert torch.linalg.det(rotvec_to_rotmat(record.pose[0])) > 0


def test_an_upright_person_is_upright_in_the_picture(root):
    for record in Surreal(root, "test"):
        head, ankles = record.joints[15], record.joints[[7, 8]].mean(dim=0)
        assert head[1] < ankles[1]


def test_zrot_is_part_of_the_root_though_pose_leaves_it_out(root):
    content = clip()
    before = Surreal(root, "test")[0].pose
    content["pose"][:3] = 0
    assert not torch.allclose(before[0], torch.from_numpy(content["pose"][:3, 0]))
    turned = {**clip(), "zrot": clip()["zrot"] + 1}
    after = Surreal(write(root, {CLIP: turned}), "test")[0].pose
    assert not torch.allclose(before[0], after[0], atol=0.1)
    assert torch.equal(before[1:], after[1:])


def test_a_clip_of_one_frame_has_lost_its_last_axis(tmp_path):
    content = clip(1)
    assert content["joints3D"].shape == (3, 24)
    root = write(tmp_path, {CLIP: content})
    (record,) = Surreal(root, "test")
    np.testing.assert_array_equal(record.keypoints, swapped(content["joints2D"].T))


def test_gender_0_is_female_and_1_male(tmp_path):
    root = write(tmp_path, {CLIP: clip(gender=0), "test/run0/02_01/02_01_c0001": clip(gender=1, seed=1)})
    assert [record.gender for record in Surreal(root, "test")] == ["female"] * 3 + ["male"] * 3
    content = clip()
    content["gender"][1] = 1
    with pytest.raises(AssetError, match="'gender' is not one of"):
        Surreal(write(tmp_path, {CLIP: content}), "test")


def test_betas_of_each_frame(root):
    np.testing.assert_allclose(Surreal(root, "test")[2].betas, clip()["shape"][:, 2])


@pytest.mark.parametrize("folder", ["143_21", "ung_143_21"])
def test_the_broken_clip_is_left_out_and_counted(root, folder):
    dataset = Surreal(write(root, {f"test/run1/{folder}/{folder}_c0001": clip()}), "test")
    assert (len(dataset), dataset.skipped) == (3, 1)


def test_names_may_hold_spaces(tmp_path):
    dataset = Surreal(write(tmp_path, {"test/run0/ung_104_07 b/ung_104_07 b_c0001": clip()}), "test")
    assert dataset[0].groups["sequence"] == "ung_104_07 b"


def test_the_folder_of_validation_is_called_val_and_cmu_may_lie_deeper(tmp_path):
    write(tmp_path / "SURREAL/data", {CLIP.replace("test", "val"): clip()})
    for root in (tmp_path, tmp_path / "SURREAL", tmp_path / "SURREAL/data", tmp_path / "SURREAL/data/cmu"):
        assert len(Surreal(root, "validation")) == 3


def test_a_clip_of_another_camera_is_a_question(root):
    content = clip()
    content["joints2D"][0] = 319 - content["joints2D"][0]
    with pytest.raises(AssetError) as caught:
        Surreal(write(root, {CLIP: content}), "test")
    assert "'joints2D' lies" in caught.value.message
    assert "mirrored" in caught.value.hint


def test_anerfs_render_and_other_folders_are_not_this(tmp_path):
    with pytest.raises(AssetError, match="posegen assets set surreal"):
        Surreal(tmp_path, "test")
    (tmp_path / "surreal_train_h5py.h5").write_bytes(b"")
    with pytest.raises(UsageError, match="A-NeRF's render"):
        Surreal(tmp_path, "test")
    with pytest.raises(UsageError, match="no split 'val'"):
        Surreal(tmp_path, "val")


def test_scipy_is_not_needed(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    assert len(list(Surreal(root, "test"))) == 3


def test_the_scan_is_kept_until_a_file_changes(root):
    seen = []
    for _ in range(2):
        Surreal(root, "test", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 1)]


KEYS = ["joints2D", "joints3D", "pose", "shape", "zrot", "camLoc", "gender"]


def test_200_damaged_data_sets_load_or_name_what_is_wrong(tmp_path):
    rng = np.random.default_rng(0)
    failed, name = 0, "01_01_c0001_info.mat"
    for i in range(200):
        content = clip(1 + i % 3)
        if i % 4:
            key = KEYS[rng.integers(len(KEYS))]
            way = rng.integers(5)
            value = content.pop(key)
            if way == 1:
                content[key] = PATHS[rng.integers(len(PATHS))]
            elif way > 1:
                content[key] = spoil_array(value, rng)
        root = write(tmp_path / str(i), {CLIP: content})
        if i % 4 == 0:
            path = root / "cmu" / f"{CLIP}_info.mat"
            if i % 8 == 0:
                scipy.io.savemat(path, content)  # not compressed: damage reaches the arrays
            path.write_bytes(spoil_bytes(path.read_bytes(), rng))
        failed += outcome(lambda root=root: Surreal(root, "test"), root, [name], KEYS) is not None
    assert 100 < failed < 200
