import pickle
import zipfile

import numpy as np
import pytest
import torch
from posegen_cliff.estimator import Cliff
from posegen_spin.estimator import Spin

from posegen.body.joints import JOINT_SETS
from posegen.datasets.npz import Npz
from posegen.errors import AssetError, UsageError
from posegen.npz_file import SMALL, NpzFile

from .fixtures_npz import J24, NAMES, N, bedlam, cliff, header, humans, spin, write, write_member
from .fuzz import PATHS, outcome, spoil_array, spoil_bytes

LAYOUTS = {"spin": spin, "bedlam": bedlam, "4d-humans": humans}


def opened(tmp_path, content, name="labels.npz", **options):
    return Npz(write(tmp_path / name, content), **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_layout_is_told_by_its_keys(tmp_path, layout, compressed):
    dataset = Npz(write(tmp_path / "x.npz", LAYOUTS[layout](), compressed=compressed))
    assert dataset.layout == layout
    assert len(dataset) == len(list(dataset)) == len({r.key for r in dataset}) == N
    assert [r.image for r in dataset] == [tmp_path / name for name in NAMES]


def test_root_may_be_the_folder_of_a_single_npz(tmp_path):
    write(tmp_path / "a.npz", spin())
    assert len(Npz(tmp_path)) == N
    write(tmp_path / "b.npz", spin())
    with pytest.raises(AssetError, match=r"not one npz but: a\.npz, b\.npz"):
        Npz(tmp_path)


def test_only_imgname_center_and_scale_are_needed_besides_some_label(tmp_path):
    content = {key: value for key, value in spin().items() if key in ("imgname", "center", "scale", "S")}
    record = opened(tmp_path, content)[1]
    assert record.pose is record.betas is record.gender is record.keypoints is None
    assert record.joints.shape == (24, 3)
    with pytest.raises(AssetError, match="has none of 'pose'"):
        opened(tmp_path, {key: value for key, value in content.items() if key != "S"})


# SPIN


def test_the_24_joints_of_spin_are_not_those_of_smpl(tmp_path):
    assert JOINT_SETS["spin24"].joints == J24
    content = spin()
    record = opened(tmp_path, content)[2]
    assert record.joint_set == "spin24"
    np.testing.assert_allclose(record.joints, content["S"][2, :, :3], rtol=1e-6)
    np.testing.assert_allclose(record.keypoints, content["part"][2, :, :2])


def test_the_last_column_of_s_is_a_confidence_and_0_is_no_joint(tmp_path):
    visible = opened(tmp_path, spin())[0].visible
    assert [i for i, seen in enumerate(visible) if not seen] == [13, 15]


def test_has_smpl_of_0_means_that_the_pose_is_none(tmp_path):
    dataset = opened(tmp_path, spin())
    assert [r.pose is None for r in dataset] == [r.betas is None for r in dataset] == [False, True, False]
    content = {key: value for key, value in spin().items() if key != "has_smpl"}
    assert all(r.pose is not None for r in opened(tmp_path, content))


def test_the_box_has_spins_margin_taken_off(tmp_path):
    content = spin()
    for record, centre, scale in zip(opened(tmp_path, content), content["center"], content["scale"], strict=True):
        np.testing.assert_allclose((record.box[:2] + record.box[2:]) / 2, centre, rtol=1e-5)
        np.testing.assert_allclose(
            (record.box[2:] - record.box[:2]).numpy() * [1.1 * 4 / 3, 1.2], 200 * scale, rtol=1e-5
        )


@pytest.mark.parametrize("estimator", [Spin, Cliff])
def test_a_crop_is_as_high_as_the_published_one(tmp_path, estimator):
    """Also CLIFF's, which is 3 to 4 and has another margin."""
    content = spin()
    made = estimator(estimator.Options(weights="untrained"))
    boxes = torch.stack([record.box for record in opened(tmp_path, content)])
    middle, side = made.square(boxes)
    np.testing.assert_allclose(middle, content["center"], rtol=1e-5)
    np.testing.assert_allclose(side, 200 * content["scale"], rtol=1e-5)


def test_part_of_cliffs_files_is_in_smpls_order_though_the_keys_are_spins(tmp_path):
    assert opened(tmp_path, cliff(), "mpii_cliffGT.npz")[0].joint_set == "smpl24"
    assert opened(tmp_path, cliff(), "mpii_train.npz")[0].joint_set == "spin24"
    assert opened(tmp_path, cliff(), "renamed.npz", part_order="smpl24")[0].joint_set == "smpl24"
    assert opened(tmp_path, cliff(), "x_cliff.npz", part_order="spin24")[0].joint_set == "spin24"
    with pytest.raises(UsageError, match="no part order 'j24'"):
        opened(tmp_path, cliff(), part_order="j24")


def test_s_of_cliffs_files_is_of_an_unknown_order_and_is_not_read(tmp_path):
    record = opened(tmp_path, cliff(), "mpii_cliffGT.npz")[0]
    assert record.joints is None
    assert record.pose is not None
    assert record.keypoints is not None


def test_genders_are_spelt_in_many_ways_and_an_unknown_one_is_a_question(tmp_path):
    assert [r.gender for r in opened(tmp_path, spin())] == ["male", "female", "male"]
    assert [r.gender for r in opened(tmp_path, bedlam())] == ["female", "male", "neutral"]
    as_bytes = spin() | {"gender": np.array([b"m", b"f", b""])}
    assert [r.gender for r in opened(tmp_path, as_bytes)] == ["male", "female", "neutral"]
    with pytest.raises(AssetError, match="'gender' is 'x' in row 1: which of m, f, n"):
        list(opened(tmp_path, spin() | {"gender": np.array(["m", "x", "m"])}))


# 4D-Humans


def test_scale_is_in_pixels_in_4d_humans_and_over_200_in_the_others(tmp_path):
    record = opened(tmp_path, humans())[0]
    np.testing.assert_allclose((record.box[2:] - record.box[:2]).numpy() * [1.1 * 4 / 3, 1.2], 240, rtol=1e-5)
    both = humans() | {"scale": np.stack([humans()["scale"], humans()["scale"] / 2], 1)}
    np.testing.assert_array_equal(opened(tmp_path, both)[0].box, record.box)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_scale_in_the_other_unit_is_a_question(tmp_path, layout):
    content = LAYOUTS[layout]()
    content["scale"] = content["scale"] / 200 if layout == "4d-humans" else content["scale"] * 200
    with pytest.raises(AssetError, match=r"'scale' is about .* in which unit is it"):
        opened(tmp_path, content)


def test_the_face_of_4d_humans_comes_from_openpose_right_before_left(tmp_path):
    content = humans()
    record = opened(tmp_path, content)[0]
    assert record.joint_set == "spin24"
    rng_free = content["body_keypoints_3d"][0]
    for joint, row in (("nose", 0), ("right_eye", 15), ("left_eye", 16), ("right_ear", 17), ("left_ear", 18)):
        np.testing.assert_allclose(record.joints[J24.index(joint)], rng_free[row, :3], rtol=1e-6)
    np.testing.assert_allclose(record.keypoints[:19], content["extra_keypoints_2d"][0, :, :2])


def test_poses_of_4d_humans_hold_the_root_and_may_be_missing(tmp_path):
    content = humans()
    dataset = opened(tmp_path, content)
    np.testing.assert_allclose(dataset[0].pose, content["body_pose"][0].reshape(24, 3), rtol=1e-6)
    assert [r.pose is None for r in dataset] == [False, False, True]
    assert [r.betas is None for r in dataset] == [False, True, True]


# BEDLAM


def test_bedlams_translation_is_that_of_the_camera_and_of_the_body_together(tmp_path):
    content = bedlam()
    record = opened(tmp_path, content)[1]
    np.testing.assert_allclose(record.translation, content["trans_cam"][1] + [0.1, 0.2, 0.3], rtol=1e-6)
    np.testing.assert_array_equal(record.intrinsics, content["cam_int"][1])


def test_bedlams_pose_is_the_one_in_the_camera(tmp_path):
    content = bedlam()
    np.testing.assert_allclose(opened(tmp_path, content)[0].pose.flatten(), content["pose_cam"][0], rtol=1e-6)


def test_smplx_gives_21_body_joints_straight_hands_and_no_betas(tmp_path):
    content = bedlam(smplx=True)
    record = opened(tmp_path, content)[0]
    np.testing.assert_allclose(record.pose[:22].flatten(), content["pose_cam"][0, :66], rtol=1e-6)
    np.testing.assert_array_equal(record.pose[22:], 0)
    assert record.betas is None
    assert (record.joint_set, record.keypoints.shape) == ("smplx22", (22, 2))


def test_a_childs_eleventh_beta_is_not_dropped_silently(tmp_path):
    betas = [r.betas for r in opened(tmp_path, bedlam())]
    assert betas[0].shape == (10,)
    assert betas[2] is None


# what others could do with a file


@pytest.mark.parametrize("name", [*PATHS[:5], "images/../../x.jpg", ""])
def test_an_image_outside_the_folder_is_refused(tmp_path, name):
    dataset = opened(tmp_path, spin() | {"imgname": np.array(["a.jpg", name, "b.jpg"])})
    with pytest.raises(AssetError, match=r"labels\.npz: 'imgname' names an image outside the folder"):
        list(dataset)


@pytest.mark.parametrize("key", ["imgname", "pose", "gender", "S"])
def test_a_pickle_inside_an_npz_is_never_loaded(tmp_path, key):
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    content = spin() | {key: np.array([Evil()] * N, dtype=object)}
    with pytest.raises(AssetError, match=f"'{key}' holds Python objects, which are never loaded"):
        list(opened(tmp_path, content))
    assert not marker.exists()
    pickle.loads(pickle.dumps(Evil()))
    assert marker.exists()  # it would have run


def test_keys_that_are_not_used_are_not_read(tmp_path):
    path = write_member(tmp_path / "x.npz", spin(), "extra_info.npy", pickle.dumps({"a": 1}))
    assert len(list(Npz(path))) == N


@pytest.mark.parametrize("shape", [(10**12,), (N, 10**10), (10**9, 72)])
def test_an_array_that_claims_more_than_it_holds_is_refused(tmp_path, shape):
    content = {key: value for key, value in spin().items() if key != "pose"}
    path = write_member(tmp_path / "x.npz", content, "pose.npy", header(shape))
    with pytest.raises(AssetError, match="'pose'"):
        Npz(path)


def test_a_bomb_is_refused_before_it_unpacks(tmp_path):
    content = {key: value for key, value in spin().items() if key != "pose"}
    rows = (SMALL + 1) // (72 * 8) + 1
    path = write_member(tmp_path / "x.npz", content, "pose.npy", header((rows, 72)) + bytes(rows * 72 * 8))
    assert path.stat().st_size < 200_000
    with pytest.raises(AssetError, match=r"'pose' would unpack to .* bytes: refused"):
        Npz(path)


def test_large_arrays_stay_on_the_disk(tmp_path):
    rows = SMALL // (24 * 4 * 8) + 10
    big = np.random.default_rng(0).standard_normal((rows, 24, 4))
    path = write(tmp_path / "x.npz", {"S": big, "small": big[:2]})
    found = NpzFile(path).read("S", None, 24, 4)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found[[0, rows - 1]], big[[0, -1]])
    assert not isinstance(NpzFile(path).read("small", 2, 24, 4), np.memmap)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(AssetError, match="'S' is damaged: BadZipFile: Bad CRC"):
        NpzFile(path).read("S", None, 24, 4, mapped=False)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_of_different_counts_are_named(tmp_path, layout):
    content = LAYOUTS[layout]()
    for key in ("center", "gender" if "gender" in content else "betas"):
        with pytest.raises(AssetError, match=f"'{key}' has 2 rows, imgname has 3"):
            opened(tmp_path, content | {key: content[key][:2]})


