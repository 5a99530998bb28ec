import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from posegen.geometry import (
    from_spherical,
    leveled,
    relative,
    rotmat_to_rotvec,
    rotvec_to_rotmat,
    to_spherical,
    uniform_sphere,
    view_rotation,
)

DEGREES = math.pi / 180
GOLDEN = json.loads((Path(__file__).parents[1] / "parity/data/viewpoint.json").read_text())


def angle(degrees: float) -> torch.Tensor:
    return torch.tensor([degrees * DEGREES], dtype=torch.float64)


def position(view: torch.Tensor) -> torch.Tensor:
    """Where the camera stands, seen from the body: against its line of sight."""
    return -view_rotation(view)[:, 2]


@pytest.mark.parametrize(
    ("azimuth", "elevation", "where"),
    [(0, 0, (0, 0, 1)), (90, 0, (1, 0, 0)), (-90, 0, (-1, 0, 0)), (180, 0, (0, 0, -1)), (0, 90, (0, 1, 0))],
)
def test_azimuth_goes_to_the_left_of_the_person_and_elevation_up(azimuth, elevation, where):
    stands = position(from_spherical(angle(azimuth), angle(elevation)))
    torch.testing.assert_close(stands, torch.tensor([where], dtype=torch.float64), rtol=0, atol=1e-12)


def test_front_view_looks_along_minus_z_with_up_up():
    expected = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    torch.testing.assert_close(view_rotation(torch.zeros(1, 3))[0], expected, rtol=0, atol=0)


def test_without_roll_the_body_stands_upright_in_the_picture():
    generator = torch.Generator().manual_seed(0)
    up = view_rotation(uniform_sphere(500, generator))[:, :, 1]
    assert up[:, 0].abs().max() < 1e-5
    assert (up[:, 1] <= 1e-5).all()


def test_positive_roll_leans_the_person_to_the_right():
    up = view_rotation(from_spherical(angle(0), angle(0), angle(30)))[0, :, 1]
    assert up[0] == pytest.approx(0.5)


@pytest.mark.parametrize("name", sorted(name for name in GOLDEN if not name.startswith("_")))
def test_angles_of_the_reference_table(name):
    body_to_camera = rotvec_to_rotmat(torch.tensor([GOLDEN[name]["axis_angle"]], dtype=torch.float64))
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
    view = rotmat_to_rotvec((flip @ body_to_camera).transpose(1, 2))
    ours = torch.stack(to_spherical(view), dim=1)[0] / DEGREES
    difference = (ours - torch.tensor(GOLDEN[name]["az_el_roll_deg"], dtype=torch.float64) + 180) % 360 - 180
    assert difference.abs().max() < 1e-4


@given(st.floats(-179, 179), st.floats(-89, 89), st.floats(-179, 179))
def test_spherical_there_and_back(azimuth, elevation, roll):
    back = to_spherical(from_spherical(angle(azimuth), angle(elevation), angle(roll)))
    for got, wanted in zip(back, (azimuth, elevation, roll), strict=True):
        assert got.item() / DEGREES == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("elevation", [90, -90])
def test_at_the_poles_all_of_the_turn_is_azimuth(elevation):
    azimuth, up, roll = to_spherical(from_spherical(angle(50), angle(elevation)))
    assert azimuth.item() / DEGREES == pytest.approx(50, abs=1e-5)
    assert up.item() / DEGREES == pytest.approx(elevation, abs=1e-5)
    assert roll.item() == 0


@given(st.floats(-179, 179), st.floats(-89, 89), st.floats(-179, 179))
def test_leveled_is_the_same_place_without_roll(azimuth, elevation, roll):
    view = leveled(from_spherical(angle(azimuth), angle(elevation), angle(roll)))
    for got, wanted in zip(to_spherical(view), (azimuth, elevation, 0), strict=True):
        assert got.item() / DEGREES == pytest.approx(wanted, abs=1e-6)


def test_the_camera_s_place_has_the_gradient_that_it_has_with_roll():
    view = torch.randn(50, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    level = from_spherical(*torch.tensor([[math.pi, 0.0, 1.0], [0.0, 0.0, math.pi / 2]], dtype=torch.float64))
    view = torch.cat([view, level]).requires_grad_()
    weights = torch.randn(53, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    ours, plain = (torch.autograd.grad((weights * position(v(view))).sum(), view)[0] for v in (leveled, lambda v: v))
    assert ours.isfinite().all()
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-6)


def test_camera_positions_are_uniform_on_the_sphere():
    stands = position(uniform_sphere(40000, torch.Generator().manual_seed(3)))
    assert stands.mean(0).abs().max() < 0.01
    torch.testing.assert_close(stands.T @ stands / len(stands), torch.eye(3) / 3, rtol=0, atol=0.01)
    # Archimedes: the height of a uniform point is uniform
    share = torch.histc(stands[:, 1], bins=10, min=-1, max=1) / len(stands)
    assert (share - 0.1).abs().max() < 0.01


def test_uniform_sphere_repeats_with_its_generator():
    a, b = (uniform_sphere(5, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(a, b)


def test_relative_view_of_a_body_turned_with_the_camera_is_the_front():
    view = uniform_sphere(50, torch.Generator().manual_seed(1))
    assert relative(view, view).abs().max() < 1e-5
    torch.testing.assert_close(relative(view, torch.zeros(50, 3)), view, rtol=0, atol=1e-5)


def test_view_rotation_gradcheck():
    view = torch.tensor([[0.0, 0.0, 0.0], [0.3, -1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(view_rotation, (view,), atol=1e-6)
