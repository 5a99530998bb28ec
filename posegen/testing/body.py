"""What a source of bodies must hold to."""

from __future__ import annotations

import torch

from posegen.body import JOINT_SETS, Body
from posegen.testing.expect import descends, equal, poses, require, tensor
from posegen.testing.kit import Case


def bodies_are_bodies(case: Case) -> None:
    """``body()`` is a posegen.body.Body that gives smpl24 and says which other joint sets it gives."""
    body = case.part.body()
    require(isinstance(body, Body), f"body() must return a posegen.body.Body, not {type(body).__name__}")
    require("smpl24" in body.joint_sets, "every body must give the joint set smpl24")
    for name in body.joint_sets:
        tensor(case, body.joints(poses(case), joint_set=name), f"joints of {name}", (3, len(JOINT_SETS[name]), 3))


def rest_pose_follows_the_convention(case: Case) -> None:
    """Metres, pelvis at the origin, +Y up, facing +Z, left is +X."""
    names = JOINT_SETS["smpl24"].joints
    rest = dict(zip(names, case.part.body().joints(torch.zeros(1, 23, 3, device=case.device))[0], strict=True))
    require(float(rest["pelvis"].norm()) < 1e-4, "the pelvis joint must be the origin")
    tall = float(rest["head"][1] - rest["left_ankle"][1])
    require(0.6 < tall < 2.2, f"metres, +Y up: the head is {tall:.3g} above the ankles")
    require(bool(rest["left_hip"][0] > rest["right_hip"][0]), "the body's left must be +X")
    require(bool(rest["left_foot"][2] > rest["left_ankle"][2]), "the body must face +Z: its toes lie before its ankles")


def betas_shape_the_body(case: Case) -> None:
    """Ten betas change the shape; None is the mean shape, which is that of zeros."""
    mean = case.part.body().rest_joints
    equal(case.part.body([0.0] * 10).rest_joints, mean, "None and ten zero betas must give the same shape", 1e-6)
    other = case.part.body([2.0] + [0.0] * 9).rest_joints
    require(float((other - mean).norm(dim=-1).max()) > 1e-3, "the first beta must change the shape")


def gradient_reaches_the_pose(case: Case) -> None:
    """Joints are differentiable with respect to the pose."""
    body = case.part.body()
    descends(lambda pose: body.joints(pose).square().mean(), poses(case), "the pose")


CHECKS = (bodies_are_bodies, rest_pose_follows_the_convention, betas_shape_the_body, gradient_reaches_the_pose)
