import pytest

from posegen.body.joints import FROM_H36M, H36M_TO_LSP14, JOINT_SETS, LIMBS, PARENTS, rows

SETS = list(JOINT_SETS.values())
by_name = pytest.mark.parametrize("joints", SETS, ids=lambda s: s.name)


@by_name
def test_names_and_count(joints):
    assert len(joints) == len(joints.joints) == len(set(joints.joints)) == int(joints.name[-2:])


@by_name
def test_limbs_are_the_same_twelve_in_the_same_order(joints):
    assert tuple(joints.joints[i] for i in joints.limbs) == LIMBS
    assert LIMBS[:4] == ("left_ankle", "right_ankle", "left_knee", "right_knee")
    assert len(LIMBS) == 12


@by_name
def test_root_is_the_pelvis_or_both_hips(joints):
    names = tuple(joints.joints[i] for i in joints.root)
    assert names == (("pelvis",) if "pelvis" in joints.joints else ("left_hip", "right_hip"))


@by_name
def test_a_mirror_image_exchanges_every_sided_joint_once(joints):
    left, right = zip(*joints.left_right, strict=True)
    for i, j in joints.left_right:
        assert joints.joints[i].replace("left", "right") == joints.joints[j]
    assert len({*left, *right}) == 2 * len(joints.left_right)
    middle = [name for i, name in enumerate(joints.joints) if i not in {*left, *right}]
    assert not any("left" in name or "right" in name for name in middle)


def test_published_tables():
    smpl = JOINT_SETS["smpl24"].joints
    assert [smpl[PARENTS[smpl.index(j)]] for j in ("left_knee", "left_collar", "head")] == [
        "left_hip", "spine3", "neck"]  # fmt: skip
    known = {
        "smpl24": {0: "pelvis", 1: "left_hip", 2: "right_hip", 12: "neck", 15: "head", 20: "left_wrist"},
        "blazepose33": {0: "nose", 7: "left_ear", 11: "left_shoulder", 16: "right_wrist", 32: "right_foot_index"},
        "coco17": {0: "nose", 1: "left_eye", 5: "left_shoulder", 12: "right_hip", 16: "right_ankle"},
        "h36m17": {0: "pelvis", 1: "left_hip", 4: "right_hip", 10: "head_top", 11: "left_shoulder"},
        "lsp14": {0: "right_ankle", 5: "left_ankle", 6: "right_wrist", 12: "neck", 13: "head_top"},
        "vp3d17": {0: "pelvis", 1: "right_hip", 4: "left_hip", 10: "head_top", 11: "left_shoulder"},
        "ski17": {0: "pelvis", 1: "right_hip", 4: "left_hip", 9: "head", 11: "left_shoulder"},
        "3dhp28": {4: "pelvis", 5: "neck", 9: "left_shoulder", 18: "left_hip", 23: "right_hip", 27: "right_toe"},
        "3dhp17": {0: "head_top", 2: "right_shoulder", 11: "left_hip", 14: "pelvis", 16: "head"},
        "spin24": {0: "right_ankle", 13: "head_top", 14: "pelvis", 18: "head", 19: "nose", 23: "right_ear"},
        "smplx22": {0: "pelvis", 1: "left_hip", 21: "right_wrist"},
    }
    for name, places in known.items():
        assert {i: JOINT_SETS[name].joints[i] for i in places} == places


OTHER_NAMES = {"neck": {"thorax"}, "head": {"jaw"}}


@pytest.mark.parametrize("name", FROM_H36M)
def test_rows_of_h36m_that_are_joints_of_another_set(name):
    h36m, other = JOINT_SETS["h36m17"].joints, JOINT_SETS[name].joints
    for row, joint in zip(FROM_H36M[name], other, strict=True):
        assert h36m[row] in {joint, *OTHER_NAMES.get(joint, ())}


def test_the_two_orders_of_h36m_differ_in_the_leg_that_comes_first():
    left, right = JOINT_SETS["h36m17"].joints, JOINT_SETS["vp3d17"].joints
    assert (left[1], right[1]) == ("left_hip", "right_hip")
    assert [left[i] for i in (0, 4, 5, 6, 1, 2, 3, *range(7, 17))] == list(right)


def test_lsp_is_the_start_of_spins_24():
    assert JOINT_SETS["spin24"].joints[:14] == JOINT_SETS["lsp14"].joints
    assert FROM_H36M["lsp14"] == H36M_TO_LSP14


def test_rows_between_the_sets_that_published_evaluations_compare():
    assert rows("vp3d17", "lsp14") == (3, 2, 1, 4, 5, 6, 16, 15, 14, 11, 12, 13, 8, 10)
    assert rows("spin24", "lsp14") == (*range(13), 18)  # SPIN's J24_TO_J14: the head is row 18
    test17 = rows("spin24", "3dhp17")
    where = dict(zip((14, 11, 12, 13, 8, 9, 10, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4), rows("spin24", "h36m17"), strict=True))
    assert test17 == tuple(where[i] for i in range(17))  # section 5.3 of the reference: test index -> SPIN's slot
    assert rows("3dhp28", "3dhp17") == (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6)
    assert rows("smpl24", "smplx22") == tuple(range(22))
    for name in JOINT_SETS:
        assert rows(name, name) == tuple(range(len(JOINT_SETS[name])))


def test_no_rows_where_a_set_lacks_a_joint():
    assert rows("blazepose33", "h36m17") is None
    assert rows("smpl24", "ski17") is None
    assert rows("coco17", "smpl24") is None
