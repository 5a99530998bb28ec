"""HybrIK's differentiable inverse kinematics: it reproduces skeletons, and its gradients are right everywhere."""

from __future__ import annotations

import math

import pytest
import torch
from posegen_hybrik import ik, official_ik
from posegen_hybrik.open_body import open_skeleton
from posegen_hybrik.rotations import best_rotation, kabsch, swing, twist
from posegen_hybrik.skeleton import CHILDREN, ENDS, JOINTS, PARENTS
from posegen_starter.body import OpenBody
from torch import Tensor

from posegen.body import forward_kinematics
from posegen.geometry import rotvec_to_rotmat

Posed = tuple[Tensor, Tensor, Tensor]


def posed(n: int, joints: int, spread: float = 0.8) -> Posed:
    """Random rotations (n,24,3,3) of shaped open bodies, their rest joints and their posed skeletons, float64."""
    rng = torch.Generator().manual_seed(5)
    template, shape = open_skeleton()
    betas = torch.randn(n, 10, generator=rng, dtype=torch.float64)
    rest = (template.double() + (shape.double() @ betas[:, None, :, None])[..., 0])[:, :joints]
    turns = spread * torch.randn(n, JOINTS, 3, generator=rng, dtype=torch.float64)
    turns[:, 0] = torch.randn(n, 3, generator=rng, dtype=torch.float64) * 2
    rotations = rotvec_to_rotmat(turns)
    frames = forward_kinematics(rotations, rest[:, :JOINTS])
    parents = list(PARENTS[JOINTS:joints])
    out = (rest[:, JOINTS:] - rest[:, parents])[..., None]
    tips = frames[:, parents, :3, 3] + (frames[:, parents, :3, :3] @ out)[..., 0]
    return rotations, rest, torch.cat([frames[..., :3, 3], tips], dim=1)


@pytest.mark.parametrize("joints", [24, 29])
def test_rotations_come_back_from_the_skeleton_and_the_twists(joints: int) -> None:
    rotations, rest, skeleton = posed(64, joints)
    ends = rotations[:, ENDS] if joints == JOINTS else None
    again = ik.solve(skeleton, rest, ik.twists(rotations, rest), ends)
    torch.testing.assert_close(again, rotations, rtol=0, atol=1e-9)


@pytest.mark.parametrize("place", [0.0, 3.0])
def test_whatever_the_twists_the_bones_point_where_the_skeletons_do(place: float) -> None:
    """Every bone to a chosen child, in a skeleton of other lengths too, and wherever it stands."""
    _, rest, skeleton = posed(32, 29)
    longer = place + torch.cat([skeleton[:, :1], skeleton[:, 1:] * 1.1], dim=1)
    phi = torch.randn(32, 23, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rotations = ik.solve(longer, rest, phi)
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3).double().expand_as(rotations), rtol=0, atol=1e-9)
    frames = forward_kinematics(rotations, rest[:, :JOINTS])[..., :3, :3]
    for joint in range(1, JOINTS):
        bone = (frames[:, joint] @ (rest[:, CHILDREN[joint]] - rest[:, joint])[..., None])[..., 0]
        wanted = longer[:, CHILDREN[joint]] - longer[:, joint]
        cosine = torch.cosine_similarity(bone, wanted)
        torch.testing.assert_close(cosine, torch.ones_like(cosine), rtol=0, atol=1e-9)


def test_the_open_body_takes_the_pose() -> None:
    """Through the body itself: theta of the solved rotations puts its joints on the skeleton."""
    body = OpenBody(OpenBody.Options()).body()
    template, _ = open_skeleton()
    rng = torch.Generator().manual_seed(2)
    theta = 0.5 * torch.randn(8, 23, 3, generator=rng)
    rotations = torch.cat([torch.eye(3).expand(8, 1, 3, 3), rotvec_to_rotmat(theta)], dim=1)
    rest = template[:JOINTS].expand(8, -1, -1)
    solved = ik.solve(body.joints(theta), rest, ik.twists(rotations, rest), rotations[:, ENDS])
    torch.testing.assert_close(solved, rotations, rtol=0, atol=1e-4)


@pytest.mark.parametrize("joints", [24, 29])
def test_gradients_equal_finite_differences(joints: int) -> None:
    rotations, rest, skeleton = posed(2, joints)
    inputs = [skeleton, rest, 0.7 * ik.twists(rotations, rest)] + ([rotations[:, ENDS]] if joints == JOINTS else [])
    leaves = [x.detach().requires_grad_() for x in inputs]
    # the best rotation's gradient is regularised by 1e-6 square metres, of bones of 1e-2
    assert torch.autograd.gradcheck(ik.solve, leaves, atol=2e-4, rtol=2e-3, fast_mode=True)


def test_a_loss_on_rotations_moves_every_joint_that_is_followed() -> None:
    rotations, rest, skeleton = posed(4, 29)
    moving = skeleton.clone().requires_grad_()
    out = ik.solve(moving, rest, ik.twists(rotations, rest))
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(0), dtype=out.dtype)
    (out * weight).sum().backward()
    assert moving.grad is not None
    reached = moving.grad.norm(dim=-1).amin(0) > 0
    assert reached.all()


