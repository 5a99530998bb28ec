"""Low-rank adapters: the weights are the original ones plus a thin product, and its gradient is the whole one's."""

from __future__ import annotations

import pytest
import torch
from blob_parts import bank, finetuning, rng
from torch import nn

from posegen.low_rank import LowRank


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten(), nn.Linear(5 * 4, 7)).double()


def test_nothing_changes_before_the_first_step() -> None:
    module = network()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    LowRank(module.parameters(), 2, rng()).push()
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_the_factors_gradient_is_that_of_the_product() -> None:
    module, image = network(), torch.randn(4, 3, 4, 4, generator=rng(1), dtype=torch.float64)
    low_rank = LowRank(module.parameters(), 2, rng())
    with torch.no_grad():
        for up in low_rank.up:
            up.copy_(torch.randn(up.shape, generator=rng(2)))
    low_rank.push()
    module(image).square().sum().backward()
    low_rank.pull()
    assert all(weight.grad is None for weight in low_rank.weights)
    taken = [factor.grad.clone() for factor in low_rank.factors]

    def loss(*factors: torch.Tensor) -> torch.Tensor:
        (up_a, up_b), (down_a, down_b) = factors[:2], factors[2:]
        kernel = low_rank.original[0] + (up_a @ down_a).view(5, 3, 3, 3)
        hidden = torch.conv2d(image, kernel, module[0].bias).flatten(1)
        return (hidden @ (low_rank.original[1] + up_b @ down_b).T + module[2].bias).square().sum()

    expected = torch.autograd.grad(loss(*low_rank.factors), low_rank.factors)
    for ours, theirs in zip(taken, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_fine_tuning_changes_matrices_by_that_rank() -> None:
    tuning, pool = finetuning(rank=2, lr=1e-2), bank(8)
    before = {name: p.detach().clone() for name, p in tuning.module.named_parameters() if p.dim() > 1}
    for _ in tuning.epoch(pool, rng()):
        pass
    ranks = {}
    for name, p in tuning.module.named_parameters():
        if name in before:
            change = (p.detach() - before[name]).flatten(1).double()
            ranks[name] = int(torch.linalg.matrix_rank(change, rtol=1e-3))
            assert change.abs().max() > 1e-4, name
    assert ranks
    assert all(1 <= rank <= 2 for rank in ranks.values()), ranks


def test_a_rank_above_the_matrix_is_its_own() -> None:
    low_rank = LowRank(network().parameters(), 100, rng())
    assert [tuple(up.shape) for up in low_rank.up] == [(5, 5), (7, 7)]


def test_factors_of_another_rank_are_refused() -> None:
    """Those of rank 1 would be repeated to fill any other."""
    thin, wide = (LowRank(network().parameters(), rank, rng()) for rank in (1, 2))
    with pytest.raises(RuntimeError, match=r"shape \(5, 1\), not \(5, 2\)"):
        wide.load(thin.tensors())
