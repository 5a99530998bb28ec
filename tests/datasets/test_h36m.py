import numpy as np
import pytest

from posegen.body.joints import FROM_H36M, JOINT_SETS
from posegen.datasets.h36m import Human36M, action
from posegen.datasets.h36m_videopose3d import read_cameras
from posegen.errors import AssetError, UsageError

from .fixtures_h36m import FRAMES, IDS, PLACES, VP3D, cameras, positions, source, spin, videopose3d, world
from .fuzz import outcome, spoil_array, spoil_bytes


def camera(orientation, translation):
    return {"orientation": orientation, "translation": translation}


def changed(subject="S9", name="WalkDog", value=None):
    data = world()
    data[subject][name] = value
    return data


# VideoPose3D's layout


def test_every_frame_is_seen_by_four_cameras(tmp_path):
    dataset = Human36M(videopose3d(tmp_path), "test", step=1)
    keys = {r.key for r in dataset}
    assert len(dataset) == len(keys) == 2 * 2 * 4 * FRAMES
    assert f"S9/WalkDog/{IDS[3]}/000011" in keys
    assert len(Human36M(tmp_path, "test")) == 2 * 2 * 4 * 3  # every fifth


def test_the_splits_are_subjects(tmp_path):
    videopose3d(tmp_path)
    assert {r.groups["subject"] for r in Human36M(tmp_path, "test")} == {"S9", "S11"}
    assert {r.groups["subject"] for r in Human36M(tmp_path, "train")} == {"S1", "S5", "S6", "S7", "S8"}
    with pytest.raises(UsageError, match="no split 'val'"):
        Human36M(tmp_path, "val")


def test_15_of_32_joints_are_dropped(tmp_path):
    assert JOINT_SETS["vp3d17"].joints == VP3D
    record = Human36M(videopose3d(tmp_path), "test")[0]
    assert record.joint_set == "vp3d17"
    assert record.joints.shape == (17, 3)
    assert len(PLACES) == 17
    assert record.joints.abs().max() < 20  # those that are dropped lie far away


def test_the_two_orders_of_17_joints_differ_in_which_leg_comes_first(tmp_path):
    spins, videopose = JOINT_SETS["h36m17"].joints, JOINT_SETS["vp3d17"].joints
    assert spins[1] == "left_hip"
    assert videopose[1] == "right_hip"
    assert [spins[i] for i in FROM_H36M["vp3d17"]] == list(videopose)
    record = Human36M(videopose3d(tmp_path), "test")[0]
    up = record.joints[VP3D.index("thorax")] - record.joints[0]
    side = record.joints[VP3D.index("left_hip")] - record.joints[VP3D.index("right_hip")]
    front = record.joints[VP3D.index("jaw")] - record.joints[VP3D.index("thorax")]
    assert np.linalg.det(np.stack([side, up, front])) > 0  # left, up and front of a person, and not of a mirror image


def test_orientations_are_camera_to_world_and_places_millimetres(tmp_path):
    dataset = Human36M(videopose3d(tmp_path), "test", step=1)
    turn, place = cameras()["S9"][2]
    record = next(r for r in dataset if r.key == f"S9/Directions 1/{IDS[2]}/000003")
    points = positions(5)[3, list(PLACES)]  # S9 is the sixth subject
    np.testing.assert_allclose(record.joints, (points - place) @ turn, atol=1e-4)
    np.testing.assert_array_equal(record.translation, record.joints[0])
    assert record.joints[:, 2].min() > 2  # in front of the camera


def test_each_camera_has_its_own_pixels(tmp_path):
    dataset = Human36M(videopose3d(tmp_path), "test")
    focal = {r.groups["camera"]: float(r.intrinsics[0, 0]) for r in dataset}
    assert focal == {IDS[i]: 1145.0 + i for i in range(4)}


def test_the_corrupted_directions_of_s11_are_left_out(tmp_path):
    sequences = {r.groups["sequence"] for r in Human36M(videopose3d(tmp_path), "test")}
    assert sequences == {"S9/Directions 1", "S9/WalkDog", "S11/Directions 1", "S11/WalkDog"}


def test_the_checkout_of_videopose3d_may_be_the_folder(tmp_path):
    videopose3d(tmp_path / "data")
    (tmp_path / "common").mkdir()
    (tmp_path / "data/h36m_dataset.py").rename(tmp_path / "common/h36m_dataset.py")
    assert len(Human36M(tmp_path, "test")) > 0


def test_without_cameras_the_question_is_where_they_stood(tmp_path):
    (videopose3d(tmp_path) / "h36m_dataset.py").unlink()
    with pytest.raises(AssetError, match="where did the cameras stand") as caught:
        Human36M(tmp_path, "test")
    assert "common/h36m_dataset.py" in caught.value.hint


def test_the_source_with_the_cameras_is_read_and_not_run(tmp_path):
    assert "raise SystemExit" in source()
    assert read_cameras(videopose3d(tmp_path)).names == list(IDS)


