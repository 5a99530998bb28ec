"""Muon's steps: orthogonal matrices, as long as Adam's, of matrices and of filters."""

from __future__ import annotations

import pytest
import torch

from posegen.nn.muon import Muon, orthogonal


class TestMuon:
    @pytest.mark.parametrize("shape", [(6, 20), (4, 9), (9, 4), (6, 7), (7, 6)])
    def test_singular_vectors_stay_and_values_are_near_one(self, shape):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(3)).double()
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        values = u.T @ orthogonal(matrix[None])[0] @ v.T
        torch.testing.assert_close(values, values.diag().diag(), rtol=0, atol=1e-9)
        assert values.diag().min() > 0.6 and values.diag().max() < 1.3

    def test_no_direction_becomes_too_large_however_small_it_was(self):
        """As gradients have them, in the precision of a step."""
        u, v = (torch.linalg.qr(torch.randn(n, 64, generator=torch.Generator().manual_seed(n)))[0] for n in (64, 300))
        matrix = u @ torch.diag(torch.logspace(0, -6, 64)) @ v.T
        assert matrix.dtype == torch.float32 and torch.linalg.svdvals(orthogonal(matrix[None])[0]).max() < 1.3

    def test_a_step_is_as_long_as_adam_s(self):
        weight = torch.zeros(32, 64, requires_grad=True)
        weight.grad = 1e-3 * torch.randn(32, 64, generator=torch.Generator().manual_seed(3))
        Muon([weight], lr=0.1).step()
        assert weight.detach().square().mean().sqrt() == pytest.approx(0.1 * 0.2, rel=0.3)

    def test_every_direction_counts_alike(self):
        """What is rare in the input is learned as soon as what is common: Adam's steps leave it for later."""
        rng = torch.Generator().manual_seed(0)
        turn = torch.linalg.qr(torch.randn(16, 16, generator=rng))[0]
        x = torch.randn(512, 16, generator=rng) @ (torch.logspace(0, -2, 16)[:, None] * turn)
        wanted = torch.randn(16, 16, generator=rng)

        def left(optimiser):
            weight = torch.zeros(16, 16, requires_grad=True)
            steps = optimiser([weight], lr=0.1)
            for i in range(200):
                steps.param_groups[0]["lr"] = 0.1 * (1 - i / 200)
                steps.zero_grad()
                ((x @ (weight - wanted)) ** 2).mean().backward()
                steps.step()
            return (weight - wanted).square().mean().item()

        assert left(Muon) < 0.7 * left(torch.optim.Adam)

    def test_a_filter_is_a_matrix_with_a_row_for_each_output(self):
        rng = torch.Generator().manual_seed(5)
        filters, matrix = torch.randn(8, 4, 3, 3, generator=rng), torch.randn(8, 36, generator=rng)
        matrix = filters.flatten(1).clone()
        gradient = torch.randn(8, 4, 3, 3, generator=rng)
        for p, g in ((filters, gradient), (matrix, gradient.flatten(1))):
            p.grad = g
            Muon([p], lr=0.1).step()
        assert torch.equal(filters.flatten(1), matrix)

    @pytest.mark.parametrize("shape", [(8, 40), (40, 8), (12, 15)])
    def test_matrices_of_one_shape_step_together_as_each_would_alone(self, shape):
        rng = torch.Generator().manual_seed(6)
        one, other = torch.randn(shape, generator=rng), torch.randn(shape, generator=rng)
        alone = [one.clone(), other.clone()]
        gradients = [torch.randn(shape, generator=rng), 1e3 * torch.randn(shape, generator=rng)]
        together = Muon([one, other], lr=0.1)
        apart = [Muon([p], lr=0.1) for p in alone]
        for _ in range(3):
            for p, q, g in zip((one, other), alone, gradients, strict=True):
                p.grad = q.grad = g
            together.step()
            for optimizer in apart:
                optimizer.step()
        for p, q in zip((one, other), alone, strict=True):
            torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)
