"""SPIN's network against the published code, on weights made from names and shapes."""

from __future__ import annotations

import pytest
import torch
from posegen_spin.network import SpinNet

from posegen.geometry import rot6d_to_rotmat

from .weights import checksum, golden, layout, normal, weights

GOLDEN = golden("spin")
ATOL = 1e-4  # the golden arrays are reproducible to 1e-5


@pytest.fixture(scope="module")
def network() -> SpinNet:
    network = SpinNet().eval()
    network.load_state_dict(weights(layout("spin")))
    return network


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return normal(1001, (2, 3, 224, 224))


def equal(value: torch.Tensor, name: str, atol: float = ATOL) -> None:
    torch.testing.assert_close(value, torch.from_numpy(GOLDEN[name]), rtol=0, atol=atol)


def test_weights_are_those_of_the_golden_run() -> None:
    assert checksum(weights(layout("spin"))) == pytest.approx([55319.214346762754, 87124.83086097213], rel=1e-12)


def test_state_dict_is_the_published_one() -> None:
    state = {name: tuple(value.shape) for name, value in SpinNet().state_dict().items()}
    assert state == layout("spin")


@torch.no_grad()
def test_features(network: SpinNet, image: torch.Tensor) -> None:
    equal(network.pooled(image), "feat")


@torch.no_grad()
@pytest.mark.parametrize(("iterations", "suffix"), [(1, "_iter1"), (2, "_iter2"), (3, "")])
def test_parameters_after_each_iteration(network: SpinNet, image: torch.Tensor, iterations: int, suffix: str) -> None:
    out = network(image, iterations)
    equal(out.rotations, f"rotmat{suffix}")
    equal(out.betas, f"betas{suffix}")
    equal(out.camera, f"cam{suffix}")


def test_six_numbers_make_the_published_rotation() -> None:
    equal(rot6d_to_rotmat(torch.from_numpy(GOLDEN["rot6d_in"])), "rot6d_out", atol=1e-6)


def test_every_golden_array_is_compared() -> None:
    compared = {f"{name}{i}" for name in ("rotmat", "betas", "cam") for i in ("", "_iter1", "_iter2")}
    assert set(GOLDEN) - compared == {"meta", "feat", "rot6d_in", "rot6d_out"}
