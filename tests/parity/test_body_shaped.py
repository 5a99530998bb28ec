import pickle

import pytest
import smplx
import torch

from posegen.body.official import read_smpl
from posegen.body.shaped import ShapedBody, global_rotations
from posegen.geometry import rotvec_to_rotmat

from .test_body_smpl import synthetic_smpl

RANDOM = torch.Generator().manual_seed(3)
POSE = 0.6 * torch.randn(5, 24, 3, generator=RANDOM)
BETAS = torch.randn(5, 10, generator=RANDOM)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("smpl") / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(synthetic_smpl()[0]))
    return path


def test_it_is_smplx_with_its_own_origin(model):
    vertices, joints = ShapedBody(read_smpl(model)).posed(POSE, BETAS)
    published = smplx.SMPL(str(model), batch_size=5)
    expected = published(betas=BETAS, global_orient=POSE[:, :1].flatten(1), body_pose=POSE[:, 1:].flatten(1))
    torch.testing.assert_close(vertices, expected.vertices.detach(), rtol=0, atol=2e-6)
    torch.testing.assert_close(joints, expected.joints[:, :24].detach(), rtol=0, atol=2e-6)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_person_does_not_depend_on_the_others(model, n):
    body = ShapedBody(read_smpl(model))
    whole, few = body.posed(POSE, BETAS), body.posed(POSE[:n], BETAS[:n])
    torch.testing.assert_close(few[0], whole[0][:n], rtol=0, atol=1e-6)
    torch.testing.assert_close(few[1], whole[1][:n], rtol=0, atol=1e-6)


def test_global_rotations_multiply_from_the_root_outwards():
    turns = rotvec_to_rotmat(POSE)
    torch.testing.assert_close(global_rotations(POSE)[:, 4], turns[:, 0] @ turns[:, 1] @ turns[:, 4])
