"""Upright people before cameras at chest height: what is replayed and pretrained on."""

from __future__ import annotations

import math

import pytest
import torch
from blob_parts import rng
from posegen_starter.motion import StarterMotion
from torch import Tensor

from posegen.datasets.upright import ELEVATION, Upright, ordinary_views, stands
from posegen.errors import UsageError
from posegen.geometry import relative, to_spherical, view_rotation
from posegen.types import Clip

LOW, HIGH = ELEVATION
LEANS = ((0.0, 0.0, 0.0), (0.2, 0.0, 0.0), (0.0, 0.0, 0.2))


def clip(*roots: tuple[float, float, float]) -> Clip:
    poses = torch.zeros(len(roots), 24, 3)
    poses[:, 0] = torch.tensor(roots)
    poses[:, 1:] = torch.arange(len(roots))[:, None, None] / 10.0
    return Clip("c", "train", poses, torch.zeros(len(roots), 3), 30.0)


def body_up(view: Tensor) -> Tensor:
    """The angle in degrees between the body's own axis and the picture's vertical plane through the camera."""
    up = view_rotation(view)[:, :, 1]  # the body's +Y in camera axes, whose y points down
    return torch.rad2deg(torch.atan2(up[:, 0], -up[:, 1]))


def test_cameras_stand_at_chest_height_on_every_side() -> None:
    azimuth, elevation, roll = to_spherical(ordinary_views(2000, rng(5)))
    degrees = elevation.rad2deg()
    assert degrees.min() >= LOW - 1e-3 and degrees.max() <= HIGH + 1e-3
    assert degrees.mean().item() == pytest.approx((LOW + HIGH) / 2, abs=0.5)
    counts = torch.histc(azimuth, bins=8, min=-math.pi, max=math.pi)
    assert counts.min() > 200 and counts.max() < 300
    assert roll.abs().max() < 1e-3


def test_facing_and_roll_are_standard_deviations_in_degrees() -> None:
    azimuth, _, roll = to_spherical(ordinary_views(4000, rng(5), facing=30, roll=5))
    assert azimuth.rad2deg().std().item() == pytest.approx(30, rel=0.05)
    assert roll.rad2deg().std().item() == pytest.approx(5, rel=0.05)


def test_only_frames_that_stand_are_taken() -> None:
    lying, leaning, turned = (math.radians(80), 0.0, 0.0), (0.0, 0.0, math.radians(25)), (0.0, 2.5, 0.0)
    assert stands(torch.tensor([lying, leaning, turned])).tolist() == [False, True, True]
    drawn = Upright([clip(lying, leaning, turned)], recombine=0, blend=0, bend=0).sample(200, rng(1))[0]
    assert {round(float(v), 4) for v in drawn[:, 0, 0].unique()} == {0.1, 0.2}


def test_the_pelvis_leans_in_the_picture_as_it_does_in_the_clip() -> None:
    leaning = Upright([clip((0.0, 0.0, math.radians(25)))], roll=0.0, facing=1.0)
    tilt = body_up(leaning.sample(400, rng(2))[1])
    assert tilt.abs().mean().item() == pytest.approx(25, abs=1)
    assert 100 < (tilt > 0).sum() < 300  # the mirror image leans to the other side
    straight = body_up(Upright([clip((0.0, 0.0, 0.0))], roll=0.0).sample(400, rng(2))[1])
    assert straight.abs().max() < 0.1


def test_where_somebody_was_headed_when_filmed_says_nothing() -> None:
    """A mocap volume has people walk in all directions; ``facing`` is about the person."""
    headed = [relative(torch.tensor([lean]), torch.tensor([[0.0, h, 0.0]]))[0] for h in range(6) for lean in LEANS]
    view = Upright([clip(*(tuple(root.tolist()) for root in headed))], roll=0.0, facing=20).sample(3000, rng(3))[1]
    azimuth = to_spherical(view)[0].rad2deg()
    assert azimuth.std().item() == pytest.approx(20, rel=0.15)
    assert azimuth.mean().abs() < 2


def test_poses_are_real_and_all_of_one_seed() -> None:
    people = Upright(StarterMotion(StarterMotion.Options()).clips("train"))
    (theta, view), again = people.sample(40, rng(5)), people.sample(40, rng(5))
    assert theta.shape == (40, 23, 3) and view.shape == (40, 3)
    assert torch.equal(theta, again[0]) and torch.equal(view, again[1])
    assert theta.std() > 0.1


def test_a_motion_in_which_nobody_stands_is_refused() -> None:
    with pytest.raises(UsageError, match="no frame of this motion shows an upright person"):
        Upright([clip((math.radians(90), 0.0, 0.0))])
