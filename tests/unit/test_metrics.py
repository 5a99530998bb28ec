import pytest
import torch

from posegen.geometry import rotvec_to_rotmat
from posegen.metrics import mpjpe, n_mpjpe, pa_mpjpe, pck


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
