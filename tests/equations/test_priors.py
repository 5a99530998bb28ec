"""The distributions of z (Eq 3-5): moments, bounds, uniformity."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from posegen import plugins

N, DIM = 200_000, 8


def sample(name: str, n: int = N, dim: int = DIM, seed: int = 0) -> Tensor:
    prior = plugins.load("prior", name)
    return prior(prior.Options()).sample(n, dim, torch.Generator().manual_seed(seed)).double()


def assert_moments(z: Tensor, mean: float, variance: float, fourth: float) -> None:
    """Every dimension's moments within five standard errors; no two dimensions are correlated."""
    n, dim = z.shape
    assert (z.mean(0) - mean).abs().max() < 5 * math.sqrt(variance / n)
    assert (z.square().mean(0) - variance).abs().max() < 5 * math.sqrt((fourth - variance**2) / n)
    assert (z.pow(4).mean(0) - fourth).abs().max() < 5 * math.sqrt(z.pow(8).mean() / n)
    correlation = (z.T @ z / n / variance) * (1 - torch.eye(dim, dtype=z.dtype))
    assert correlation.abs().max() < 5 / math.sqrt(n)


def kolmogorov_smirnov(sorted_cdf: Tensor) -> float:
    n = len(sorted_cdf)
    return float((sorted_cdf - (torch.arange(n, dtype=sorted_cdf.dtype) + 0.5) / n).abs().max()) * math.sqrt(n)


def test_normal_is_standard_normal() -> None:
    z = sample("normal")
    assert_moments(z, 0, 1, 3)
    assert kolmogorov_smirnov(torch.special.ndtr(z[:, 0].sort().values)) < 2  # p < 0.001


def test_uniform_fills_minus_one_to_one() -> None:
    z = sample("uniform")
    assert z.min() >= -1 and z.max() <= 1 and z.min() < -0.9999 and z.max() > 0.9999
    assert_moments(z, 0, 1 / 3, 1 / 5)
    assert kolmogorov_smirnov((z[:, 0].sort().values + 1) / 2) < 2


def test_spherical_lies_on_the_unit_sphere_and_covers_it() -> None:
    z = sample("spherical")
    torch.testing.assert_close(z.norm(dim=1), torch.ones(N, dtype=z.dtype), atol=1e-6, rtol=0)
    assert_moments(z, 0, 1 / DIM, 3 / (DIM * (DIM + 2)))


def test_spherical_in_three_dimensions_has_a_uniform_height() -> None:
    """Archimedes: any coordinate of a uniform point on the sphere is uniform in [-1, 1]."""
    z = sample("spherical", dim=3)
    for axis in range(3):
        assert kolmogorov_smirnov((z[:, axis].sort().values + 1) / 2) < 2


def test_spherical_is_the_normal_sample_divided_by_its_length() -> None:
    normal, spherical = sample("normal", 100), sample("spherical", 100)
    torch.testing.assert_close(spherical, normal / normal.norm(dim=1, keepdim=True), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["normal", "uniform", "spherical"])
def test_a_seed_gives_the_same_bits(name: str) -> None:
    assert torch.equal(sample(name, 100, seed=5), sample(name, 100, seed=5))
    assert not torch.equal(sample(name, 100, seed=5), sample(name, 100, seed=6))
