"""A second look: who leans is turned upright, looked at again, and what was seen is turned back."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from blob_parts import body, finetuning, rng
from posegen_blazepose.estimator import BlazePose
from posegen_cliff.estimator import Cliff
from posegen_hybrik.estimator import Hybrik
from posegen_mesh.renderer import MeshRenderer
from posegen_spin.estimator import Spin
from posegen_starter.motion import StarterMotion
from posegen_starter.photos import StarterPhotos
from torch import Tensor

from posegen import looks
from posegen.body import JOINT_SETS
from posegen.datasets.open import Shots, shots
from posegen.evaluate import judged, limbs, truth
from posegen.geometry import rotvec_to_rotmat
from posegen.labels import Labels
from posegen.testing.blobs import BlobEstimator
from posegen.types import Estimate, Marginals

SMPL = JOINT_SETS["smpl24"]
OPEN = {"weights": "open-compact", "precision": "float32"}
ADAPTERS = {
    "blazepose": (BlazePose, {}),
    "spin": (Spin, OPEN),
    "hybrik": (Hybrik, OPEN),
    "cliff": (Cliff, OPEN),
}


@cache
def made(name: str, times: int = 1):
    adapter, options = ADAPTERS[name]
    return adapter(adapter.Options(looks=times, **options))


@cache
def ordinary(joint_set: str) -> Shots:
    """Twelve people who stand, as the benchmark has them."""
    return shots(
        "ind",
        joint_set,
        motion=StarterMotion(StarterMotion.Options()),
        photos=StarterPhotos(StarterPhotos.Options()),
        mesh=lambda subject: MeshRenderer(MeshRenderer.Options(subject=subject)),
        samples=12,
    )


def crops(name: str) -> Tensor:
    estimator = made(name)
    seen = ordinary(estimator.joint_set)
    return estimator.crop(seen.image.float() / 255, seen.box)


def error(name: str, times: int, pictures: Tensor, angle: float) -> float:
    """mm, of people who stand, in pictures in which they lean by ``angle``."""
    estimator = made(name, times)
    with torch.no_grad():
        said = estimator.predict(looks.upright(pictures, torch.full((12,), -angle))).joints
    turn = rotvec_to_rotmat(torch.tensor([[0.0, 0.0, angle]])).transpose(1, 2)
    true = truth(ordinary(estimator.joint_set)) @ turn
    errors = judged(limbs(said, estimator.joint_set), true)["mpjpe"]
    return sum(errors) / len(errors)


@pytest.mark.parametrize("angle", [0.8, -0.8])
@pytest.mark.parametrize("name", ADAPTERS)
def test_people_who_lean_are_seen_better(name: str, angle: float) -> None:
    pictures = crops(name)
    assert error(name, 2, pictures, angle) < 0.95 * error(name, 1, pictures, angle)


@pytest.mark.parametrize("name", ADAPTERS)
@torch.no_grad()
def test_people_who_stand_are_looked_at_once(name: str) -> None:
    pictures = crops(name)
    once, twice = (made(name, times).predict(pictures) for times in (1, 2))
    stand = looks.lean(once.joints, JOINT_SETS[made(name).joint_set]).abs() < looks.TILTED
    assert stand.sum() >= 9
    assert torch.equal(twice.joints[stand], once.joints[stand])


@pytest.mark.parametrize("name", ADAPTERS)
@torch.no_grad()
def test_while_it_learns_an_estimator_looks_once(name: str) -> None:
    leaning = looks.upright(crops(name), torch.full((12,), 1.7))
    twice = made(name, 2)
    assert not torch.equal(twice.predict(leaning).joints, made(name).predict(leaning).joints)
    twice.module.training = True  # batch norm and dropout stay as they are
    try:
        learned = twice.predict(leaning)
    finally:
        twice.module.training = False
    assert torch.equal(learned.joints, made(name).predict(leaning).joints)


@pytest.mark.parametrize("name", ["blazepose", "spin"])
def test_the_gradient_of_either_look_reaches_the_picture(name: str) -> None:
    pictures = crops(name)[:4]
    pictures[2:] = looks.upright(pictures[2:], torch.tensor([1.7, -1.7]))
    pictures.requires_grad_()
    made(name, 2).predict(pictures).joints.square().sum().backward()
    assert pictures.grad is not None and (pictures.grad.abs().amax((1, 2, 3)) > 0).all()


@pytest.mark.parametrize("name", JOINT_SETS)
def test_lean_is_the_clockwise_angle_from_up(name: str) -> None:
    joint_set = JOINT_SETS[name]
    place = {joint: i for i, joint in enumerate(joint_set.joints)}
    joints = torch.zeros(3, len(joint_set), 3)
    up = torch.tensor([[0.0, -1.0, 0.4], [1.0, 0.0, 0.4], [-1.0, -1.0, 0.4]])  # y points down
    for side in ("left", "right"):
        joints[:, place[f"{side}_hip"]] = 5.0
        joints[:, place[f"{side}_shoulder"]] = 5 + 0.5 * up
    torch.testing.assert_close(looks.lean(joints, joint_set), torch.tensor([0.0, math.pi / 2, -math.pi / 4]))


def spot(x: Tensor, y: Tensor, height: int = 65) -> Tensor:
    """Pictures (n,3,height,65) with a bright spot, so far from the middle in halves of the width."""
    across, down = ((torch.arange(n) + 0.5 - n / 2) / 32.5 for n in (65, height))
    near = (across - x[:, None, None]) ** 2 + (down[:, None] - y[:, None, None]) ** 2
    return (-near / 0.005).exp()[:, None].expand(-1, 3, -1, -1)


def towards(pictures: Tensor) -> Tensor:
    """Where the spot is (n,2), found again in the picture."""
    across, down = ((torch.arange(n) + 0.5 - n / 2) / 32.5 for n in (65, pictures.shape[2]))
    mass = pictures[:, 0] / pictures[:, 0].sum((1, 2), keepdim=True)
    return torch.stack([(mass * across).sum((1, 2)), (mass * down[:, None]).sum((1, 2))], dim=1)


class Exact:
    """Sees that the shoulders are at the spot, whichever way the picture lies, and notes what it was shown."""

    def __init__(self) -> None:
        self.shown: list[Tensor] = []
        self.told: list[Tensor | None] = []

    def __call__(self, crop: Tensor, context: Tensor | None) -> Estimate:
        self.shown.append(crop)
        self.told.append(context)
        place = towards(crop)
        joints = torch.zeros(len(crop), 24, 3)
        joints[:, [16, 17], :2] = place[:, None]
        joints[..., 2] = 0.3
        angle = torch.atan2(place[:, 0], -place[:, 1])
        orient = torch.stack([0 * angle, 0 * angle, angle], dim=1)
        camera = torch.cat([torch.full((len(crop), 1), 0.9), place], dim=1)
        marginals = Marginals(*(torch.ones(len(crop), 24, 8) / 8 for _ in range(3)), 2.0)
        return Estimate(
            joints, joints[:, 1:], orient, place.norm(dim=1)[:, None].expand(-1, 10), camera, None, marginals
        )


@pytest.mark.parametrize("height", [65, 91])
def test_what_was_seen_is_turned_back(height: int) -> None:
    """Whoever sees the same whichever way the picture lies says the same with two looks as with one."""
    angle = torch.tensor([0.2, 0.9, -1.6, 3.0, -0.2])
    pictures, look = spot(0.6 * angle.sin(), -0.6 * angle.cos(), height), Exact()
    once = Exact()(pictures, None)
    seen = looks.twice(look, pictures, SMPL)
    assert look.shown[0] is pictures and look.shown[1].shape == (3, 3, height, 65)
    torch.testing.assert_close(towards(look.shown[1]), torch.tensor([[0.0, -0.6]]).expand(3, 2), rtol=0, atol=5e-3)
    for name in ("joints", "global_orient", "camera", "betas"):
        torch.testing.assert_close(getattr(seen, name), getattr(once, name), rtol=0, atol=5e-3)
    assert seen.marginals is None and seen.visibility is None
    assert torch.equal(seen.joints[[0, 4]], once.joints[[0, 4]])


def test_a_camera_that_rolls_sees_the_crop_elsewhere() -> None:
    angle = torch.tensor([math.pi / 2, 0.0])  # the first lies, head to the right, in the lower left of its picture
    look, context = Exact(), torch.tensor([[-0.5, 0.2, 0.7], [0.1, 0.3, 0.5]])
    looks.twice(look, spot(0.6 * angle.sin(), -0.6 * angle.cos()), SMPL, context)
    assert look.told[0] is context and look.told[1] is not None
    torch.testing.assert_close(look.told[1], torch.tensor([[0.2, 0.5, 0.7]]))


class Twice(BlobEstimator):
    looks = 2


def test_fine_tuning_turns_every_other_one_upright() -> None:
    angle = torch.tensor([0.9, 0.9, -1.6, -1.6, 0.2, 0.2])
    place = 0.6 * torch.stack([angle.sin(), -angle.cos()], dim=1)
    joints = torch.zeros(6, 24, 3)
    joints[:, [16, 17], :2] = place[:, None]
    orient = rotvec_to_rotmat(torch.stack([0 * angle, 0 * angle, angle], dim=1))
    labels = Labels(joints, orient[:, None].expand(-1, 24, 3, 3), place[:, None].expand(-1, 24, 2))
    pictures = spot(*place.unbind(1))
    crops, told = finetuning(estimator=Twice(rng(2)))._right_some(pictures, labels)
    upright = [1, 3]
    as_it_was = [0, 2, 4, 5]
    assert torch.equal(crops[as_it_was], pictures[as_it_was])
    torch.testing.assert_close(told.joints[as_it_was], joints[as_it_was])
    torch.testing.assert_close(told.joints[upright, 16], torch.tensor([[0.0, -0.6, 0.0]]).expand(2, 3))
    torch.testing.assert_close(towards(crops), told.place[:, 0], rtol=0, atol=5e-3)
    torch.testing.assert_close(told.rotations[upright, 0], torch.eye(3).expand(2, 3, 3), rtol=0, atol=1e-6)


def test_an_estimator_that_looks_once_learns_from_pictures_as_they_are() -> None:
    pictures, labels = torch.rand(4, 3, 8, 8), Labels.of_joints(body().joints(torch.randn(4, 23, 3)))
    kept = finetuning()._right_some(pictures, labels)
    assert kept[0] is pictures and kept[1] is labels
