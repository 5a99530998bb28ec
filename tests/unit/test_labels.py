"""What stays true of crops that are mirrored and moved."""

from __future__ import annotations

import torch
from blob_parts import body, rng

from posegen.geometry import from_spherical, rotmat_to_rotvec, rotvec_to_rotmat, view_rotation
from posegen.labels import Labels, concatenate

N = 5


def person() -> tuple[torch.Tensor, Labels]:
    """Poses theta, and the labels of a body in them that is seen from anywhere by a camera without perspective."""
    theta, view = 0.3 * torch.randn(N, 23, 3, generator=rng(1)), torch.randn(N, 3, generator=rng(2))
    joints = body().joints(theta, view)
    rotations = torch.cat([view_rotation(view)[:, None], rotvec_to_rotmat(theta)], dim=1)
    return theta, Labels(joints, rotations, 0.4 * joints[..., :2])


def posed(rotations: torch.Tensor) -> torch.Tensor:
    """Joints of the body with these rotations (n,24,3,3)."""
    straight = body().joints(rotmat_to_rotvec(rotations[:, 1:]))
    return straight @ rotations[:, 0].transpose(1, 2)


def test_rotations_pose_the_joints_in_a_mirror_too() -> None:
    _, labels = person()
    other = labels.mirrored(body().joint_set("smpl24"))
    torch.testing.assert_close(posed(labels.rotations), labels.joints, atol=1e-5, rtol=0)
    assert (posed(other.rotations) - other.joints).norm(dim=-1).max() < 0.01  # the skeleton is nearly symmetric
    assert (other.joints - labels.joints).norm(dim=-1).mean() > 0.1
    torch.testing.assert_close(other.place, 0.4 * other.joints[..., :2])
    back = other.mirrored(body().joint_set("smpl24"))
    torch.testing.assert_close(back.joints, labels.joints)
    torch.testing.assert_close(back.rotations, labels.rotations)
    torch.testing.assert_close(back.place, labels.place)


def test_a_turned_person_is_a_camera_that_rolls() -> None:
    theta, _ = person()
    angle, azimuth = torch.linspace(-2, 2, N), torch.linspace(-3, 3, N)

    def seen(roll: torch.Tensor) -> Labels:
        view = from_spherical(azimuth, 0.3 * azimuth, roll)
        rotations = torch.cat([view_rotation(view)[:, None], rotvec_to_rotmat(theta)], dim=1)
        joints = body().joints(theta, view)
        return Labels(joints, rotations, 0.4 * joints[..., :2])

    level, still = seen(torch.zeros(N)), torch.zeros(N, 2)
    turned = level.moved(angle, torch.ones(N), still)
    rolled = seen(angle)
    torch.testing.assert_close(turned.joints, rolled.joints, atol=1e-5, rtol=0)
    torch.testing.assert_close(turned.rotations, rolled.rotations, atol=1e-5, rtol=0)
    torch.testing.assert_close(turned.place, rolled.place, atol=1e-5, rtol=0)


def test_moved_first_then_enlarged() -> None:
    _, labels = person()
    shift, size = torch.tensor([[0.1, -0.2]]).expand(N, 2), torch.full((N,), 1.5)
    moved = labels.moved(torch.zeros(N), size, shift)
    torch.testing.assert_close(moved.place, 1.5 * (labels.place + torch.tensor([0.1, -0.2])))
    torch.testing.assert_close(moved.joints, labels.joints)
    torch.testing.assert_close(moved.rotations, labels.rotations)


def test_what_is_unknown_stays_unknown_and_what_is_known_known() -> None:
    _, labels = person()
    both = concatenate([labels, Labels.of_joints(labels.joints)])
    for changed in (both.mirrored(body().joint_set("smpl24")), both.moved(*torch.ones(2, 2 * N), torch.ones(2 * N, 2))):
        assert changed.rotations[:N].isfinite().all() and changed.place[:N].isfinite().all()
        assert changed.rotations[N:, 0].isnan().all() and changed.place[N:].isnan().all()
        assert changed.joints.isfinite().all() and len(changed) == 2 * N
