import pytest
import torch

from posegen.geometry import align, rotvec_to_rotmat, similarity


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("points", [3, 4, 14])
def test_recovers_a_known_similarity(points):
    source = torch.randn(20, points, 3, generator=rng()).double()
    rotation = rotvec_to_rotmat(torch.randn(20, 3, generator=rng(1)).double())
    scale = 0.5 + torch.rand(20, generator=rng(2)).double()
    shift = torch.randn(20, 3, generator=rng(3)).double()
    target = scale[:, None, None] * source @ rotation.transpose(1, 2) + shift[:, None]
    got = similarity(source, target)
    for value, wanted in zip(got, (scale, rotation, shift), strict=True):
        torch.testing.assert_close(value, wanted, rtol=0, atol=1e-8)
    torch.testing.assert_close(align(source, target), target, rtol=0, atol=1e-8)


def test_a_mirror_image_is_never_used():
    target = torch.randn(20, 14, 3, generator=rng()).double()
    source = target * torch.tensor([-1.0, 1.0, 1.0]).double()
    _, rotation, _ = similarity(source, target)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(20).double())
    assert (align(source, target) - target).norm(dim=-1).mean() > 0.1


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_flat_and_pointlike_sources_are_finite_proper_rotations(rank):
    target = torch.randn(5, 14, 3, generator=rng())
    source = torch.randn(5, 14, 3, generator=rng(1)) * torch.tensor([rank > 0, rank > 1, False]).float()
    scale, rotation, translation = similarity(source, target)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(5), rtol=0, atol=1e-5)
    assert scale.isfinite().all()
    assert translation.isfinite().all()
    if rank == 0:
        assert torch.equal(scale, torch.zeros(5))
        torch.testing.assert_close(align(source, target), target.mean(1, keepdim=True).expand(5, 14, 3))


def test_nothing_near_the_answer_is_better():
    source, target = (torch.randn(1, 10, 3, generator=rng(s)).double() for s in (0, 1))
    scale, rotation, translation = similarity(source, target)
    best = (align(source, target) - target).square().sum()
    for seed in range(50):
        nudge = torch.randn(7, generator=rng(seed)).double() * 1e-3
        r = rotvec_to_rotmat(nudge[None, :3]) @ rotation
        moved = (scale * (1 + nudge[3])) * source @ r.transpose(1, 2) + translation[:, None] + nudge[4:]
        assert (moved - target).square().sum() >= best


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_batches_of_two_and_three_are_not_mistaken_for_coordinates(batch):
    source, target = (torch.randn(5, 3, 3, generator=rng(s)).double() for s in (0, 1))
    torch.testing.assert_close(align(source[:batch], target[:batch]), align(source, target)[:batch])
