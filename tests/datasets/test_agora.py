import pickle

import numpy as np
import pytest
import torch

from posegen.datasets.agora import Agora
from posegen.datasets.agora_camera import RULES, camera_of
from posegen.datasets.agora_frames import scan
from posegen.errors import AssetError, UsageError
from posegen.pickled_frames import FRAMES
from posegen.pickled_tensors import TENSORS
from posegen.pickles import load_pickle, parse_pickle

from .fixtures_agora import BRUSHIFY, CAM01, CAMERAS, EMPTY, HDRI, Crowd, images
from .fixtures_pickles import Call, foreign, frame, name, objects, tensor
from .fixtures_threedpw import skeleton
from .fuzz import bomb, evil, outcome, spoil_array, spoil_bytes

FRAME = "validation_0_withjv.pkl"


@pytest.fixture
def crowd():
    return Crowd()


@pytest.fixture
def root(tmp_path, crowd):
    return crowd.write(tmp_path / "AGORA")


def of(dataset, key):
    return next(record for record in dataset if record.key == key)


def edited(crowd, root, column, row, person, value):
    """One cell changed, and the frame written again."""
    cell = list(crowd.columns[column][row])
    cell[person] = value
    crowd.columns[column][row] = cell
    return crowd.write(root)


@pytest.mark.parametrize("layout", ["1.0", "1.5", "3.1"])
def test_frames_of_old_and_new_pandas_are_read_without_pandas(tmp_path, crowd, layout):
    dataset = Agora(crowd.write(tmp_path, layout=layout), "validation")
    assert len(dataset) == 8
    np.testing.assert_allclose(dataset[0].joints, crowd.columns["gt_joints_3d"][0][0][:24], atol=1e-6)


def test_joints_are_the_first_24_of_45_in_camera_axes_and_metres(root, crowd):
    record = of(Agora(root, "validation"), f"{CAM01[:-4]}/2")
    row = list(CAMERAS).index(CAM01)
    np.testing.assert_allclose(record.joints, crowd.columns["gt_joints_3d"][row][2][:24], atol=1e-6)
    np.testing.assert_allclose(record.translation, record.joints[0])
    assert (record.joint_set, record.joints[:, 2].min() > 2) == ("smpl24", True)


def test_of_127_joints_of_smplx_the_22_of_the_body_are_given(tmp_path):
    crowd = Crowd("smplx")
    record = Agora(crowd.write(tmp_path), "validation", model="smplx")[0]
    assert (record.joint_set, record.joints.shape) == ("smplx22", (22, 3))
    np.testing.assert_allclose(record.joints, crowd.columns["gt_joints_3d"][0][0][:22], atol=1e-6)


def test_only_valid_people_of_an_occlusion_from_0_to_90_count(root, crowd):
    keys = [record.key for record in Agora(root, "validation")]
    assert keys == [f"{image[:-4]}/{k}" for image in CAMERAS if image != EMPTY for k in (0, 2)]
    assert [r.groups["occlusion"] for r in Agora(root, "validation")][:2] == ["10-20", "30-40"]
    assert len(Agora(edited(crowd, root, "occlusion", 0, 0, 90.5), "validation")) == 7


def test_a_split_in_which_nobody_counts_says_by_what(tmp_path, crowd):
    crowd.columns["isValid"] = [[False] * len(people) for people in crowd.columns["isValid"]]
    with pytest.raises(AssetError, match=r"nobody in validation.* counts by 'isValid' and 'occlusion'"):
        Agora(crowd.write(tmp_path), "validation")


def test_an_image_without_people_is_no_record_even_where_the_tool_left_empty_texts(root, crowd):
    assert crowd.columns["gt_joints_3d"][-1] == ""
    assert not any(record.groups["image"] == EMPTY[:-4] for record in Agora(root, "validation"))


@pytest.mark.parametrize("image", [image for image in CAMERAS if image != EMPTY])
@pytest.mark.parametrize("model", ["smpl", "smplx"])
def test_the_root_is_turned_from_the_left_into_each_camera(tmp_path, image, model):
    crowd = Crowd(model)
    record = of(Agora(crowd.write(tmp_path), "validation", model=model), f"{image[:-4]}/0")
    fitted = torch.from_numpy(skeleton(record.pose.double().numpy()[None])[0])[: len(record.joints)]
    np.testing.assert_allclose(record.joints - record.joints[0], fitted, atol=1e-5)


