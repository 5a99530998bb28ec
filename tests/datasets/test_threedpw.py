import pickle

import numpy as np
import pytest
import torch

from posegen.datasets.threedpw import ThreeDPW
from posegen.errors import AssetError, UsageError

from .fixtures_pickles import python2
from .fixtures_threedpw import FRAMES, sequence, skeleton, threedpw
from .fuzz import outcome, spoil_bytes, spoil_values

NAME = "downtown_test_00"


@pytest.fixture
def root(tmp_path):
    return threedpw(tmp_path / "3DPW", {NAME: sequence()})


def open_with(root, **changes):
    return ThreeDPW(threedpw(root, {NAME: {**sequence(), **changes}}), "test")


def of(dataset, key):
    return next(record for record in dataset if record.key == key)


def test_every_record_of_every_sequence_comes_once(tmp_path):
    root = threedpw(tmp_path, {NAME: sequence(), "office_01": sequence(1, seed=1)})
    dataset = ThreeDPW(root, "test")
    keys = [record.key for record in dataset]
    assert len(dataset) == len(set(keys)) == (4 + 5) + 4
    assert {key.split("/")[0] for key in keys} == {NAME, "office_01"}


def test_splits_are_folders_and_do_not_mix(tmp_path):
    threedpw(tmp_path, {"a": sequence()}, "train")
    threedpw(tmp_path, {"b": sequence()}, "validation")
    assert {r.groups["sequence"] for r in ThreeDPW(tmp_path, "train")} == {"a"}
    assert {r.groups["sequence"] for r in ThreeDPW(tmp_path, "validation")} == {"b"}
    with pytest.raises(AssetError, match=r"test holds no \.pkl file"):
        ThreeDPW(tmp_path, "test")
    with pytest.raises(UsageError) as caught:
        ThreeDPW(tmp_path, "tets")
    assert "'test'" in caught.value.hint


# the traps of the format, by their number in the reference


def test_t1_an_image_is_numbered_by_its_row_and_not_by_img_frame_ids(root):
    images = {record.image.relative_to(root).as_posix() for record in ThreeDPW(root, "test")}
    assert f"imageFiles/{NAME}/image_00005.jpg" in images
    assert not any("00010" in image for image in images)


def test_t2_betas_may_have_300_numbers_of_which_10_count(root):
    assert sequence()["betas"][1].shape == (300,)
    record = of(ThreeDPW(root, "test"), f"{NAME}/00004/1")
    np.testing.assert_allclose(record.betas, sequence()["betas"][1][:10], rtol=1e-6)


def test_t3_the_root_is_turned_from_the_world_into_the_camera(root):
    for record in ThreeDPW(root, "test"):
        joints = record.joints - record.joints[0]
        np.testing.assert_allclose(joints, skeleton(record.pose.double().numpy()[None])[0], atol=1e-5)


def test_t3_joints_are_moved_into_the_camera_and_its_pixels(root):
    content = sequence()
    record = of(ThreeDPW(root, "test"), f"{NAME}/00004/1")
    world = content["jointPositions"][1][4].reshape(24, 3)
    camera = world @ content["cam_poses"][4, :3, :3].T + content["cam_poses"][4, :3, 3]
    pixels = camera @ content["cam_intrinsics"].T
    np.testing.assert_allclose(record.joints, camera, atol=1e-5)
    np.testing.assert_allclose(record.translation, camera[0], atol=1e-5)
    np.testing.assert_allclose(record.keypoints, pixels[:, :2] / pixels[:, 2:], atol=1e-2)
    assert record.joint_set == "smpl24"


def test_t4_each_person_has_frames_of_its_own_where_the_camera_is_valid(root):
    dataset = ThreeDPW(root, "test")
    frames = {p: {int(r.key.split("/")[1]) for r in dataset if r.key.endswith(f"/{p}")} for p in "01"}
    assert frames == {"0": {2, 3, 4, 5}, "1": {0, 1, 3, 4, 5}}
    assert dataset.skipped == {"camera": 2, "detection": 1}


def test_t4_a_sequence_may_be_of_one_person(tmp_path):
    dataset = ThreeDPW(threedpw(tmp_path, {NAME: sequence(1)}), "test")
    assert {record.groups["subject"] for record in dataset} == {f"{NAME}/0"}


def test_t4_values_of_frames_that_do_not_count_may_be_anything(root):
    content = sequence()
    content["poses"][0][0] = content["cam_poses"][0, 0, 0] = content["jointPositions"][0][1] = np.nan
    content["campose_valid"][1][0] = 0
    dataset = open_with(root, **content)
    assert len(list(dataset)) == len(dataset) == 8


