"""A body carried onto another skeleton."""

from __future__ import annotations

import numpy as np
import torch
from posegen_starter.body import OpenBody

OPEN = OpenBody(OpenBody.Options()).body()


def test_the_joints_are_exactly_those_asked_for():
    """Whatever they are: twisted, and away from the origin."""
    generator = torch.Generator().manual_seed(0)
    joints = OPEN.rest_joints * 1.2 + 0.03 * torch.randn(24, 3, generator=generator)
    body = OPEN.on_joints(joints)
    torch.testing.assert_close(body.rest_joints, joints - joints[0], atol=1e-5, rtol=0)
    pose = 0.4 * torch.randn(2, 23, 3, generator=generator)
    torch.testing.assert_close(body.joints(pose)[:, 0], torch.zeros(2, 3), atol=1e-6, rtol=0)


def test_its_own_joints_change_nothing():
    body = OPEN.on_joints(OPEN.rest_joints)
    torch.testing.assert_close(body.rest_vertices, OPEN.rest_vertices, atol=2e-4, rtol=0)


def test_another_shapes_joints_give_about_that_shape():
    """The skin follows: closer to the other person's than the mean is, by far."""
    other = OpenBody(OpenBody.Options()).body([2.0, 1.0, 0, 0, 0, 0, 0, 0, 0, 0])
    body = OPEN.on_joints(other.rest_joints)
    wrong = (body.rest_vertices - other.rest_vertices).norm(dim=-1).mean()
    before = (OPEN.rest_vertices - other.rest_vertices).norm(dim=-1).mean()
    assert float(wrong) < 0.35 * float(before)


def test_joint_sets_stay():
    body = OPEN.on_joints(OPEN.rest_joints * 0.9)
    assert body.joint_sets == OPEN.joint_sets
    pose = torch.zeros(1, 23, 3)
    tall, short = (b.joints(pose, joint_set="blazepose33") for b in (OPEN, body))
    assert np.ptp(short[0, :, 1].numpy()) < 0.97 * np.ptp(tall[0, :, 1].numpy())
