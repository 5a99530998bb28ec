import math

import pytest
import torch

from posegen.geometry import rotvec_to_rotmat
from posegen.metrics import bootstrap_interval, mpjpe, n_mpjpe, pa_mpjpe, pck


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


POSES = torch.randn(7, 12, 3, generator=rng()).double() * 0.3
NOISY = POSES + 0.05 * torch.randn(7, 12, 3, generator=rng(1)).double()


def test_millimetres_of_a_known_offset():
    true = torch.zeros(2, 4, 3)
    predicted = true.clone()
    predicted[0, :, 0] = 0.05
    predicted[1, 0, 1] = 0.2
    torch.testing.assert_close(mpjpe(predicted, true), torch.tensor([50.0, 50.0]))
    assert pck(predicted, true).tolist() == [100.0, 75.0]
    assert pck(predicted, true, threshold_mm=20.0).tolist() == [0.0, 75.0]


def test_the_threshold_itself_is_not_near_enough():
    predicted = torch.tensor([[[0.125, 0.0, 0.0]]])
    assert pck(predicted, torch.zeros(1, 1, 3), threshold_mm=125.0).tolist() == [0.0]


@pytest.mark.parametrize("metric", [mpjpe, n_mpjpe, pa_mpjpe])
def test_truth_has_no_error_and_noise_has_some(metric):
    assert metric(POSES, POSES).max() < 1e-9
    assert metric(NOISY, POSES).min() > 10


def test_what_each_metric_forgives():
    turned = POSES @ rotvec_to_rotmat(torch.tensor([[0.3, 1.0, -0.5]]).double()).transpose(1, 2)
    assert pa_mpjpe(1.7 * turned + 0.4, POSES).max() < 1e-6
    assert n_mpjpe(1.7 * POSES, POSES).max() < 1e-9
    assert n_mpjpe(turned, POSES).min() > 50
    assert mpjpe(1.7 * POSES, POSES).min() > 50
    assert (pa_mpjpe(NOISY, POSES) <= mpjpe(NOISY, POSES)).all()


def test_a_mirror_image_is_an_error():
    assert pa_mpjpe(POSES * torch.tensor([-1.0, 1.0, 1.0]), POSES).min() > 50


@pytest.mark.parametrize("metric", [mpjpe, n_mpjpe, pa_mpjpe, pck])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_sample_does_not_depend_on_its_batch(metric, n):
    torch.testing.assert_close(metric(NOISY[:n], POSES[:n]), metric(NOISY, POSES)[:n], rtol=0, atol=1e-9)


def alone(n: int) -> list[str]:
    """Each value a cluster."""
    return [str(i) for i in range(n)]


def test_interval_is_that_of_the_normal_approximation():
    values = 100 + 15 * torch.randn(400, generator=rng())
    low, high = bootstrap_interval(values, 4000, rng(1), alone(400))
    half = 1.96 * values.std().item() / math.sqrt(400)
    assert (low + high) / 2 == pytest.approx(values.mean().item(), abs=0.15)
    assert (high - low) / 2 == pytest.approx(half, rel=0.05)


def test_interval_covers_the_true_mean_19_times_in_20():
    hits = 0
    for seed in range(300):
        low, high = bootstrap_interval(torch.randn(60, generator=rng(seed)), 400, rng(seed + 1000), alone(60))
        hits += low < 0 < high
    assert 0.90 < hits / 300 < 0.985


def test_interval_repeats_with_its_generator_and_a_constant_has_none():
    values = torch.rand(50, generator=rng())
    assert bootstrap_interval(values, 200, rng(5), alone(50)) == bootstrap_interval(values, 200, rng(5), alone(50))
    assert bootstrap_interval(torch.full((9,), 3.0), 100, rng(), alone(9)) == (3.0, 3.0)


def test_interval_of_clusters_is_that_of_their_means():
    """Ten copies of each of 200 values are 200 witnesses, not 2,000."""
    values = torch.randn(200, generator=rng())
    names = [f"clip-{i}" for i in range(200) for _ in range(10)]
    low, high = bootstrap_interval(values.repeat_interleave(10), 4000, rng(1), names)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std().item() / math.sqrt(200), rel=0.07)


def test_interval_of_a_ratio_and_of_one_cluster():
    """Each clip loses a tenth, whatever its length and level: there is no doubt about the ratio."""
    before = torch.tensor([100.0, 110.0, 300.0, 290.0, 280.0, 50.0])
    clips = ["a", "a", "b", "b", "b", "c"]
    low, high = bootstrap_interval(-0.1 * before, 500, rng(), clips, weights=before)
    assert (low, high) == (pytest.approx(-0.1), pytest.approx(-0.1))
    assert bootstrap_interval(before, 100, rng(), ["a"] * 6) is None
    assert bootstrap_interval(before, 100, rng(), clips, weights=torch.zeros(6)) is None
    low, high = bootstrap_interval(before, 100, rng(), clips, weights=torch.tensor([1.0, 1, 0, 0, 0, 0]))
    assert math.isfinite(low) and math.isfinite(high)  # draws of nothing to divide by are left out