@pytest.mark.parametrize(
    "text",
    ["", "h36m_cameras_intrinsic_params = open('/etc/passwd').read()", "(" * 3000, "x = (\n", "h36m_cameras" * 10**5,
     source({"S9": [{}] * 4}), source({"S9": []}), source({"S1": [camera([2, 0, 0, 0], [0, 0, 0])] * 4}),
     source({"S1": [camera([1, 0, 0, 0], [0, 0])] * 4}), source({"S1": 3}),
     source().replace("'id'", "'name'")],
)  # fmt: skip
def test_a_table_of_cameras_that_is_wrong_is_named(tmp_path, text):
    with pytest.raises(AssetError, match=r"h36m_dataset\.py has no table of cameras that can be read"):
        Human36M(videopose3d(tmp_path, text=text), "test")


@pytest.mark.parametrize(
    ("value", "question"),
    [
        (positions()[:, :17], "17 joints: which of the two orders"),
        (positions()[:, :16], r"has shape \(12, 16, 3\), not \(F, 32, 3\)"),
        (positions().astype(object), "not an array of numbers"),
        (None, "not an array of numbers"),
    ],
)
def test_what_is_uncertain_is_a_question_and_not_a_guess(tmp_path, value, question):
    with pytest.raises(AssetError, match=rf"data_3d_h36m\.npz: 'positions_3d' of S9 WalkDog .*{question}"):
        Human36M(videopose3d(tmp_path, changed(value=value)), "test")


def test_millimetres_and_another_up_are_questions(tmp_path):
    def turned(change):
        return {s: {a: change(p) for a, p in actions.items()} for s, actions in world().items()}

    with pytest.raises(AssetError, match=r"'positions_3d' has legs of .* no metres: in which unit"):
        Human36M(videopose3d(tmp_path, turned(lambda p: 1000 * p)), "test")
    with pytest.raises(AssetError, match="heads are not above hips along z: are these world positions"):
        Human36M(videopose3d(tmp_path, turned(lambda p: p[..., [0, 2, 1]])), "test")


def test_a_malicious_pickle_inside_the_npz_is_refused_by_name(tmp_path):
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    with pytest.raises(AssetError, match=r"data_3d_h36m\.npz: positions_3d: refused, the file asks for '_?io\.open'"):
        Human36M(videopose3d(tmp_path, changed(value=Evil())), "test")
    assert not marker.exists()


# SPIN's layout


def test_spins_layout_comes_first_and_has_images(tmp_path):
    dataset = Human36M(spin(videopose3d(tmp_path)), "test")
    assert len(dataset) == 3
    assert dataset[0].image == tmp_path / "images/S9_Directions_1.54138969_000001.jpg"
    assert dataset[0].joint_set == "spin24"
    assert Human36M(tmp_path, "test", layout="videopose3d")[0].joint_set == "vp3d17"
    with pytest.raises(UsageError, match="no layout 'vp3d'"):
        Human36M(tmp_path, "test", layout="vp3d")


def test_subject_action_and_camera_are_in_the_name_of_the_image(tmp_path):
    groups = [r.groups for r in Human36M(spin(tmp_path), "test")]
    assert groups[0] == {"subject": "S9", "sequence": "S9/Directions_1", "action": "Directions", "camera": "54138969"}
    assert [g["camera"] for g in groups] == ["54138969", "60457274", "55011271"]  # protocol 2 is the second alone
    assert groups[2]["action"] == "WalkDog"


def test_one_action_has_one_name():
    names = ("TakingPhoto", "Photo 1", "WalkingDog_1", "WalkDog", "SittingDown 2", "Directions")
    assert [action(n) for n in names] == ["Photo", "Photo", "WalkDog", "WalkDog", "SittingDown", "Directions"]


def test_the_second_protocol_will_do_and_training_is_another_file(tmp_path):
    assert len(Human36M(spin(tmp_path, "h36m_valid_protocol2.npz"), "test")) == 3
    with pytest.raises(AssetError, match=r"has none of h36m_train\.npz, data_3d_h36m\.npz"):
        Human36M(tmp_path, "train")


def test_200_damaged_data_sets_load_or_name_what_is_wrong(tmp_path):
    rng = np.random.default_rng(5)
    videopose3d(tmp_path)
    whole, text, failed = (tmp_path / "data_3d_h36m.npz").read_bytes(), source(), 0
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    def nested(depth):
        data = {}
        for _ in range(depth):
            data = {"S9": data}
        return data

    for i in range(200):
        root = tmp_path / str(i)
        data, way = world(("S9", "S11")), i % 8
        if way in (0, 1, 2):
            data["S9"]["WalkDog"] = spoil_array(data["S9"]["WalkDog"], rng)
        elif way == 3:
            wrong = [Evil(), [Evil()], None, {}, "../../etc/passwd", 1, {"S9": {}}, {"S9": 1}, {1: {}}, nested(50)]
            data = wrong[i // 8 % len(wrong)]
        elif way == 4:
            data["S9"] = [data["S9"], None, {1: positions()}, {"x": Evil()}][i // 8 % 4]
        videopose3d(root, data)
        if way in (5, 6):
            (root / "data_3d_h36m.npz").write_bytes(spoil_bytes(whole, rng))
        elif way == 7:
            (root / "h36m_dataset.py").write_bytes(spoil_bytes(text.encode(), rng))
        names = ["data_3d_h36m.npz", "h36m_dataset.py"]
        keys = ["positions_3d", "h36m_dataset.py has no table", "positions_3d: "]
        error = outcome(lambda root=root: Human36M(root, "test"), root, names, keys)
        failed += error is not None
        assert not marker.exists()
    assert 80 < failed < 200
