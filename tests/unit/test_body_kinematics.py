import pytest
import torch

from posegen.body import PARENTS, forward_kinematics, skin, skinning_transforms
from posegen.geometry import rotvec_to_rotmat


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


REST = torch.randn(24, 3, generator=rng()).double() * 0.3
ROTATIONS = rotvec_to_rotmat(torch.randn(5, 24, 3, generator=rng(1)).double())


def test_frames_are_the_chain_of_parents():
    frames = forward_kinematics(ROTATIONS, REST)
    for n in range(5):
        for j, parent in enumerate(PARENTS):
            rotation, place = ROTATIONS[n, j], REST[j]
            if parent >= 0:
                rotation = frames[n, parent, :3, :3] @ rotation
                place = frames[n, parent, :3, :3] @ (REST[j] - REST[parent]) + frames[n, parent, :3, 3]
            torch.testing.assert_close(frames[n, j, :3, :3], rotation)
            torch.testing.assert_close(frames[n, j, :3, 3], place)
    assert torch.equal(frames[..., 3, :], torch.tensor([0.0, 0, 0, 1]).double().expand(5, 24, 4))


def test_without_rotation_nothing_moves():
    identity = torch.eye(3).double().expand(2, 24, 3, 3)
    frames = forward_kinematics(identity, REST)
    torch.testing.assert_close(frames[..., :3, 3], REST.expand(2, 24, 3))
    points, weights = torch.randn(9, 3, generator=rng()).double(), torch.rand(9, 24, generator=rng(1)).double()
    weights = weights / weights.sum(1, keepdim=True)
    moved = skin(points, weights, skinning_transforms(frames, REST))
    torch.testing.assert_close(moved, points.expand(2, 9, 3))


def test_bones_keep_their_length():
    joints = forward_kinematics(ROTATIONS, REST)[..., :3, 3]
    parents = torch.tensor(PARENTS[1:])
    length = (joints[:, 1:] - joints[:, parents]).norm(dim=-1)
    torch.testing.assert_close(length, (REST[1:] - REST[parents]).norm(dim=-1).expand(5, 23))


def test_a_point_of_one_bone_moves_rigidly_with_it():
    frames = forward_kinematics(ROTATIONS, REST)
    on_bone = torch.zeros(24, 24).double()
    on_bone[torch.arange(24), torch.arange(24)] = 1
    offset = torch.tensor([0.1, -0.2, 0.05]).double()
    moved = skin(REST + offset, on_bone, skinning_transforms(frames, REST))
    torch.testing.assert_close(moved, frames[..., :3, 3] + frames[..., :3, :3] @ offset)


def test_a_subset_and_points_per_sample_are_skinned_alike():
    points, weights = torch.randn(30, 3, generator=rng()).double(), torch.rand(30, 24, generator=rng(1)).double()
    transforms = skinning_transforms(forward_kinematics(ROTATIONS, REST), REST)
    whole = skin(points, weights, transforms)
    torch.testing.assert_close(skin(points[7:11], weights[7:11], transforms), whole[:, 7:11])
    torch.testing.assert_close(skin(points.expand(5, 30, 3), weights, transforms), whole)


def test_gradients():
    weights = torch.rand(6, 24, generator=rng(1)).double()
    points = torch.randn(6, 3, generator=rng(2)).double().requires_grad_()
    pose = (torch.randn(1, 24, 3, generator=rng(3)).double() * 0.5).requires_grad_()
    rest = REST.clone().requires_grad_()

    def skinned(pose, rest, points):
        frames = forward_kinematics(rotvec_to_rotmat(pose), rest)
        return skin(points, weights, skinning_transforms(frames, rest))

    assert torch.autograd.gradcheck(skinned, (pose, rest, points))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_float_type_is_kept(dtype):
    assert forward_kinematics(ROTATIONS.to(dtype), REST.to(dtype)).dtype == dtype
