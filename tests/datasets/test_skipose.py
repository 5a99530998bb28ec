import h5py
import numpy as np
import pytest
from hdf5_files import SPOILT, spoil_hdf5, write_hdf5

from posegen.body.joints import JOINT_SETS
from posegen.datasets.skipose import SkiPose
from posegen.errors import AssetError, UsageError

from .fixtures_skipose import N, labels, scene, skipose
from .fuzz import PATHS, outcome, spoil_array, spoil_bytes


def open_with(tmp_path, **changes):
    return SkiPose(skipose(tmp_path, labels() | changes), "test")


def test_every_row_is_a_record_with_its_image(tmp_path):
    dataset = SkiPose(skipose(tmp_path), "test")
    assert len(dataset) == len(list(dataset)) == N
    image = "test/seq_003/cam_02/image_000013.png"
    assert [r.image.relative_to(tmp_path).as_posix() for r in dataset][3] == image
    assert dataset[3].groups == {"sequence": "3", "camera": "2", "subject": "4"}
    assert len({r.key for r in dataset}) == N


def test_splits_are_folders(tmp_path):
    skipose(tmp_path, split="train")
    assert SkiPose(tmp_path, "train").split == "train"
    with pytest.raises(AssetError, match=r"labels\.h5 does not exist"):
        SkiPose(tmp_path, "test")
    with pytest.raises(UsageError, match="no split 'val'"):
        SkiPose(tmp_path, "val")


# traps


def test_the_right_leg_comes_first_as_in_videopose3d_and_not_as_in_spin(tmp_path):
    assert JOINT_SETS["ski17"].joints[1:7] == ("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee",
                                               "left_ankle")  # fmt: skip
    record = SkiPose(skipose(tmp_path), "test")[0]
    s = scene()
    hip = (s["joints"][0, 1] - s["joints"][0, 0]) @ s["turn"][0]  # the fixture's right hip, camera axes
    np.testing.assert_allclose(record.joints[JOINT_SETS["ski17"].joints.index("right_hip")], hip, atol=1e-5)


def test_head_and_head_top_are_one_point(tmp_path):
    joints = SkiPose(skipose(tmp_path), "test")[0].joints
    np.testing.assert_array_equal(joints[9], joints[10])


def test_3d_is_in_camera_axes_from_the_root_and_agrees_with_the_world(tmp_path):
    s = scene()
    for i, record in enumerate(SkiPose(skipose(tmp_path), "test")):
        camera = (s["joints"][i] - s["centre"][i]) @ s["turn"][i]  # R^T (X - C)
        np.testing.assert_allclose(record.joints, camera - camera[0], atol=1e-5)
        np.testing.assert_array_equal(record.joints[0], 0)


def test_ski_centers_csv_gives_the_root_from_the_camera_and_2d_follows(tmp_path):
    for record in SkiPose(skipose(tmp_path, centres=True), "test"):
        np.testing.assert_allclose(record.translation, [0.1, -0.2, 5.0], atol=1e-4)
        pixels = (record.joints + record.translation) @ record.intrinsics.T
        np.testing.assert_allclose(pixels[:, :2] / pixels[:, 2:], record.keypoints, atol=1e-2)


def test_without_ski_centers_csv_the_root_is_not_guessed(tmp_path):
    assert SkiPose(skipose(tmp_path), "test")[0].translation is None


def test_2d_and_intrinsics_are_shares_of_256_pixels_and_the_last_row_stays_one(tmp_path):
    content = labels()
    content["cam_intrinsic"] = content["cam_intrinsic"].copy()
    content["cam_intrinsic"][:, 8] = 1 / 256  # some conversions scale it too
    record = open_with(tmp_path, cam_intrinsic=content["cam_intrinsic"])[0]
    np.testing.assert_allclose(record.keypoints, content["2D"][0].reshape(17, 2) * 256, rtol=1e-5)
    np.testing.assert_allclose(record.intrinsics, [[768, 0, 128], [0, 768, 128], [0, 0, 1]], rtol=1e-6)


def test_the_published_crop_is_the_whole_image(tmp_path):
    box = SkiPose(skipose(tmp_path), "test")[0].box
    np.testing.assert_allclose((box[:2] + box[2:]) / 2, [128, 128])
    np.testing.assert_allclose(
        (box[2:] - box[:2]).numpy() * [1.1 * 4 / 3, 1.2], [256, 256], rtol=1e-6
    )  # CLIFF's; SPIN's