def test_there_are_no_splits(tmp_path):
    with pytest.raises(UsageError, match="no split 'test'"):
        Npz(write(tmp_path / "x.npz", spin()), "test")
    with pytest.raises(AssetError, match=r"y\.npz does not exist"):
        Npz(tmp_path / "y.npz")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_200_damaged_files_load_or_name_what_is_wrong(tmp_path, layout):
    rng = np.random.default_rng(4)
    content, failed, marker = LAYOUTS[layout](), 0, tmp_path / "ran"
    used = [k for k in content if k not in ("openpose", "personid", "motion_info", "pose_world", "trans_world")]
    wholes = [write(tmp_path / f"{i}.npz", content, compressed=bool(i)).read_bytes() for i in (0, 1)]

    class Evil:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    for i in range(200):
        root = tmp_path / str(i)
        path = root / "labels.npz"
        spoilt = dict(content)
        for key in rng.choice(used, rng.integers(1, 3), replace=False):
            way = rng.integers(8)
            if way == 0:
                del spoilt[key]
            elif way == 1:
                spoilt[key] = np.array([Evil()] * N, dtype=object)
            elif way == 2:
                spoilt[key] = np.array([PATHS[j] for j in rng.integers(0, len(PATHS) - 1, N)])
            else:
                spoilt[key] = spoil_array(content[key], rng)
        if i % 4 == 0:
            root.mkdir()
            path.write_bytes(spoil_bytes(wholes[i // 4 % 2], rng))
        elif i % 20 == 1:
            key = str(rng.choice(used))
            rest = {k: v for k, v in content.items() if k != key}
            write_member(path, rest, f"{key}.npy", header((N, 10**9), str(rng.choice(["<f8", "|O", "<U9", "x"]))))
        elif i % 20 == 2:
            write(path, content)
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr("../../evil.npy", b"x")
        else:
            write(path, spoilt)
        failed += outcome(lambda root=root: Npz(root), root, ["labels.npz"], used) is not None
        assert not marker.exists()
    assert 80 < failed < 200
