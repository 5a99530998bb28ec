"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): steps that turn matrices, not their entries."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315  # the published coefficients: singular values end between 0.7 and 1.2
_STEPS = 5
_RMS = 0.2  # root mean square of a step over the learning rate, as that of Adam's (Liu et al. 2025)


class Muon(torch.optim.Optimizer):
    """Momentum whose every direction counts alike: the nearest matrix with orthonormal rows, or columns.

    A network learns what is rare in its input (fine detail) last with Adam; here as fast as what is common.
    parameters: matrices, or filters, whose rows are their outputs.  lr: as Adam's.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step, with Nesterov's momentum. ``closure`` is not used."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
                momentum.lerp_(p.grad, 1 - group["momentum"])
                step = orthogonal(p.grad.lerp(momentum, group["momentum"]).flatten(1))
                p.add_(step.view(p.shape), alpha=-group["lr"] * _RMS * math.sqrt(max(step.shape)))


def orthogonal(matrix: Tensor) -> Tensor:
    """(m,n) -> (m,n), the same singular vectors, all singular values near 1 (Newton and Schulz's iteration).

    Every step of it multiplies x by a polynomial in x xᵀ, so that all but the first and the last product are of the
    smaller side's size. bfloat16 is too coarse for x xᵀ: its rounding makes small directions large.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / wide.norm().clamp(min=1e-7)
    square = x @ x.T
    whole = one = torch.eye(len(square)).to(square)
    for _ in range(_STEPS):
        step = _A * one + _B * square + _C * square @ square
        whole, square = step @ whole, step @ square @ step
    turned: Tensor = whole @ x
    return turned if matrix.shape[0] <= matrix.shape[1] else turned.T