def test_the_rules_of_cameras_go_by_words_of_the_name_in_their_order():
    assert camera_of("ag_hdri_cam00.png").focal == 50
    assert camera_of("ag2_cam03_x.png") is RULES["cam03"]
    assert camera_of("x_ag2_y.png").pitch == 15
    assert camera_of(BRUSHIFY).yaw is None


@pytest.mark.parametrize("image", [image for image in CAMERAS if image != EMPTY])
def test_intrinsics_project_the_joints_to_the_files_own_pixels(root, crowd, image):
    record = of(Agora(root, "validation"), f"{image[:-4]}/0")
    points = record.joints @ record.intrinsics.T
    expected = crowd.columns["gt_joints_2d"][list(CAMERAS).index(image)][0][:24]
    np.testing.assert_allclose(points[:, :2] / points[:, 2:], expected, atol=0.05)
    np.testing.assert_allclose(record.keypoints, expected, atol=1e-3)
    np.testing.assert_allclose(record.box, [*expected.min(axis=0), *expected.max(axis=0)], atol=1e-3)


def test_pixels_are_those_of_the_small_images_where_these_are_on_disk(root):
    full = Agora(root, "validation")[0]
    small = Agora(images(root, "validation_images_1280x720/sub", "_1280x720.png"), "validation")[0]
    assert full.image is None
    assert small.image.name == HDRI.replace(".png", "_1280x720.png")
    np.testing.assert_allclose(small.keypoints, full.keypoints / 3, rtol=1e-5)
    np.testing.assert_allclose(small.intrinsics[:2], full.intrinsics[:2] / 3, rtol=1e-5)
    np.testing.assert_allclose(small.joints, full.joints)
    both = Agora(images(root), "validation")[0]
    assert both.image.name == HDRI
    np.testing.assert_allclose(both.keypoints, full.keypoints)


def test_frames_may_name_the_small_images(root, crowd):
    crowd.columns["imgPath"] = [i.replace(".png", "_1280x720.png") for i in crowd.columns["imgPath"]]
    record = Agora(images(crowd.write(root)), "validation")[0]
    assert record.key == f"{HDRI[:-4]}/0"
    assert record.image.name == HDRI


def test_masks_are_no_images(root):
    images(root, ending="_mask_000000_00001.png")
    assert Agora(root, "validation")[0].image is None


def test_pixels_that_are_not_of_3840x2160_are_a_question(root, crowd):
    small = crowd.columns["gt_joints_2d"][0][0] / 3
    with pytest.raises(AssetError, match="'gt_joints_2d' are pixels of 1280x720"):
        Agora(edited(crowd, root, "gt_joints_2d", 0, 0, small), "validation")


def test_a_camera_that_does_not_see_what_the_pixels_say_is_a_question(root, crowd):
    crowd.columns["imgPath"][0] = HDRI.replace("hdri", "another")
    with pytest.raises(AssetError) as caught:
        Agora(crowd.write(root), "validation")
    assert "'gt_joints_2d' lies" in caught.value.message
    assert "which camera" in caught.value.hint


def test_smpls_ground_truth_is_neutral_and_smplx_gendered(root, tmp_path):
    assert {record.gender for record in Agora(root, "validation")} == {"neutral"}
    people = Agora(Crowd("smplx").write(tmp_path / "x"), "validation", model="smplx")
    assert [record.gender for record in people][:2] == ["female", "neutral"]
    assert [record.groups["gender"] for record in people][:2] == ["female", "female"]


def test_a_kids_eleventh_shape_number_is_not_given_as_an_adults_betas(root):
    dataset = Agora(root, "validation")
    adult, kid = dataset[0], dataset[1]
    assert (adult.groups["age"], kid.groups["age"]) == ("adult", "kid")
    assert adult.betas.shape == (10,)
    assert kid.betas is None
    assert kid.pose.shape == (24, 3)


def test_betas_of_smplx_are_not_smpls(tmp_path):
    record = Agora(Crowd("smplx").write(tmp_path), "validation", model="smplx")[0]
    assert record.betas is None
    assert record.pose is not None


def test_fits_are_tensors_of_any_device_and_read_without_torch(root, crowd):
    path = (root / next(iter(crowd.fits))).with_suffix(".pkl")
    assert b"cuda:0" in path.read_bytes()
    fit = load_pickle(path, TENSORS)
    assert fit["body_pose"].shape == (1, 23, 3)
    assert isinstance(fit["root_pose"], np.ndarray)


