import math

import pytest
import torch

from posegen.geometry import rot6d_to_rotmat, rotmat_to_rotvec, rotvec_to_rotmat

AXES = torch.nn.functional.normalize(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).double(), dim=1)
ANGLES = [0.0, 1e-12, 1e-7, 1e-3, 1.0, math.pi - 1e-3, math.pi - 1e-7, math.pi]


@pytest.mark.parametrize("angle", ANGLES)
def test_matrix_is_the_matrix_exponential(angle):
    v = AXES * angle
    x, y, z = v.unbind(1)
    o = torch.zeros_like(x)
    cross = torch.stack([o, -z, y, z, o, -x, -y, x, o], dim=1).reshape(-1, 3, 3)
    torch.testing.assert_close(rotvec_to_rotmat(v), torch.linalg.matrix_exp(cross), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("angle", ANGLES)
def test_there_and_back(angle, dtype):
    matrix = rotvec_to_rotmat((AXES * angle).to(dtype))
    again = rotvec_to_rotmat(rotmat_to_rotvec(matrix))
    torch.testing.assert_close(again, matrix, rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-12)
    assert (rotmat_to_rotvec(matrix).norm(dim=1) <= math.pi + 1e-6).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("angle", [*ANGLES, 2 * math.pi, 7.0])
def test_gradients_are_finite_everywhere(angle, dtype):
    v = (AXES * angle).to(dtype).requires_grad_()
    weight = torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).to(dtype)
    matrix = rotvec_to_rotmat(v)
    loss = (matrix * weight).sum() + rotmat_to_rotvec(matrix).square().sum()
    (gradient,) = torch.autograd.grad(loss, v)
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 100


@pytest.mark.parametrize("angle", [0.0, 1e-3, 1.0, math.pi - 1e-3])
def test_gradients_are_right(angle):
    v = (AXES[:4] * angle).requires_grad_()
    assert torch.autograd.gradcheck(rotvec_to_rotmat, (v,), atol=1e-6)
    assert torch.autograd.gradcheck(lambda x: rotmat_to_rotvec(rotvec_to_rotmat(x)), (v,), atol=1e-5)


def test_six_numbers_are_the_first_two_columns_row_by_row():
    matrix = rotvec_to_rotmat(AXES * 2.0)
    numbers = matrix[:, :, :2].reshape(-1, 6)
    assert torch.equal(numbers[:, 2], matrix[:, 1, 0])
    torch.testing.assert_close(rot6d_to_rotmat(numbers), matrix, rtol=0, atol=1e-12)
    stretched = numbers * torch.tensor([3.0, 0.5]).repeat(3)  # Gram-Schmidt forgives the columns' lengths
    torch.testing.assert_close(rot6d_to_rotmat(stretched), matrix, rtol=0, atol=1e-12)


def test_any_six_numbers_make_a_rotation():
    numbers = torch.randn(50, 6, generator=torch.Generator().manual_seed(3)).double().requires_grad_()
    matrix = rot6d_to_rotmat(numbers)
    identity = torch.eye(3, dtype=torch.float64).expand(50, 3, 3)
    torch.testing.assert_close(matrix @ matrix.transpose(1, 2), identity, rtol=0, atol=1e-12)
    assert (torch.linalg.det(matrix) > 0).all()
    assert torch.autograd.gradcheck(rot6d_to_rotmat, (numbers[:4],), atol=1e-5)
