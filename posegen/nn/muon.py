"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): steps that turn matrices, not their entries."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315  # the published coefficients: singular values end between 0.7 and 1.2
_STEPS = 5
_WIDE = 2  # sides' ratio from which the smaller side alone is less work
_RMS = 0.2  # root mean square of a step over the learning rate, as that of Adam's (Liu et al. 2025)


class Muon(torch.optim.Optimizer):
    """Momentum whose every direction counts alike: the nearest matrix with orthonormal rows, or columns.

    A network learns what is rare in its input (fine detail) last with Adam; here as fast as what is common.
    parameters: matrices, or filters, whose rows are their outputs.  lr: as Adam's.  bf16: iterate in bfloat16 where
    that is safe.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95, bf16: bool = False) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})
        self.bf16 = bf16

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step, with Nesterov's momentum. ``closure`` is not used."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                momentum = state["momentum"]
                momentum.lerp_(p.grad, 1 - group["momentum"])
                step = orthogonal(p.grad.lerp(momentum, group["momentum"]).flatten(1), self.bf16)
                p.add_(step.view(p.shape), alpha=-group["lr"] * _RMS * math.sqrt(max(step.shape)))


def orthogonal(matrix: Tensor, bf16: bool = False) -> Tensor:
    """(m,n) -> (m,n), the same singular vectors, all singular values near 1 (Newton and Schulz's iteration)."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / wide.norm().clamp(min=1e-7)
    if x.shape[1] > _WIDE * x.shape[0]:
        turned: Tensor = _whole(x) @ x
    else:
        turned = _iterated(x.bfloat16() if bf16 else x).to(x)
    return turned if matrix.shape[0] <= matrix.shape[1] else turned.T


def _iterated(x: Tensor) -> Tensor:
    """As published."""
    for _ in range(_STEPS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=_B, alpha=_C), x, beta=_A)
    return x


def _whole(x: Tensor) -> Tensor:
    """What all steps together multiply a wide x (m,n) with: (m,m), without a product of x's size but the first.

    Every step multiplies by a polynomial in x xᵀ. bfloat16 is too coarse for it: small directions would become large.
    """
    square = x @ x.T
    whole = step = _step(square)
    for _ in range(_STEPS - 1):
        square = step @ square @ step
        step = _step(square)
        whole = step @ whole
    return whole


def _step(square: Tensor) -> Tensor:
    """x xᵀ (m,m) -> what the next step multiplies x with."""
    step = torch.addmm(square, square, square, beta=_B, alpha=_C)
    step.diagonal().add_(_A)
    return step
