import time

import numpy as np
import pytest
import torch

from posegen.datasets.bvh import Bvh
from posegen.datasets.bvh_file import read_bvh
from posegen.errors import AssetError, UsageError
from posegen.geometry import rotvec_to_rotmat

from .fixtures_bvh import BIPED, CMU, Skeleton, bvh, poses, rest, skeleton_file
from .fuzz import outcome, spoil_bytes

Z_UP = ((1, 0, 0), (0, 0, -1), (0, 1, 0))  # ours to a file whose z is up
X_FORWARD = ((0, 0, 1), (1, 0, 0), (0, 1, 0))
DOWN = ((0.0, 0.0, -np.pi / 2), (0.0, 0.0, np.pi / 2))  # arms from a T to the sides
SPLAY = np.radians(20)


def read(tmp_path, skeleton, pose=None, root=None, **options):
    path = tmp_path / "clip.bvh"
    path.write_text(skeleton_file(skeleton, poses() if pose is None else pose, root))
    return next(Bvh(tmp_path, rest=torch.from_numpy(rest()), **options).clips())


def same(clip, pose):
    turns, expected = rotvec_to_rotmat(clip.poses), rotvec_to_rotmat(torch.from_numpy(pose).float())
    torch.testing.assert_close(turns, expected, atol=2e-4, rtol=0)


SKELETONS = {
    "CMU names": Skeleton(CMU),
    "a prefix": Skeleton({k: f"mixamorig:{v}" for k, v in CMU.items()}),
    "biped names": Skeleton(BIPED),
    "XYZ": Skeleton(CMU, order="XYZ"),
    "ZYX": Skeleton(BIPED, order="ZYX"),
    "z up": Skeleton(CMU, axes=Z_UP),
    "y left": Skeleton(CMU, axes=X_FORWARD),
    "positions everywhere": Skeleton(CMU, everywhere=True),
    "arms down": Skeleton(CMU, turned=(("left_shoulder", DOWN[0]), ("right_shoulder", DOWN[1]))),
    "CMU's legs": Skeleton(
        CMU, unit=0.0254 / 0.45, turned=(("left_hip", (0, 0, SPLAY)), ("right_hip", (0, 0, -SPLAY)))
    ),
}


@pytest.mark.parametrize("kind", SKELETONS)
def test_poses_come_back_whatever_the_skeleton(tmp_path, kind):
    same(read(tmp_path, SKELETONS[kind]), poses())


# traps


def test_a_root_above_the_hips_places_and_turns_the_whole_person(tmp_path):
    pose, moved = poses(), np.random.default_rng(1).standard_normal((5, 3))
    path = tmp_path / "clip.bvh"
    head, rows = skeleton_file(Skeleton(CMU, unit=0.01), pose, moved).split("MOTION\n")
    body = head.removeprefix("HIERARCHY\n").replace("ROOT Hips", "JOINT Hips")
    six = "Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    reference = f"ROOT Reference\n{{\n OFFSET 0 0 0\n CHANNELS 6 {six}\n{body}}}\n"
    lines = [f"100 200 300 0 0 90 {row}" if i > 1 else row for i, row in enumerate(rows.splitlines())]
    path.write_text(f"HIERARCHY\n{reference}MOTION\n" + "\n".join(lines) + "\n")
    clip = next(Bvh(tmp_path, rest=torch.from_numpy(rest())).clips())
    quarter = rotvec_to_rotmat(torch.tensor([0, np.pi / 2, 0])).double()
    turned = rotvec_to_rotmat(torch.from_numpy(pose))
    turned[:, 0] = quarter @ turned[:, 0]
    torch.testing.assert_close(rotvec_to_rotmat(clip.poses), turned.float(), atol=2e-4, rtol=0)
    where = torch.from_numpy(moved) @ quarter.T + torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(clip.root_translation, where.float(), atol=1e-4, rtol=0)


def test_leftshoulder_is_a_collar_bone_in_one_convention_and_an_upper_arm_in_the_other(tmp_path):
    assert CMU["left_collar"] == BIPED["left_shoulder"] == "LeftShoulder"
    pose = np.zeros((3, 24, 3))
    pose[:, 16] = (0, 0, -1)
    for names in (CMU, BIPED):
        same(read(tmp_path, Skeleton(names), pose), pose)