def test_the_published_path_detaches_the_skeleton() -> None:
    """The reason for an own one: upstream's training path has no gradient there, its evaluation next to none."""
    rotations, rest, skeleton = posed(4, 29)
    noisy = skeleton + 0.03 * torch.randn(skeleton.shape, generator=torch.Generator().manual_seed(3)).double()
    for naive in (True, False):
        moving = noisy.clone().requires_grad_()
        phi = ik.twists(rotations, rest).requires_grad_()
        official_ik.solve(moving, rest, phi, naive=naive).sum().backward()
        assert moving.grad is None or moving.grad.norm(dim=-1).gt(0).float().mean() < 0.2
        assert phi.grad is not None and phi.grad.abs().max() > 0
    moving = noisy.clone().requires_grad_()
    ik.solve(moving, rest, phi.detach()).sum().backward()
    assert moving.grad is not None and moving.grad.abs().max() > 0


def degenerate() -> dict[str, tuple[Tensor, Tensor]]:
    """Skeletons and twists that have no unique answer."""
    _, rest, skeleton = posed(2, 29)
    rest, skeleton = rest.float(), skeleton.float()
    unit = torch.tensor([1.0, 0.0]).expand(2, 23, 2)
    folded, flat, short = skeleton.clone(), skeleton.clone(), skeleton.clone()
    folded[:, 24] = folded[:, 15]  # the head has no length
    flat[..., 2] = 0
    short[:, 20:] = short[:, 18:19] + 1e-6 * short[:, 20:]
    return {
        "a point": (torch.zeros_like(skeleton), unit),
        "upside down": (-rest, unit),
        "at rest": (rest, unit),
        "a bone of no length": (folded, unit),
        "flat": (flat, unit),
        "nearly a point": (short, unit),
        "no twist": (skeleton, torch.zeros(2, 23, 2)),
        "half a turn of twist": (skeleton, -unit),
        "a line": (torch.linspace(0, 1, 29)[None, :, None].expand(2, 29, 3), unit),
    }


@pytest.mark.parametrize("case", degenerate())
def test_degenerate_skeletons_have_rotations_and_finite_gradients(case: str) -> None:
    skeleton, phi = (x.clone().requires_grad_() for x in degenerate()[case])
    rest = posed(2, 29)[1].float()
    out = ik.solve(skeleton, rest, phi)
    torch.testing.assert_close(out @ out.mT, torch.eye(3).expand_as(out), rtol=0, atol=1e-4)
    torch.testing.assert_close(torch.linalg.det(out), torch.ones(2, 24), rtol=0, atol=1e-4)
    out.square().mul(torch.arange(9.0).reshape(3, 3)).sum().backward()
    assert skeleton.grad is not None and phi.grad is not None
    assert torch.isfinite(skeleton.grad).all() and torch.isfinite(phi.grad).all()
    assert skeleton.grad.abs().max() < 1e6


def test_swing_is_the_shortest_rotation_also_of_nearly_opposite_directions() -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = torch.nn.functional.normalize(torch.randn(2, 50, 3, generator=rng, dtype=torch.float64), dim=-1)
    b[:10], b[10:20] = -a[:10], torch.nn.functional.normalize(-a[10:20] + 0.05 * b[10:20], dim=-1)
    turn = swing(a, b)
    torch.testing.assert_close((turn @ a[..., None])[..., 0], b, rtol=0, atol=1e-6)
    angle = torch.arccos(((turn.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2).clamp(-1, 1))
    torch.testing.assert_close(angle, torch.arccos((a * b).sum(-1).clamp(-1, 1)), rtol=0, atol=1e-5)


def test_twist_turns_about_the_bone() -> None:
    axis = torch.tensor([[0.0, 0.0, 1.0]])
    turn = twist(axis, 3 * torch.tensor([[math.cos(0.4), math.sin(0.4)]]))
    torch.testing.assert_close(turn, rotvec_to_rotmat(0.4 * axis))


def test_the_best_rotation_is_never_a_reflection() -> None:
    """Where the vectors are mirrored, the best fit would be one."""
    rng = torch.Generator().manual_seed(4)
    rest = torch.randn(20, 3, 3, generator=rng, dtype=torch.float64)
    mirrored = rest * torch.tensor([-1.0, 1.0, 1.0])
    for target in (rest, mirrored):
        turn = kabsch(rest, target)
        torch.testing.assert_close(torch.linalg.det(turn), torch.ones(20).double())
        assert torch.equal(best_rotation(rest, target), turn)
    turn = kabsch(rest, mirrored)
    error = ((turn @ rest.mT).mT - mirrored).square().sum()
    for _ in range(100):
        other = turn @ rotvec_to_rotmat(0.1 * torch.randn(20, 3, generator=rng, dtype=torch.float64))
        assert ((other @ rest.mT).mT - mirrored).square().sum() >= error
