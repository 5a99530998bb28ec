import numpy as np
import pytest
from hdf5_files import SPOILT, spoil_hdf5

from posegen.body.joints import JOINT_SETS
from posegen.datasets.mpi_inf_3dhp import Mpi3DHP
from posegen.datasets.mpi_inf_3dhp_train import CHEST, read_calibration
from posegen.errors import AssetError, UsageError

from .fixtures_mpi_inf_3dhp import (
    CUT_OFF,
    INVALID,
    TEST_JOINTS,
    TRAIN_JOINTS,
    UNIVERSAL,
    N,
    calibration,
    labels_of_test,
    train_labels,
    write_test,
    write_train,
)
from .fuzz import outcome, spoil_array, spoil_bytes


def opened(tmp_path, split="test", **changes):
    write = write_test if split == "test" else write_train
    content = labels_of_test() if split == "test" else train_labels()
    return Mpi3DHP(write(tmp_path, content | changes), split)


# the test set


def test_only_valid_frames_count(tmp_path):
    dataset = opened(tmp_path)
    assert len(dataset) == len(list(dataset)) == N - 1
    assert f"TS1/{INVALID + 1:06d}" not in {r.key for r in dataset}


def test_images_of_the_test_set_are_numbered_from_1(tmp_path):
    dataset = opened(tmp_path)
    assert dataset[0].image == tmp_path / "mpi_inf_3dhp_test_set/TS1/imageSequence/img_000001.jpg"
    assert dataset[-1].image.name == "img_000006.jpg"


def test_dimensions_of_v73_are_reversed_and_a_block_of_matlab_stands_before_them(tmp_path):
    with (write_test(tmp_path) / "mpi_inf_3dhp_test_set/TS1/annot_data.mat").open("rb") as file:
        assert not file.read(4).startswith(b"\x89HDF")
    content = labels_of_test()
    record = Mpi3DHP(tmp_path, "test")[1]
    np.testing.assert_allclose(record.keypoints, content["annot2"][1, 0], rtol=1e-6)
    with pytest.raises(AssetError, match=r"annot_data\.mat: 'annot2' has shape \(2, 17, 1, 6\), not \(N, 1, 17, 2\)"):
        opened(tmp_path, annot2=content["annot2"].T)


def test_the_test_set_is_judged_on_the_universal_skeleton_and_the_real_one_is_an_option(tmp_path):
    content = labels_of_test()
    universal, real = opened(tmp_path)[0].joints, Mpi3DHP(tmp_path, "test", skeleton="real")[0].joints
    np.testing.assert_allclose(universal, content["univ_annot3"][0, 0] / 1000, rtol=1e-5)
    np.testing.assert_allclose(real, content["annot3"][0, 0] / 1000, rtol=1e-5)
    np.testing.assert_allclose(universal, UNIVERSAL * real, rtol=1e-5)
    with pytest.raises(UsageError, match="no skeleton 'univ'"):
        Mpi3DHP(tmp_path, "test", skeleton="univ")


def test_joints_are_millimetres_in_the_file_and_metres_in_records(tmp_path):
    content = labels_of_test()
    with pytest.raises(AssetError, match=r"'univ_annot3' has legs of .*which are no millimetres"):
        opened(tmp_path, univ_annot3=content["univ_annot3"] / 1000)


def test_the_17_joints_of_the_test_set_are_not_in_the_order_of_the_28(tmp_path):
    assert JOINT_SETS["3dhp17"].joints == TEST_JOINTS
    assert JOINT_SETS["3dhp28"].joints == TRAIN_JOINTS
    assert opened(tmp_path)[0].joint_set == "3dhp17"


def test_ts5_and_ts6_are_1920_by_1080_and_the_others_2048_square(tmp_path):
    points = labels_of_test()["annot2"]
    points[:, 0, 3] = (1000, 1500)  # inside 2048 x 2048, below 1920 x 1080
    write_test(tmp_path, labels_of_test() | {"annot2": points}, "TS4")
    write_test(tmp_path, labels_of_test() | {"annot2": points}, "TS5")
    inside = {r.key[:3]: r.groups["inside"] for r in Mpi3DHP(tmp_path, "test") if r.key.endswith("000001")}
    assert inside == {"TS4": "yes", "TS5": "no"}


