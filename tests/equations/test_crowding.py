"""The views' crowding, which keeps the generator from settling on one failure."""

from __future__ import annotations

import math

import pytest
import torch

from posegen.geometry import rotvec_to_rotmat
from posegen.losses import crowding, view_spread


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniform_rotations(n: int) -> torch.Tensor:
    """Uniform on SO(3), as axis-angle, by rejection."""
    rng, kept = stream(), []
    while sum(map(len, kept)) < n:
        view = (2 * torch.rand(4 * n, 3, generator=rng, dtype=torch.float64) - 1) * math.pi
        angle = view.norm(dim=1)
        density = 2 * (1 - angle.cos()) / angle.square()
        kept.append(view[(angle < math.pi) & (torch.rand(4 * n, generator=rng) < density)])
    return torch.cat(kept)[:n]


def test_equals_the_formula_pair_by_pair() -> None:
    view = torch.randn(5, 3, generator=stream(), dtype=torch.float64)
    rotation = rotvec_to_rotmat(view)
    pairs = [math.exp(-(rotation[i] - rotation[j]).square().sum().item()) for i in range(5) for j in range(5) if i != j]
    assert crowding(view).item() == pytest.approx(math.log(sum(pairs) / 20), abs=1e-12)


def test_one_view_for_all_is_most_crowded_and_uniform_least() -> None:
    same = torch.ones(64, 3, dtype=torch.float64)
    front = 0.3 * torch.randn(64, 3, generator=stream(1), dtype=torch.float64)
    assert crowding(same).item() == pytest.approx(0, abs=1e-6)
    assert crowding(uniform_rotations(64)) < crowding(front) < crowding(same)


def test_descending_spreads_the_views_over_all_directions() -> None:
    view = (0.1 * torch.randn(96, 3, generator=stream(2), dtype=torch.float64)).requires_grad_()
    adam = torch.optim.Adam([view], lr=0.05)
    for _ in range(200):
        adam.zero_grad()
        crowding(view).backward()
        adam.step()
    sight = rotvec_to_rotmat(view.detach())[:, :, 2]
    assert sight.mean(0).norm() < 0.15
    assert (sight.T @ sight / len(sight) - torch.eye(3, dtype=torch.float64) / 3).abs().max() < 0.1
    assert crowding(view.detach()) < crowding(uniform_rotations(96))


def test_views_are_around_from_none_to_anywhere() -> None:
    same = torch.tensor([[0.1, 2.0, -0.4]], dtype=torch.float64).expand(64, 3)
    assert view_spread(same).item() == pytest.approx(0, abs=1e-6)
    assert view_spread(uniform_rotations(4000)).item() == pytest.approx(1, abs=0.01)
    for degrees in (1.0, 5.0, 20.0):  # turns about one axis: the mean matrix has entries 1, c, c with c = E[cos]
        turn = math.radians(degrees) * torch.randn(20000, generator=stream(2), dtype=torch.float64)
        mean = turn.cos().mean().item()
        view = turn[:, None] * torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
        assert view_spread(view).item() == pytest.approx(math.sqrt((2 - 2 * mean**2) / 3), rel=0.02)