def test_the_fixtures_tensors_are_torchs():
    values = np.arange(6, dtype="f4").reshape(2, 3)
    for kind in ("tensor", "parameter"):
        data = foreign({"a": tensor(values, kind=kind)})
        assert torch.equal(pickle.loads(data)["a"], torch.from_numpy(values))
        np.testing.assert_array_equal(parse_pickle(data, "x", TENSORS)["a"], values)


@pytest.mark.parametrize("change", [{"offset": -1}, {"shape": (4, 3)}, {"shape": (2**40,)}, {"stride": (0, 0)},
                                    {"stride": (300, 1)}])  # fmt: skip
def test_a_tensor_that_reaches_outside_its_numbers_is_refused(change):
    values = np.arange(6, dtype="f4")
    rebuild, (storage, *_, grad, hooks) = tensor(values.reshape(2, 3)).call
    about = {"offset": 0, "shape": (2, 3), "stride": (3, 1)} | change
    data = foreign(Call(rebuild, storage, *about.values(), grad, hooks))
    if change == {"stride": (0, 0)}:
        np.testing.assert_array_equal(parse_pickle(data, "x", TENSORS), 0)  # an expanded tensor: legal
    else:
        with pytest.raises(AssetError, match="x: truncated or damaged"):
            parse_pickle(data, "x", TENSORS)


def test_without_fits_there_are_joints_but_no_poses(tmp_path, crowd):
    record = Agora(crowd.write(tmp_path, fits=False), "validation")[0]
    assert record.pose is None
    assert record.betas is None
    assert record.joints is not None


def test_a_fit_of_rotation_matrices_is_a_question(root, crowd):
    path = (root / next(iter(crowd.fits))).with_suffix(".pkl")
    path.write_bytes(foreign({"root_pose": np.zeros((1, 1, 3, 3)), "body_pose": np.zeros((1, 23, 3, 3)), "betas": 0}))
    with pytest.raises(AssetError) as caught:
        Agora(root, "validation")[0]
    assert f"{path}: 'root_pose' holds 9 numbers where 3" in caught.value.message
    assert "rotation matrices" in caught.value.hint


@pytest.mark.parametrize(
    "path", ["../../outside.obj", "/etc/passwd", "a/../../b.obj", "C:\\x.obj", "a\0.obj", ".", "x" * 300]
)
def test_a_path_of_a_fit_cannot_leave_the_folder(root, crowd, path):
    (root.parent / "outside.pkl").write_bytes(foreign({}))
    with pytest.raises(AssetError, match=f"{FRAME}: row 0: 'gt_path_smpl'"):
        Agora(edited(crowd, root, "gt_path_smpl", 0, 0, path), "validation")


def test_a_name_of_an_image_cannot_be_a_path(root, crowd):
    crowd.columns["imgPath"][0] = "../" + HDRI
    with pytest.raises(AssetError, match=f"{FRAME}: row 0: 'imgPath'"):
        Agora(crowd.write(root), "validation")


def test_a_split_may_be_of_ten_frames_or_one(root):
    Crowd(seed=1).write(root, name="validation_1")
    assert len(Agora(root, "validation")) == 16
    Crowd(seed=2).write(root, name="train")
    assert len(Agora(root, "train")) == 8


def test_frames_without_joints_say_how_to_get_them(root, crowd):
    del crowd.columns["gt_joints_3d"]
    with pytest.raises(AssetError, match=f"{FRAME} has no column 'gt_joints_3d'") as caught:
        Agora(crowd.write(root), "validation")
    assert "project_joints" in caught.value.hint


def test_splits_models_and_folders_that_are_not_there(root):
    with pytest.raises(UsageError) as caught:
        Agora(root, "test")
    assert "no public ground truth" in caught.value.hint
    with pytest.raises(UsageError, match="'smplh'"):
        Agora(root, "validation", model="smplh")
    with pytest.raises(AssetError, match="posegen assets set agora"):
        Agora(root, "train")


def test_a_frame_is_read_once_until_it_changes(root, monkeypatch):
    read = []
    monkeypatch.setattr("posegen.datasets.agora.scan", lambda *args: read.append(args) or scan(*args))
    for _ in range(2):
        assert len(Agora(root, "validation")) == 8
    assert len(read) == 1
    Crowd(seed=1).write(root, layout="1.5")
    assert len(Agora(root, "validation")) == 8
    assert len(read) == 2


