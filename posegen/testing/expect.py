"""The expectations that the checks share. Each raises ConformanceError with a sentence about what was expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from posegen.testing.kit import Case, ConformanceError


def require(condition: bool | Tensor, message: str) -> None:
    if not condition:
        raise ConformanceError(message)


def tensor(case: Case, value: Any, what: str, shape: tuple[int | None, ...]) -> Tensor:
    """A finite float32 tensor of this shape (None: any size) on the case's device."""
    require(isinstance(value, Tensor), f"{what} must be a tensor, is {type(value).__name__}")
    found = tuple(value.shape)
    fits = len(found) == len(shape) and all(s in (None, f) for s, f in zip(shape, found, strict=True))
    wanted = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
    require(fits, f"{what} must have shape {wanted}, has {found}")
    require(value.dtype == torch.float32, f"{what} must be float32, is {value.dtype}")
    require(value.device.type == case.device.type, f"{what} must be on {case.device}, is on {value.device}")
    require(torch.isfinite(value).all(), f"{what} must be finite, holds NaN or infinity")
    result: Tensor = value
    return result


def equal(a: Tensor, b: Tensor, message: str, tolerance: float = 0.0) -> None:
    """Equal up to ``tolerance``; the message is followed by the difference found."""
    require(a.shape == b.shape, f"{message}: shapes {tuple(a.shape)} and {tuple(b.shape)}")
    difference = (a - b).abs().max().item() if a.numel() else 0.0
    require(difference <= tolerance, f"{message}: they differ by {difference:.3g}, allowed is {tolerance:.3g}")


def batch_independent(function: Callable[[slice], Tensor], n: int, what: str, tolerance: float) -> None:
    """``function`` of n samples at once gives what it gives one at a time."""
    singles = torch.cat([function(slice(i, i + 1)) for i in range(n)])
    equal(function(slice(0, n)), singles, f"{what} of a batch must be those of its samples one at a time", tolerance)


def descends(loss: Callable[[Tensor], Tensor], start: Tensor, what: str) -> None:
    """The gradient of ``loss`` at ``start`` is finite, not zero, and a step against it lowers the loss."""
    at = start.detach().clone().requires_grad_()
    here = loss(at)
    require(here.requires_grad, f"the gradient must reach {what}, but the result has no graph (detach? numpy?)")
    (gradient,) = torch.autograd.grad(here, at, allow_unused=True)
    require(gradient is not None, f"the gradient must reach {what}, but the graph does not lead there")
    require(torch.isfinite(gradient).all(), f"the gradient with respect to {what} must be finite")
    length = gradient.norm()
    require(length > 0, f"the gradient with respect to {what} must not be zero everywhere")
    scale = gradient.numel() ** 0.5 / length
    steps = (start - gradient * scale * size for size in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5))
    lower = any(loss(step.requires_grad_()) < here for step in steps)  # an estimator may look again without gradients
    require(lower, f"a small step against the gradient with respect to {what} must lower the loss")


def no_gradient(result: Tensor, source: Tensor, what: str) -> None:
    """The result carries no gradient to ``source``, as ``differentiable = False`` says."""
    if result.requires_grad:
        (gradient,) = torch.autograd.grad(result.sum(), source, allow_unused=True)
        require(gradient is None, f"differentiable is False, yet a gradient reaches {what}: say True, or detach")


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def poses(case: Case, n: int = 3, seed: int = 0) -> Tensor:
    """n human-sized poses theta (n,23,3): every joint turned by some 0.3 rad."""
    return (0.2 * torch.randn(n, 23, 3, generator=generator(seed))).to(case.device)