def test_angles_are_degrees_and_the_first_channel_is_the_outermost(tmp_path):
    pose = np.zeros((2, 24, 3))
    path = tmp_path / "x.bvh"
    lines = skeleton_file(Skeleton(CMU, order="ZXY"), pose).splitlines()
    lines[-1] = "0 0 0 30 40 50 " + " ".join(["0"] * 69)
    path.write_text("\n".join(lines))
    z, x, y = (rotvec_to_rotmat(torch.tensor([v])) for v in
               ([0, 0, np.radians(30)], [np.radians(40), 0, 0], [0, np.radians(50), 0]))  # fmt: skip
    clip = next(Bvh(path).clips())
    torch.testing.assert_close(rotvec_to_rotmat(clip.poses[-1:, 0]), (z @ x @ y).float(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("unit", [1.0, 0.01, 0.001, 0.0254, 0.0254 / 0.45])
def test_the_unit_is_told_by_the_length_of_a_leg(tmp_path, unit):
    root = np.random.default_rng(0).standard_normal((5, 3))
    for axes in (Z_UP, ((1, 0, 0), (0, 1, 0), (0, 0, 1))):
        clip = read(tmp_path, Skeleton(CMU, unit=unit, axes=axes), root=root)
        np.testing.assert_allclose(clip.root_translation, root, atol=1e-5)


def test_a_unit_that_no_leg_fits_is_a_question_that_an_option_answers(tmp_path):
    odd = Skeleton(CMU, unit=0.3)
    with pytest.raises(AssetError, match=r"clip\.bvh: a leg is 2\.8 long.*in which unit"):
        read(tmp_path, odd)
    same(read(tmp_path, odd, metres_per_unit=0.3), poses())


def test_a_first_frame_of_all_zero_rotations_is_the_skeleton_and_not_motion(tmp_path):
    pose = poses()
    pose[0] = 0
    assert len(read(tmp_path, Skeleton(CMU), pose).poses) == 4
    pose[1] = 0
    assert len(read(tmp_path, Skeleton(CMU), pose).poses) == 4  # one alone
    assert len(read(tmp_path, Skeleton(CMU), pose[:1]).poses) == 1


@pytest.mark.parametrize(
    ("turned", "question"),
    [
        ((("left_hip", (np.pi, 0, 0)),), "left leg does not point down"),
        ((("right_knee", (np.pi / 2, 0, 0)),), "right leg does not point down"),
        ((("left_shoulder", (0, 0, np.pi)),), "left arm points inwards"),
        ((("spine1", (0, 0, 0.8)),), "spine at zero rotation point along no axis"),
    ],
)
def test_a_rest_pose_that_is_not_a_standing_person_is_a_question(tmp_path, turned, question):
    with pytest.raises(AssetError, match=rf"clip\.bvh: .*{question}.*which pose is zero rotation here"):
        read(tmp_path, Skeleton(CMU, turned=turned))


def test_without_a_body_the_rest_pose_is_an_exact_t(tmp_path):
    path = bvh(tmp_path / "a.bvh")
    same(next(Bvh(path).clips()), poses())  # the fixture's rest pose is one


def test_joints_without_a_name_that_is_known_are_a_question(tmp_path):
    odd = Skeleton(CMU | {"left_knee": "LeftBone7", "head": "Skull"})
    with pytest.raises(AssetError, match="which joints are left_knee, right_knee, head") as caught:
        read(tmp_path, odd)
    assert "LeftUpLeg" in caught.value.hint


def test_spine_and_hands_may_be_missing(tmp_path):
    names = CMU | {"spine1": "Root1", "spine2": "Root2", "left_hand": "LeftPalm"}
    pose = poses()
    pose[:, [3, 6, 22, 23]] = 0  # what the file does not name
    same(read(tmp_path, Skeleton(names), pose), pose)


# files


def test_a_folder_is_a_dataset_of_frames(tmp_path):
    bvh(tmp_path / "01/01_01.bvh", count=3)
    bvh(tmp_path / "02/02_01.BVH", count=4)
    (tmp_path / "readme.txt").touch()
    dataset = Bvh(tmp_path)
    assert len(dataset) == 7
    assert [r.key for r in dataset][2:4] == ["01/01_01/000002", "02/02_01/000000"]
    np.testing.assert_allclose(dataset[3].pose, next(iter(list(dataset.clips())[1:])).poses[0])
    assert dataset[-1].groups == {"sequence": "02/02_01"}
    clip = next(dataset.clips())
    assert (clip.name, clip.split) == ("01/01_01", "train")
    assert clip.fps == pytest.approx(120, rel=1e-4)


def test_an_empty_folder_and_a_split_are_named(tmp_path):
    with pytest.raises(AssetError, match=r"has no \.bvh file"):
        Bvh(tmp_path)
    with pytest.raises(UsageError, match="no split 'train'"):
        Bvh(bvh(tmp_path / "a.bvh"), "train")
    with pytest.raises(AssetError, match=r"b\.bvh cannot be read"):
        list(Bvh(tmp_path / "b.bvh").clips())


WHOLE = skeleton_file(Skeleton(CMU), poses(2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends too early"),
        ("<html>", "line 1: HIERARCHY is missing"),
        (WHOLE[:300], r"line|ends too early"),
        (WHOLE.replace("CHANNELS 3", "CHANNELS 2"), "CHANNELS, their number and their names"),
        (WHOLE.replace("Zrotation", "Wrotation"), "CHANNELS, their number and their names"),
        (WHOLE.replace("Frames: 2", "Frames: 3"), "ends too early"),
        (WHOLE.replace("Frames: 2", "Frames: 999999999999"), "which this file does not hold"),
        (WHOLE.replace("Frames: 2", "Frames: -2"), "'Frames: COUNT' is needed"),
        (WHOLE.replace("Frame Time: 0", "Frame Time: -0"), "a frame of -0.* seconds"),
        (WHOLE.replace("Frame Time: 0.00833333", "Frame Time: nan"), "not finite"),
        (WHOLE.replace("OFFSET 0 0 1", "OFFSET 0 0", 1), "OFFSET and 3 numbers"),
        (WHOLE + "1 2 3\n", None),
        (WHOLE.rsplit(" ", 1)[0] + "\n", "77 numbers where 78|numbers where 75|numbers where"),
        (WHOLE.rsplit(" ", 1)[0] + " 1e400\n", "not finite"),
        (WHOLE.replace("JOINT LeftUpLeg", "ROOT LeftUpLeg"), "has no place here"),
        ("HIERARCHY\n" + "ROOT a\n{\nOFFSET 0 0 0\nCHANNELS 0\n" + "JOINT a\n{\nOFFSET 0 0 0\nCHANNELS 0\n" * 1500,
         "more than 1000 joints"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, message):
    path = tmp_path / "a.bvh"
    path.write_text(text)
    if message is None:
        assert len(read_bvh(path).motion) == 2
        return
    with pytest.raises(AssetError, match=rf"a\.bvh:? .*({message})"):
        read_bvh(path)


PLACE = r"line \d+|ends too early|which joints|in which unit|which pose is zero rotation"


def test_200_damaged_files_load_or_name_what_is_wrong(tmp_path):
    rng = np.random.default_rng(6)
    whole, failed = skeleton_file(Skeleton(CMU), poses(2)), 0
    lines = whole.splitlines()
    start = time.perf_counter()
    for i in range(200):
        root = tmp_path / str(i)
        root.mkdir()
        spoilt, at = list(lines), int(rng.integers(len(lines)))
        way = i % 6
        if way == 0:
            del spoilt[at]
        elif way == 1:
            spoilt.insert(at, spoilt[int(rng.integers(len(lines)))])
        elif way == 2:
            words = spoilt[at].split()
            new = ["nan", "inf", "1e999", "../../etc/passwd", "{", "}", "99999999", "-1", "\0", "x" * 5000]
            words[int(rng.integers(len(words)))] = new[int(rng.integers(len(new)))]
            spoilt[at] = " ".join(words)
        data = "\n".join(spoilt).encode() if way < 3 else spoil_bytes(whole.encode(), rng)
        (root / "a.bvh").write_bytes(data)
        failed += outcome(lambda root=root: Bvh(root), root, ["a.bvh"], [], PLACE) is not None
    assert 60 < failed < 200
    assert time.perf_counter() - start < 120
