"""Intervals over clusters: as many witnesses as there are clips, not frames."""

from __future__ import annotations

import math

import pytest
import torch

from posegen.statistics import FEWEST, of_clusters, t_quantile


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def alone(n: int) -> list[str]:
    """Each value a cluster."""
    return [str(i) for i in range(n)]


def test_of_many_clusters_of_one_it_is_the_usual_interval_of_a_mean() -> None:
    values = 100 + 15 * torch.randn(400, generator=rng(), dtype=torch.float64)
    found = of_clusters(values.tolist(), alone(400))
    half = t_quantile(399) * values.std().item() / math.sqrt(400)
    assert (found.mean, found.n) == (pytest.approx(values.mean().item()), 400)
    assert (found.low, found.high) == (pytest.approx(found.mean - half), pytest.approx(found.mean + half))


@pytest.mark.parametrize("n", [3, 5, 20])
def test_it_covers_the_truth_19_times_in_20_however_few_the_clusters(n: int) -> None:
    """Frames of a clip differ by less than clips do: an interval over frames would miss most of the time."""
    random, hits, names = rng(n), 0, [f"clip-{i}" for i in range(n) for _ in range(10)]
    for _ in range(1000):
        clips = torch.randn(n, 1, generator=random) + 0.2 * torch.randn(n, 10, generator=random)
        found = of_clusters(clips.flatten().tolist(), names)
        assert found.low is not None and found.high is not None
        hits += found.low < 0 < found.high
    assert 0.93 < hits / 1000 < 0.97


def test_copies_are_no_witnesses() -> None:
    values = torch.randn(30, generator=rng()).tolist()
    once, ten = of_clusters(values, alone(30)), of_clusters(10 * values, 10 * alone(30))
    assert (ten.low, ten.high) == (pytest.approx(once.low), pytest.approx(once.high))


def test_of_a_ratio_that_is_the_same_everywhere_there_is_no_doubt() -> None:
    """Each clip loses a tenth, whatever its length and level."""
    before, clips = [100.0, 110.0, 300.0, 290.0, 280.0, 50.0], ["a", "a", "b", "b", "b", "c"]
    found = of_clusters([-0.1 * value for value in before], clips, before)
    assert (found.mean, found.low, found.high) == (pytest.approx(-0.1),) * 3


def test_few_clusters_say_nothing() -> None:
    for n in range(1, FEWEST):
        found = of_clusters([1.0, 2.0, 3.0, 4.0], [str(i % n) for i in range(4)])
        assert (found.mean, found.low, found.high, found.n) == (2.5, None, None, n)


def test_nothing_to_divide_by() -> None:
    with pytest.raises(ZeroDivisionError):
        of_clusters([1.0, 2.0, 3.0], alone(3), [0.0, 0.0, 0.0])
