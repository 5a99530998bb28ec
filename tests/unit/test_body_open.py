"""The open body, as plugins get it: what its joint sets mean."""

import pytest
import torch
from posegen_starter.body import OpenBody

from posegen.body import JOINT_SETS

BODY = OpenBody(OpenBody.Options(), device="cpu").body()
REST = torch.zeros(1, 23, 3)
SETS = ("smpl24", "blazepose33", "coco17", "lsp14", "smplx22")


def named(joint_set: str, pose=REST, view=None) -> dict[str, torch.Tensor]:
    joints = BODY.joints(pose, view, joint_set)
    return dict(zip(JOINT_SETS[joint_set].joints, joints.unbind(1), strict=True))


def test_it_gives_every_set_that_needs_no_licensed_regressor():
    assert BODY.joint_sets == SETS


@pytest.mark.parametrize("joint_set", SETS)
def test_left_is_plus_x_and_mirrors_right(joint_set):
    joints = named(joint_set)
    for left in (name for name in joints if name.startswith("left_")):
        mirrored = joints[left.replace("left", "right")] * torch.tensor([-1.0, 1.0, 1.0])
        assert joints[left][0, 0] > 0.01
        assert (joints[left] - mirrored).norm() < 0.005, left


def test_it_faces_plus_z_and_stands_upright():
    face, bones = named("blazepose33"), named("smpl24")
    assert face["nose"][0, 2] > face["left_ear"][0, 2] + 0.05
    assert face["left_foot_index"][0, 2] > face["left_heel"][0, 2] + 0.1
    assert 0.7 < named("lsp14")["head_top"][0, 1] < 0.95
    assert -1.05 < face["left_heel"][0, 1] < -0.8
    assert bones["pelvis"].abs().max() == 0


def test_sets_agree_where_they_share_a_joint():
    pose = torch.randn(3, 23, 3, generator=torch.Generator().manual_seed(0)) * 0.5
    blaze, coco, lsp, smpl = (named(s, pose) for s in ("blazepose33", "coco17", "lsp14", "smpl24"))
    for name in coco:
        torch.testing.assert_close(blaze[name], coco[name])
    for name in set(lsp) & set(smpl) - {"neck"}:
        torch.testing.assert_close(lsp[name], smpl[name])


def test_the_front_camera_sees_the_left_hand_on_its_right():
    seen = named("coco17", view=torch.zeros(1, 3))
    assert seen["left_wrist"][0, 0] > 0.3
    assert seen["nose"][0, 1] < -0.5


def test_skin_moves_like_smplx():
    pose = torch.randn(2, 23, 3, generator=torch.Generator().manual_seed(1)) * 0.5
    joints, vertices = named("blazepose33", pose), BODY.vertices(pose)
    assert vertices.shape[2] == 3
    nearest = (vertices - joints["nose"][:, None]).norm(dim=-1).amin(dim=1)
    assert nearest.max() < 1e-5  # the nose is a vertex


def test_its_shape_space_moves_the_joints():
    tall = OpenBody(OpenBody.Options(), device="cpu").body([2.0] + [0.0] * 9)
    height = [b.rest_vertices[:, 1].max() - b.rest_vertices[:, 1].min() for b in (BODY, tall)]
    assert height[1] > height[0] + 0.05
    assert (tall.rest_joints - BODY.rest_joints).norm(dim=1).max() > 0.02