@pytest.mark.parametrize("shape", [(N,), (N, 1)])
def test_numbers_of_images_are_floats_of_either_shape(tmp_path, shape):
    content = labels()
    changes = {key: content[key].reshape(shape) for key in ("seq", "cam", "frame", "subj")}
    assert open_with(tmp_path, **changes)[2].image.name == "image_000012.png"


def test_matrices_may_be_flat_or_not(tmp_path):
    flat = SkiPose(skipose(tmp_path / "a", centres=True), "test")[1]
    content = labels()
    for key in ("cam_intrinsic", "R_cam_2_world"):
        content[key] = content[key].reshape(N, 3, 3)
    square = SkiPose(skipose(tmp_path / "b", content, centres=True), "test")[1]
    np.testing.assert_array_equal(flat.intrinsics, square.intrinsics)
    np.testing.assert_array_equal(flat.translation, square.translation)


@pytest.mark.parametrize(
    ("changes", "question"),
    [
        ({"3D": 1000 * labels()["3D"]}, "'3D' has legs of .*in which unit"),
        ({"3D": labels()["3D"] + 1}, "'3D' is not relative to joint 0: are these world coordinates"),
        ({"2D": 256 * labels()["2D"]}, "'2D' is not in shares of the image: are these pixels"),
        ({"cam_intrinsic": 256 * labels()["cam_intrinsic"]}, "'cam_intrinsic' is not in shares"),
        ({"R_cam_2_world": -labels()["R_cam_2_world"]}, "'R_cam_2_world' holds matrices that are not rotations"),
        ({"frame": labels()["frame"] + 0.5}, "'frame' is not a whole number"),
        ({"seq": -labels()["seq"] - 1}, "'seq' is not a whole number"),
        ({"cam": labels()["cam"][:3]}, "lengths of its arrays differ.*'cam': 3"),
        ({"3D": labels()["3D"][:, :48]}, r"'3D' has shape \(4, 48\), not \(N, 51\) or \(N, 17, 3\)"),
    ],
)
def test_what_is_uncertain_is_a_question_and_not_a_guess(tmp_path, changes, question):
    with pytest.raises(AssetError, match=rf"labels\.h5: .*{question}"):
        open_with(tmp_path, **changes)


@pytest.mark.parametrize("key", list(labels()))
def test_a_missing_key_is_named(tmp_path, key):
    content = labels()
    del content[key]
    with pytest.raises(AssetError, match=rf"labels\.h5 has no '{key}'"):
        SkiPose(skipose(tmp_path, content), "test")


@pytest.mark.parametrize("way", range(SPOILT))
def test_links_and_data_in_other_files_are_refused(tmp_path, way):
    skipose(tmp_path)
    spoil_hdf5(tmp_path / "test/labels.h5", "3D", way)
    with pytest.raises(AssetError, match=r"labels\.h5: .*'3D'|labels\.h5 has no '3D'"):
        SkiPose(tmp_path, "test")


def test_arrays_packed_with_gzip_are_read(tmp_path):
    path = write_hdf5(tmp_path / "test/labels.h5", labels())
    with h5py.File(path, "a") as file:
        data = file["3D"][()]
        del file["3D"]
        file.create_dataset("3D", data=data, compression="gzip", shuffle=True, fletcher32=True)
    assert len(SkiPose(tmp_path, "test")) == N


@pytest.mark.parametrize("line", ["0 1 2 3", "0 1 x y z", "0 1 nan 0 0", *PATHS[:2]])
def test_a_line_of_ski_centers_csv_that_is_wrong_is_named(tmp_path, line):
    skipose(tmp_path, centres=True)
    with (tmp_path / "ski_centers.csv").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(AssetError, match=r"ski_centers\.csv: line 5"):
        SkiPose(tmp_path, "test")


def test_200_damaged_data_sets_load_or_name_what_is_wrong(tmp_path):
    rng = np.random.default_rng(1)
    content, failed = labels(), 0
    whole = write_hdf5(tmp_path / "whole.h5", content).read_bytes()
    for i in range(200):
        root = tmp_path / str(i)
        if i % 3 == 0:
            (root / "test").mkdir(parents=True)
            (root / "test/labels.h5").write_bytes(spoil_bytes(whole, rng))
        else:
            spoilt = dict(content)
            for key in rng.choice(list(content), rng.integers(1, 3), replace=False):
                spoilt[key] = spoil_array(spoilt[key], rng)
            skipose(root, spoilt)
            if i % 3 == 1:
                spoil_hdf5(root / "test/labels.h5", str(rng.choice(list(content))), i // 3 % SPOILT)
        error = outcome(lambda root=root: SkiPose(root, "test"), root, ["labels.h5"], list(content))
        failed += error is not None
    assert 100 < failed < 200