def test_a_number_too_large_for_any_float_is_no_number(root, crowd):
    with pytest.raises(AssetError, match=f"{FRAME}: row 0: 'occlusion'"):
        Agora(edited(crowd, root, "occlusion", 0, 0, 10**400), "validation")


def test_people_that_the_file_does_not_hold_are_refused(root, crowd):
    crowd.columns["isValid"][0] = [True] * 100_000
    with pytest.raises(AssetError, match="'isValid' is of more people than the file holds"):
        Agora(crowd.write(root), "validation")


def test_frames_whose_parts_do_not_fit_are_damaged():
    whole = frame({"a": [1.0, 2.0], "b": ["x", "y"]})
    assert set(parse_pickle(foreign(whole), "x", FRAMES)) == {"a", "b"}
    manager = name("pandas.core.internals.managers.BlockManager")
    parts = [[(np.zeros((2, 3)), np.array([0]))], [(np.zeros((1, 2)), np.array([7]))], [], [(bomb(), np.array([0]))]]
    for blocks, label in [*((part, "a") for part in parts), ([(np.zeros((1, 1)), np.array([0]))], bomb())]:
        unpickle = name("pandas._libs.internals._unpickle_block")
        made = tuple(Call(unpickle, values, where, 2) for values, where in blocks)
        labels = Call(name("pandas.core.indexes.base._new_Index"), name("pandas.Index"), {"data": objects([label])})
        held = {"_mgr": Call(manager, made, [labels, labels])}
        data = foreign(Call(name("pandas.DataFrame"), state=held))
        with pytest.raises(AssetError, match="x: truncated or damaged"):
            parse_pickle(data, "x", FRAMES)


CELLS = ["Yaw", "gender", "kid", "occlusion", "isValid", "gt_joints_2d", "gt_joints_3d", "gt_path_smpl"]
KEYS = [*CELLS, "imgPath", "camYaw", "root_pose", "body_pose", "betas"]


def spoil(crowd, rng, marker):
    """Something wrong in one column, or in one person's cell."""
    column = str(rng.choice([*CELLS, "imgPath", "camYaw"]))
    if rng.integers(5) == 0 or column in ("imgPath", "camYaw"):
        way = rng.integers(4)
        values = crowd.columns.pop(column)
        if way:
            crowd.columns[column] = [[None] * 5, evil(marker) + ["x"] * 2, [*values[:4], ["?"]]][way - 1]
        return
    row, k = rng.integers(4), rng.integers(4)
    cell = list(crowd.columns[column][row])
    way = rng.integers(6)
    if way == 0:
        cell = cell[:-1]
    elif way == 1:
        cell[k] = [None, "../../x", [[]], {}, float("nan"), 1e300, b"", -5][rng.integers(8)]
    elif way == 2:
        cell[k] = evil(marker)[rng.integers(3)]
    else:
        cell[k] = spoil_array(np.asarray(cell[k]), rng)
    crowd.columns[column][row] = cell


def test_200_damaged_data_sets_load_or_name_what_is_wrong(tmp_path):
    rng = np.random.default_rng(0)
    marker, failed, pristine = tmp_path / "ran", 0, Crowd()
    for i in range(200):
        crowd = Crowd.__new__(Crowd)
        crowd.model, crowd.fits = "smpl", dict(list(pristine.fits.items())[:4])
        crowd.columns = {key: list(values) for key, values in pristine.columns.items()}
        if i % 4:
            spoil(crowd, rng, marker)
        root = crowd.write(tmp_path / str(i))
        path = (root / next(iter(crowd.fits))).with_suffix(".pkl")
        if i % 4 == 0:
            file = [path, root / "SMPL" / FRAME][i // 4 % 2]
            file.write_bytes(spoil_bytes(file.read_bytes(), rng))
        elif i % 8 == 3:
            fit = {k: np.zeros(n) for k, n in (("root_pose", 3), ("body_pose", 69), ("betas", 10))}
            key = ["root_pose", "body_pose", "betas"][i // 8 % 3]
            fit[key] = spoil_array(fit[key], rng) if i % 16 == 3 else evil(marker)[0]
            path.write_bytes(foreign(fit))
        error = outcome(lambda root=root: Agora(root, "validation"), root, [FRAME, path.name], KEYS)
        failed += error is not None
        assert not marker.exists()
    assert 100 < failed < 200