def test_frames_that_are_cut_off_are_kept_and_marked_for_spins_protocol(tmp_path):
    marked = {int(r.key[-6:]) - 1: r.groups["inside"] for r in opened(tmp_path)}
    assert marked[CUT_OFF] == "no"
    assert list(marked.values()).count("no") == 1


def test_activity_and_scene_are_groups(tmp_path):
    write_test(tmp_path, name="TS1")
    write_test(tmp_path, name="TS6")
    records = list(Mpi3DHP(tmp_path, "test"))
    assert records[0].groups["action"] == "standing/walking"
    assert records[-1].groups == {"sequence": "TS6", "action": "sports", "scene": "outdoor", "inside": "yes"}
    with pytest.raises(AssetError, match="'activity_annotation' is not 1 to 7"):
        opened(tmp_path, activity_annotation=labels_of_test()["activity_annotation"] + 5)


def test_the_box_is_tight_around_the_points(tmp_path):
    record = opened(tmp_path)[0]
    low, high = record.keypoints.amin(0), record.keypoints.amax(0)
    np.testing.assert_array_equal(record.box, [*low, *high])


def test_the_folder_may_be_the_test_set_itself(tmp_path):
    write_test(tmp_path, inside=False)
    assert len(Mpi3DHP(tmp_path, "test")) == N - 1
    with pytest.raises(AssetError, match=r"has no TS1\.\.TS6"):
        Mpi3DHP(tmp_path / "TS1", "test")


def test_values_that_are_no_numbers_matter_in_valid_frames_alone(tmp_path):
    assert np.isnan(labels_of_test()["annot2"][INVALID]).all()
    points = labels_of_test()["annot2"]
    points[0, 0, 0, 0] = np.nan
    with pytest.raises(AssetError, match="'annot2' of a valid frame"):
        opened(tmp_path, annot2=points)


# the training set


def test_training_takes_every_tenth_frame_of_the_chest_cameras(tmp_path):
    dataset = opened(tmp_path, "train")
    assert len(dataset) == len(CHEST) * 3
    assert {r.groups["camera"] for r in dataset} == {str(c) for c in (0, 1, 2, 4, 5, 6, 7, 8)}
    assert [r.key for r in dataset][:3] == [f"S1/Seq1/video_0/{n:06d}" for n in (1, 11, 21)]
    assert len(Mpi3DHP(tmp_path, "train", cameras=(3, 13), step=1)) == 42


def test_training_joints_are_the_real_skeleton_in_camera_axes(tmp_path):
    content = train_labels()
    record = next(r for r in opened(tmp_path, "train") if r.key == "S1/Seq1/video_4/000011")
    np.testing.assert_allclose(record.joints, content["annot3"][4, 0][10].reshape(28, 3) / 1000, rtol=1e-5)
    np.testing.assert_allclose(record.keypoints, content["annot2"][4, 0][10].reshape(28, 2), rtol=1e-6)
    assert record.joint_set == "3dhp28"


def test_frames_are_found_by_number_and_not_by_the_order_of_a_folder(tmp_path):
    folder = tmp_path / "S1/Seq1/imageFrames/video_0"
    folder.mkdir(parents=True)
    for n in (11, 1, 21):
        (folder / f"frame_{n:06d}.jpg").touch()
    records = {r.key: r for r in opened(tmp_path, "train")}
    assert records["S1/Seq1/video_0/000011"].image == folder / "frame_000011.jpg"
    assert records["S1/Seq1/video_1/000011"].image is None  # a video whose frames were not extracted


def test_the_video_that_ends_before_its_annotations_is_cut(tmp_path):
    content = train_labels(1)
    for key, width in (("annot2", 56), ("annot3", 84)):
        content[key][2, 0] = np.tile(content[key][2, 0], (3921, 1)).reshape(3921, width)
    write_train(tmp_path, content, "S6", "Seq2", compressed=False)
    assert len(Mpi3DHP(tmp_path, "train", cameras=(2,), step=1)) == 3911


