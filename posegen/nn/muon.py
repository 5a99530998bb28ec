"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): steps that turn matrices, not their entries."""

from __future__ import annotations

import math
from collections import defaultdict
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
        """One step, with Nesterov's momentum; matrices of one shape together. ``closure`` is not used."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    alike[p.shape].append((p, self._ahead(p, p.grad, group["momentum"]).flatten(1)))
            for pairs in alike.values():
                steps = orthogonal(torch.stack([ahead for _, ahead in pairs]), self.bf16)
                size = group["lr"] * _RMS * math.sqrt(max(steps.shape[1:]))
                for (p, _), step in zip(pairs, steps, strict=True):
                    p.add_(step.reshape(p.shape), alpha=-size)

    def _ahead(self, p: Tensor, grad: Tensor, share: float) -> Tensor:
        """Adds a gradient to the parameter's momentum; -> where the next one would take it."""
        state = self.state[p]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(p)
        momentum: Tensor = state["momentum"].lerp_(grad, 1 - share)
        return grad.lerp(momentum, share)


def orthogonal(matrices: Tensor, bf16: bool = False) -> Tensor:
    """(k,m,n) -> (k,m,n), the same singular vectors, all singular values near 1 (Newton and Schulz's iteration)."""
    tall = matrices.shape[1] > matrices.shape[2]
    wide = matrices.mT if tall else matrices
    x = wide / wide.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    if x.shape[2] > _WIDE * x.shape[1]:
        turned: Tensor = _whole(x) @ x
    else:
        turned = _iterated(x.bfloat16() if bf16 else x).to(x)
    return turned.mT if tall else turned


def _iterated(x: Tensor) -> Tensor:
    """As published."""
    for _ in range(_STEPS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=_B, alpha=_C), x, beta=_A)
    return x


def _whole(x: Tensor) -> Tensor:
    """What all steps together multiply wide x (k,m,n) with: (k,m,m), without a product of x's size but the first.

    Every step multiplies by a polynomial in x xᵀ. bfloat16 is too coarse for it: small directions would become large.
    """
    square = x @ x.mT
    whole = step = _step(square)
    for _ in range(_STEPS - 1):
        square = step @ square @ step
        step = _step(square)
        whole = step @ whole
    return whole


def _step(square: Tensor) -> Tensor:
    """x xᵀ (k,m,m) -> what the next step multiplies x with."""
    step = torch.baddbmm(square, square, square, beta=_B, alpha=_C)
    step.diagonal(dim1=1, dim2=2).add_(_A)
    return step