def test_t5_files_are_pickles_of_python_2_in_latin_1(root):
    content = {**sequence(), "sequence": "caf\xe9"}
    data = python2(content)
    with pytest.raises(UnicodeDecodeError):
        pickle.loads(data)
    assert len(open_with(root, sequence="caf\xe9")) == 9


def test_t6_frames_without_a_detection_are_left_out_and_counted(root):
    content = sequence()
    content["poses2d"][1][:] = 0
    dataset = open_with(root, poses2d=content["poses2d"])
    assert dataset.skipped["detection"] == 1 + (FRAMES - 1)
    assert {record.groups["subject"] for record in dataset} == {f"{NAME}/0"}


def test_t7_ground_truth_is_of_the_persons_gender(root):
    assert {r.key[-1]: r.gender for r in ThreeDPW(root, "test")} == {"0": "male", "1": "female"}


def test_t8_a_joint_that_was_not_found_is_no_point_at_the_origin(root):
    box = of(ThreeDPW(root, "test"), f"{NAME}/00003/0").box
    points = sequence()["poses2d"][0][3]
    seen = np.arange(18) != 5
    expected = [*points[:2, seen].min(axis=1), *points[:2, seen].max(axis=1)]
    np.testing.assert_allclose(box, expected, rtol=1e-6)
    assert box[0] > 0


def test_keys_may_be_spelt_as_in_the_readme(root):
    content = sequence()
    content["gender"], content["poses2D"] = content.pop("genders"), content.pop("poses2d")
    (root / "sequenceFiles/test" / f"{NAME}.pkl").write_bytes(python2(content))
    assert len(ThreeDPW(root, "test")) == 9


def test_the_sequence_of_the_file_cannot_choose_the_folder_of_the_images(root):
    dataset = open_with(root, sequence="../../../../etc")
    assert all(record.image.is_relative_to(root / "imageFiles" / NAME) for record in dataset)


def test_arrays_of_the_file_are_not_changed_by_reading_a_record(root):
    dataset = ThreeDPW(root, "test")
    first, again = dataset[0], dataset[0]
    assert torch.equal(first.pose, again.pose)
    assert torch.equal(first.joints, again.joints)


def test_the_scan_is_kept_until_a_file_changes(root):
    scans = []
    ThreeDPW(root, "test", progress=lambda done, total: scans.append((done, total)))
    ThreeDPW(root, "test", progress=lambda done, total: scans.append((done, total)))
    assert scans == [(1, 1)]
    threedpw(root, {"office_01": sequence(1)})
    assert len(ThreeDPW(root, "test", progress=lambda done, total: scans.append((done, total)))) == 9 + 4
    assert scans == [(1, 1), (1, 2), (2, 2)]


@pytest.mark.parametrize("key", ["poses", "betas", "genders", "poses2d", "jointPositions", "cam_poses",
                                 "campose_valid", "cam_intrinsics"])  # fmt: skip
def test_a_missing_key_is_named_with_its_file(root, key):
    content = sequence()
    del content[key]
    (root / "sequenceFiles/test" / f"{NAME}.pkl").write_bytes(python2(content))
    with pytest.raises(AssetError, match=rf"{NAME}\.pkl.*'{key}'"):
        ThreeDPW(root, "test")


def test_a_camera_that_reflects_is_refused(root):
    content = sequence()
    content["cam_poses"][:, 0, :3] *= -1
    with pytest.raises(AssetError, match="'cam_poses' holds matrices that are not rotations"):
        open_with(root, cam_poses=content["cam_poses"])


KEYS = ["poses", "betas", "genders", "poses2d", "jointPositions", "cam_poses", "campose_valid", "cam_intrinsics",
        "sequence", "trans"]  # fmt: skip


def test_200_damaged_data_sets_load_or_name_what_is_wrong(tmp_path):
    rng = np.random.default_rng(0)
    content, marker = sequence(), tmp_path / "ran"
    whole, failed = python2(content), 0
    for i in range(200):
        root = tmp_path / str(i)
        path = threedpw(root, {}) / "sequenceFiles/test" / f"{NAME}.pkl"
        spoilt = spoil_bytes(whole, rng) if i % 4 == 0 else python2(spoil_values(content, KEYS, rng, marker))
        path.write_bytes(spoilt)
        failed += outcome(lambda root=root: ThreeDPW(root, "test"), root, [f"{NAME}.pkl"], KEYS) is not None
        assert not marker.exists()
    assert 100 < failed < 200