def test_calibration_is_read_by_its_words_and_not_by_its_columns(tmp_path):
    path = tmp_path / "camera.calibration"
    for indent in ("  ", "\t", ""):
        path.write_text(calibration(3, indent))
        cameras = read_calibration(path)
        assert cameras[2][1] == (2048, 2048)
        np.testing.assert_array_equal(cameras[2][0], [[1502, 0, 1024], [0, 1492, 1020], [0, 0, 1]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it describes no camera"),
        ("<html>", "it describes no camera"),
        (calibration().replace("intrinsic", "intrinsik"), "block 1 lacks 'intrinsic'"),
        (calibration().replace("1024 0", "x 0"), "block 1 lacks 'intrinsic', or cannot read it"),
        (calibration().replace("1024 0", "nan 0"), "'intrinsic'"),
        (calibration(7), "has no block whose 'name' is 7"),
    ],
)
def test_a_calibration_that_is_wrong_is_named(tmp_path, text, message):
    write_train(tmp_path)
    (tmp_path / "S1/Seq1/camera.calibration").write_text(text)
    with pytest.raises(AssetError, match=rf"camera\.calibration:? .*{message}"):
        Mpi3DHP(tmp_path, "train")


def test_cameras_of_different_lengths_are_named(tmp_path):
    content = train_labels()
    content["annot3"][5, 0] = content["annot3"][5, 0][:20]
    with pytest.raises(AssetError, match=r"annot\.mat: 'annot2' and 'annot3' of camera 5"):
        list(opened(tmp_path, "train", **content))


def test_the_index_is_kept_until_the_file_changes(tmp_path, monkeypatch):
    assert len(opened(tmp_path, "train")) == 24
    with monkeypatch.context() as patch:
        patch.setattr("posegen.datasets.mpi_inf_3dhp_train.read_v5", None)  # nothing may be read again
        assert len(Mpi3DHP(tmp_path, "train")) == 24
    write_train(tmp_path, train_labels(31))
    assert len(Mpi3DHP(tmp_path, "train")) == 32


def test_200_damaged_test_sets_load_or_name_what_is_wrong(tmp_path):
    rng = np.random.default_rng(2)
    content, failed = labels_of_test(), 0
    used = ["annot2", "univ_annot3", "valid_frame", "activity_annotation"]
    write_test(tmp_path)
    whole = (tmp_path / "mpi_inf_3dhp_test_set/TS1/annot_data.mat").read_bytes()
    for i in range(200):
        root = tmp_path / str(i)
        path = root / "TS1/annot_data.mat"
        if i % 3 == 0:
            path.parent.mkdir(parents=True)
            path.write_bytes(spoil_bytes(whole, rng))
        else:
            key = str(rng.choice(used))
            write_test(root, content | {key: spoil_array(content[key], rng)}, inside=False)
            if i % 3 == 1:
                spoil_hdf5(path, str(rng.choice(used)), i // 3 % SPOILT)
        failed += outcome(lambda root=root: Mpi3DHP(root, "test"), root, ["annot_data.mat"], used) is not None
    assert 100 < failed < 200


def test_200_damaged_training_sets_load_or_name_what_is_wrong(tmp_path):
    rng = np.random.default_rng(3)
    content, failed = train_labels(3), 0
    write_train(tmp_path, content)
    whole, text = (tmp_path / "S1/Seq1/annot.mat").read_bytes(), calibration()
    for i in range(200):
        root = tmp_path / str(i)
        spoilt = dict(content)
        if i % 2:
            key, camera = rng.choice(["annot2", "annot3"]), rng.choice(CHEST)
            spoilt[key] = spoilt[key].copy()
            spoilt[key][camera, 0] = spoil_array(spoilt[key][camera, 0], rng)
            if i % 20 == 1:
                spoilt[key] = np.zeros((14, 84))
            if i % 20 == 3:
                del spoilt[key]
        write_train(root, spoilt, text=text)
        if i % 4 == 0:
            (root / "S1/Seq1/annot.mat").write_bytes(spoil_bytes(whole, rng))
        if i % 4 == 2:
            damaged = spoil_bytes(text.encode(), rng)
            (root / "S1/Seq1/camera.calibration").write_bytes(damaged)
        names, keys = ["annot.mat", "camera.calibration"], ["annot2", "annot3", "intrinsic", "size", "name"]

        def read(root=root):
            return Mpi3DHP(root, "train", step=1)

        failed += outcome(read, root, names, keys) is not None
    assert 80 < failed < 200
