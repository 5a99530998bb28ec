import subprocess
import sys

import numpy as np
import pytest
import torch
from smpl_files import PARENTS, smpl

from posegen.body import Body, BodyArrays, forward_kinematics
from posegen.errors import AssetError, UsageError
from posegen.geometry import rotvec_to_rotmat, view_rotation

MODEL = smpl(240)
H36M = np.random.default_rng(5).random((17, 240)) * (np.random.default_rng(6).random((17, 240)) < 0.05)
LANDMARKS = {"nose": [0], "left_eye": [1, 2], "right_eye": [3, 4], "left_ear": [5], "right_ear": [6], "head_top": [9]}


def arrays(**changes) -> BodyArrays:
    m = {**MODEL, **changes}
    return BodyArrays(
        m["v_template"],
        m["shapedirs"],
        m["posedirs"],
        m["weights"],
        m["J_regressor"],
        m["f"],
        np.array(PARENTS),
        "m.pkl",
    )


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


BETAS = torch.randn(10, generator=rng())
POSE = torch.randn(4, 23, 3, generator=rng(1)) * 0.7
BODY = Body.from_arrays(arrays(), BETAS, LANDMARKS, {"h36m17": H36M})


def on_vertices(joint_set: str, vertices: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the landmarks and regressors say about posed vertices, computed the slow way."""
    if joint_set in ("h36m17", "lsp14"):
        rows = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10] if joint_set == "lsp14" else range(17)
        points = torch.from_numpy(H36M).float()[list(rows)] @ vertices
        return dict(zip(BODY.joint_set(joint_set).joints, points.unbind(1), strict=True))
    return {name: vertices[:, ids].mean(1) for name, ids in LANDMARKS.items()}


@pytest.mark.parametrize("posedirs", [MODEL["posedirs"], None], ids=["posedirs", "none"])
@pytest.mark.parametrize("joint_set", ["smpl24", "coco17", "h36m17", "lsp14"])
def test_joints_are_those_of_the_vertices(joint_set, posedirs):
    body = Body.from_arrays(arrays(posedirs=posedirs), BETAS, LANDMARKS, {"h36m17": H36M})
    names = body.joint_set(joint_set).joints
    joints = dict(zip(names, body.joints(POSE, joint_set=joint_set).unbind(1), strict=True))
    expected = on_vertices(joint_set, body.vertices(POSE))
    rotations = torch.cat([torch.eye(3).expand(4, 1, 3, 3), rotvec_to_rotmat(POSE)], dim=1)
    frames = forward_kinematics(rotations, body.rest_joints)
    skeleton = dict(zip(body.joint_set("smpl24").joints, frames[..., :3, 3].unbind(1), strict=True))
    for name in names:
        wanted = expected[name] if name in expected else skeleton[name]
        torch.testing.assert_close(joints[name], wanted, rtol=0, atol=1e-5)


def test_the_pelvis_is_the_origin_in_any_shape_and_pose():
    for betas in (None, BETAS, 3 * BETAS):
        joints = Body.from_arrays(arrays(), betas).joints(POSE)
        assert joints[:, 0].abs().max() < 1e-6
    assert torch.equal(BODY.rest_joints[0], torch.zeros(3))


def test_rest_pose_is_the_shaped_template():
    shaped = MODEL["v_template"] + MODEL["shapedirs"] @ BETAS.double().numpy()
    rest = torch.from_numpy(shaped - MODEL["J_regressor"][0] @ shaped).float()
    torch.testing.assert_close(BODY.vertices(torch.zeros(1, 23, 3))[0], rest, rtol=0, atol=1e-6)
    torch.testing.assert_close(BODY.rest_vertices, rest, rtol=0, atol=1e-6)
    torch.testing.assert_close(BODY.joints(torch.zeros(1, 23, 3))[0], BODY.rest_joints, rtol=0, atol=1e-6)


def test_a_view_turns_the_axes_and_moves_nothing():
    view = torch.randn(4, 3, generator=rng(2))
    seen, world = BODY.joints(POSE, view, "coco17"), BODY.joints(POSE, None, "coco17")
    torch.testing.assert_close(seen, world @ view_rotation(view).transpose(1, 2))
    front = BODY.joints(POSE, torch.zeros(4, 3))
    torch.testing.assert_close(front, BODY.joints(POSE) * torch.tensor([1.0, -1.0, -1.0]))


def test_gradients_of_joints_and_vertices():
    small = Body.from_arrays(
        BodyArrays(**{**{k: v for k, v in smpl(48).items() if k not in ("f", "kintree_table", "bs_type")},
                      "faces": np.zeros((1, 3), int), "parents": np.array(PARENTS)}),
        landmarks={**LANDMARKS}, regressors={"h36m17": H36M[:, :48]},
    ).to(dtype=torch.float64)  # fmt: skip
    pose = torch.cat([torch.zeros(1, 23, 3), POSE[:1]]).double().requires_grad_()
    view = torch.tensor([[0.0, 0, 0], [0.4, -1, 0.3]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p, v: small.joints(p, v, "coco17"), (pose, view), atol=1e-5)
    assert torch.autograd.gradcheck(lambda p: small.joints(p, None, "h36m17"), (pose,), atol=1e-5)
    assert torch.autograd.gradcheck(lambda p: small.vertices(p)[:, ::12], (pose,), atol=1e-5)


def test_a_sample_does_not_depend_on_its_batch():
    together = BODY.joints(POSE, joint_set="h36m17")
    alone = torch.cat([BODY.joints(POSE[i : i + 1], joint_set="h36m17") for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
    torch.testing.assert_close(BODY.vertices(POSE)[2:3], BODY.vertices(POSE[2:3]), rtol=0, atol=1e-6)


def test_an_empty_batch_is_an_empty_batch():
    assert BODY.joints(torch.zeros(0, 23, 3), joint_set="h36m17").shape == (0, 17, 3)


def test_to_keeps_shape_and_joint_sets():
    double = BODY.to(dtype=torch.float64)
    assert double.to("cpu") is double
    assert double.joint_sets == BODY.joint_sets
    joints = double.joints(POSE.double(), joint_set="lsp14")
    assert joints.dtype == torch.float64
    torch.testing.assert_close(joints.float(), BODY.joints(POSE, joint_set="lsp14"), rtol=0, atol=1e-5)
    assert double.vertices(POSE.double()).dtype == torch.float64


def test_what_a_body_can_give():
    skeleton = {"smpl24", "smplx22"}
    published = {"lsp14", "h36m17", "vp3d17", "ski17", "3dhp17"}
    assert set(Body.from_arrays(arrays()).joint_sets) == skeleton
    assert set(Body.from_arrays(arrays(), landmarks=LANDMARKS).joint_sets) == skeleton | {"coco17", "lsp14"}
    assert set(Body.from_arrays(arrays(), regressors={"h36m17": H36M}).joint_sets) == skeleton | published


def test_lsp14_of_landmarks_has_its_neck_between_the_shoulders():
    body = Body.from_arrays(arrays(), landmarks=LANDMARKS)
    joints = dict(zip(body.joint_set("lsp14").joints, body.joints(POSE, joint_set="lsp14").unbind(1), strict=True))
    torch.testing.assert_close(joints["neck"], (joints["left_shoulder"] + joints["right_shoulder"]) / 2)
    torch.testing.assert_close(joints["head_top"], body.vertices(POSE)[:, 9], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["blaze33", "h36m17", "blazepose33"])
def test_a_joint_set_it_cannot_give_is_a_usage_error(name):
    body = Body.from_arrays(arrays(), landmarks=LANDMARKS)
    with pytest.raises(UsageError) as caught:
        body.joints(POSE, joint_set=name)
    assert name in caught.value.message
    assert ("blazepose33" if name == "blaze33" else "coco17") in caught.value.hint


@pytest.mark.parametrize("betas", [[0.0] * 9, [[0.0] * 10], [float("nan")] * 10])
def test_betas_are_ten_finite_numbers(betas):
    with pytest.raises(UsageError, match="10"):
        Body.from_arrays(arrays(), betas)


def test_a_regressor_of_another_mesh_or_set_is_a_usage_error():
    with pytest.raises(UsageError, match=r"\(17, 240\)"):
        Body.from_arrays(arrays(), regressors={"h36m17": H36M[:, :100]})
    with pytest.raises(UsageError, match="h36m18"):
        Body.from_arrays(arrays(), regressors={"h36m18": H36M})


@pytest.mark.parametrize("ids", [[], [240], [-1]])
def test_a_landmark_of_another_mesh_is_an_asset_error(ids):
    with pytest.raises(AssetError, match="nose"):
        Body.from_arrays(arrays(), landmarks={"nose": ids})


BROKEN = {
    "v_template": MODEL["v_template"][:, :2],
    "shapedirs": MODEL["shapedirs"][..., :9],
    "posedirs": MODEL["posedirs"][:-1],
    "weights": MODEL["weights"] * 0.5,
    "J_regressor": MODEL["J_regressor"][:23],
    "f": MODEL["f"] + 239,
}


@pytest.mark.parametrize("key", BROKEN)
def test_impossible_arrays_are_named(key):
    with pytest.raises(AssetError) as caught:
        arrays(**{key: BROKEN[key]})
    assert "m.pkl" in caught.value.message
    assert ("faces" if key == "f" else key) in caught.value.message


def test_numbers_that_are_not_finite_are_named():
    template = MODEL["v_template"].copy()
    template[3, 1] = np.nan
    with pytest.raises(AssetError, match="v_template"):
        arrays(v_template=template)


def test_smplx_is_silent(capfd):
    Body.from_arrays(arrays()).vertices(POSE)
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ""


def test_only_vertices_import_smplx():
    program = """
import sys, torch
sys.path.insert(0, sys.argv[1])
from test_body_model import BODY, POSE
from posegen.body import load_body
BODY.joints(POSE, torch.zeros(4, 3), "h36m17"); BODY.transforms(POSE)
assert "smplx" not in sys.modules
BODY.vertices(POSE)
assert "smplx" in sys.modules
"""
    from pathlib import Path

    subprocess.run([sys.executable, "-c", program, str(Path(__file__).parent)], check=True)
